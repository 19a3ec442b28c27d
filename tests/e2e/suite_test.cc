// Suites with the real programs: a file that is run, and one that the daemon runs when it is idle.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// Of each of three phases.
json Steps(int phase_ms) {
  const int64_t ns = int64_t{1'000'000} * phase_ms;
  return {{"forward_ns", ns}, {"loss_ns", ns}, {"backward_ns", ns}};
}

constexpr char kSuite[] = R"(
layers = 1
heads = 2
d-model = 16
d-ff = 32
vocab = 50
batch-size = 2
context-length = 8
launches = 4

[sweep.main]

[sweep.half]
precision = "bf16"
baseline = "sweep:main"
by = "precision=fp32"
)";

class SuiteTest : public testing::Test {
 protected:
  SuiteTest() : world_(World::FakeWorker()), file_(world_.folder() / "night.toml") {}
  void SetUp() override {
    ASSERT_TRUE(world_.Start()) << world_.daemon_log();
    // Of whatever runs second.
    world_.TellFakeWorker({{"runs", {{"2", Steps(5)}, {"*", Steps(10)}}}});
    std::ofstream(file_) << kSuite;
  }
  std::string Count(const std::string& what) {
    const std::vector<std::string> rows = world_.Query("SELECT count(*) FROM " + what);
    return rows.empty() ? "" : rows.front();
  }

  // While no daemon has the database.
  void Execute(const char* sql) {
    sqlite3* connection = nullptr;
    ASSERT_EQ(::sqlite3_open(world_.database().c_str(), &connection), SQLITE_OK);
    EXPECT_EQ(::sqlite3_exec(connection, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    ::sqlite3_close(connection);
  }

  World world_;
  const std::filesystem::path file_;
};

TEST_F(SuiteTest, AFileIsRunAndCompared) {
  const Finished ran = world_.Client({"run", "--file", file_});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("main (sweep:1)\n"));
  EXPECT_THAT(ran.out, HasSubstr("half (sweep:2)\n"));
  EXPECT_THAT(ran.out, HasSubstr("faster by 50 %"));
  EXPECT_EQ(world_.Json({"runs", "label:suite=night"}).size(), 8U);
  EXPECT_EQ(world_.Json({"runs", "sweep:half"}).size(), 4U);
  const Finished submitted = world_.Client({"submit", "--file", file_});
  EXPECT_EQ(submitted.out, "sweep:3 job 3\nsweep:4 job 4\n") << submitted.err;
}

TEST_F(SuiteTest, WhatIsWrongIsOneLine) {
  std::ofstream(file_) << "[sweep.a]\nmodel-size = \"small\"\ndevice = \"cuda:7\"\n";
  for (const std::vector<std::string>& words : {std::vector<std::string>{"run", "--file", file_},
                                                {"suite", "add", file_, "--when", "02:00"}}) {
    const Finished finished = world_.Client(words);
    EXPECT_EQ(finished.status, 4);
    EXPECT_EQ(LineCount(finished.err), 1U) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("device `cuda:7` is not there"));
  }
  EXPECT_EQ(Count("sweep"), "0");
  EXPECT_EQ(Count("suite"), "0");
}

TEST_F(SuiteTest, AnIdleDaemonRunsASuiteOnceAndListsWhatCameOfIt) {
  EXPECT_EQ(world_.Client({"suite", "check", file_}).status, 0);
  const Finished added = world_.Client({"suite", "add", file_, "--when", "idle=1s"});
  ASSERT_EQ(added.status, 0) << added.err;
  EXPECT_THAT(added.out, HasSubstr("suite night added: 2 sweeps, 2 jobs"));
  ASSERT_TRUE(Eventually([&] { return Count("run WHERE outcome IS NOT NULL") == "8"; }))
      << world_.daemon_log();
  const json suites = world_.Json({"suite", "list"});
  ASSERT_EQ(suites.size(), 1U);
  EXPECT_EQ(suites[0]["name"], "night");
  EXPECT_EQ(suites[0]["when"], "idle 1 s");
  EXPECT_EQ(suites[0]["last_sweep_ids"], "1 2");
  EXPECT_TRUE(suites[0]["problem"].is_null()) << suites;
  EXPECT_EQ(world_.Json({"runs", "label:suite=night"}).size(), 8U);

  // Killed before it could note what it submitted, as far as its database knows.
  world_.Kill();
  Execute("UPDATE suite SET last_at_ns = NULL, last_sweeps = NULL");
  ASSERT_TRUE(world_.Start()) << world_.daemon_log();
  ASSERT_TRUE(Eventually([&] {
    return world_.Json({"suite", "list"})[0]["last_sweep_ids"] == "1 2";
  })) << world_.daemon_log();
  EXPECT_EQ(Count("sweep"), "2");

  EXPECT_EQ(world_.Client({"suite", "remove", "night"}).status, 0);
  EXPECT_EQ(world_.Client({"suite", "remove", "night"}).status, 4);
  EXPECT_EQ(world_.Json({"suite", "list"}).size(), 0U);
  EXPECT_EQ(Count("run"), "8") << "what it ran stays";
}

}  // namespace
}  // namespace torchlap::e2e
