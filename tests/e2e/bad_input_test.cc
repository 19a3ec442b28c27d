// Bad input: one clear line, the right exit code, nothing lost.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/e2e/programs.h"
#include "tests/e2e/small_disk.h"

namespace torchlap::e2e {
namespace {

struct Case {
  std::string name;
  std::vector<std::string> arguments;
  int status;
  std::vector<std::string> parts;  // of the line: what, the value, what would be right
};

void PrintTo(const Case& bad, std::ostream* stream) { *stream << bad.name; }

void ExpectOneLine(const Finished& finished, const Case& bad) {
  EXPECT_EQ(finished.status, bad.status) << finished.err;
  EXPECT_EQ(finished.out, "");
  EXPECT_EQ(LineCount(finished.err), 1U) << finished.err;
  for (const std::string& part : bad.parts) {
    EXPECT_NE(finished.err.find(part), std::string::npos) << part << " in: " << finished.err;
  }
}

class BadInputTest : public testing::TestWithParam<Case> {};

TEST_P(BadInputTest, IsSaidInOneLineAndStoresNothing) {
  World world(World::FakeWorker());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  ExpectOneLine(world.Client(GetParam().arguments), GetParam());
  EXPECT_EQ(world.Query("SELECT COUNT(*) FROM job"), std::vector<std::string>{"0"});
}

INSTANTIATE_TEST_SUITE_P(
    All, BadInputTest,
    testing::Values(
        Case{"UnknownSize", {"run", "--model-sizes", "huge"}, 1, {"huge", "small"}},
        Case{"BatchZero",
             {"run", "--model-sizes", "small", "--batch-size", "0"},
             1,
             {"0", "1 to 65536"}},
        Case{"ContextNoNumber",
             {"run", "--model-sizes", "small", "--context-length", "long"},
             1,
             {"long"}},
        Case{"HeadsDoNotDivide",
             {"run", "--layers", "2", "--heads", "5", "--d-model", "64", "--d-ff", "128"},
             1,
             {"5", "64"}},
        Case{
            "TwoValuesForOne", {"run", "--model-sizes", "small", "--launches", "1", "2"}, 1, {"2"}},
        Case{"NeitherSizeNorShape", {"run"}, 1, {"--model-sizes"}},
        Case{"UnknownFlag", {"run", "--model-sizes", "small", "--frobnicate"}, 1, {"--frobnicate"}},
        Case{"NoUtf8", {"run", "--model-sizes", "small", "--label", "k=\xff"}, 1, {"UTF-8"}},
        Case{"UnknownDevice",
             {"run", "--model-sizes", "small", "--device", "gpu7"},
             4,
             {"gpu7", "cpu0"}},
        Case{"NoCudaDevice", {"run", "--model-sizes", "small", "--device", "cuda"}, 4, {"cuda"}},
        Case{"UnknownPrecision",
             {"run", "--model-sizes", "small", "--precision", "fp8"},
             1,
             {"fp8", "fp32"}},
        Case{"Tf32OnACpu",
             {"run", "--model-sizes", "small", "--precision", "tf32"},
             1,
             {"tf32", "fp32"}}),
    [](const auto& parameter) { return parameter.param.name; });

TEST(BadPlaceTest, AnAddressWhereNobodyListensIsNamed) {
  World world(World::FakeWorker());
  ExpectOneLine(
      world.Client({"--address", "unix:" + (world.folder() / "nobody").string(), "status"}),
      {"", {}, 3, {"nobody", "torchlapd"}});
}

TEST(BadPlaceTest, ADatabaseOfANewerVersionIsRefusedAndLeftAlone) {
  World world(World::FakeWorker());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  world.Stop();
  // The version of the schema is a big-endian number at offset 60 of the file.
  {
    std::fstream file(world.database(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(60);
    file.write("\0\0\3\347", 4);  // 999
  }
  EXPECT_FALSE(world.Start());
  EXPECT_EQ(LineCount(world.daemon_log()), 1U) << world.daemon_log();
  EXPECT_NE(world.daemon_log().find("999"), std::string::npos) << world.daemon_log();
}

TEST(BadPlaceTest, AStateFolderThatCannotBeWrittenIsNamed) {
  World world(World::FakeWorker());
  std::ofstream(world.folder() / "state") << "a file where a folder should be";
  EXPECT_FALSE(world.Start());
  EXPECT_EQ(LineCount(world.daemon_log()), 1U) << world.daemon_log();
  EXPECT_NE(world.daemon_log().find("state"), std::string::npos) << world.daemon_log();
}

TEST(BadPlaceTest, AReadOnlyStateFolderIsNamed) {
  World world(World::FakeWorker());
  const SmallDisk disk(world.folder() / "state", 4);
  if (!disk.problem().empty()) GTEST_SKIP() << disk.problem();
  ASSERT_TRUE(disk.MakeReadOnly());
  EXPECT_FALSE(world.Start());
  EXPECT_EQ(LineCount(world.daemon_log()), 1U) << world.daemon_log();
  EXPECT_NE(world.daemon_log().find("state"), std::string::npos) << world.daemon_log();
}

TEST(BadPlaceTest, AFullDiskRefusesSubmitsAndLosesNothing) {
  World world(World::FakeWorker());
  const SmallDisk disk(world.folder() / "state", 1);
  if (!disk.problem().empty()) GTEST_SKIP() << disk.problem();
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  std::vector<std::string> submit = Tiny();
  submit.insert(submit.begin(), "submit");
  ASSERT_EQ(world.Client(submit).status, 0);
  ASSERT_EQ(world.Client({"wait", "1"}).status, 0);
  disk.Fill();
  ExpectOneLine(world.Client(submit), {"", {}, 4, {"full"}});
  EXPECT_EQ(world.Json({"show", "1"})["state"], "SUCCEEDED");
  disk.Free();
  EXPECT_EQ(world.Client(submit).status, 0);
  EXPECT_EQ(world.Client({"wait", "last"}).status, 0);
}

}  // namespace
}  // namespace torchlap::e2e
