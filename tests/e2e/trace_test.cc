// `--trace`: one more run of each job, whose Chrome trace comes to the client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json ReadJson(const std::filesystem::path& file) {
  std::ifstream stream(file);
  EXPECT_TRUE(stream) << file;
  return json::parse(stream, nullptr, /*allow_exceptions=*/false);
}

bool HasEvent(const json& trace, const std::string& name) {
  return std::any_of(trace["traceEvents"].begin(), trace["traceEvents"].end(),
                     [&](const json& event) { return event.value("name", "") == name; });
}

std::vector<std::string> Command(const std::string& name, std::vector<std::string> more) {
  std::vector<std::string> words = Tiny(std::move(more));
  words.insert(words.begin(), name);
  return words;
}

TEST(TraceTest, RunWritesAChromeTraceBesideItsTable) {
  World world;
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const std::filesystem::path traces = world.folder() / "traces";
  const Finished run =
      world.Client(Command("run", {"--pass-type", "train-step", "--trace", traces}));
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("1.2.json"));
  const json trace = ReadJson(traces / "1.2.json");
  for (const std::string phase : {"forward", "loss", "backward", "optimizer"}) {
    EXPECT_TRUE(HasEvent(trace, phase)) << phase;
  }
  EXPECT_TRUE(HasEvent(trace, "aten::mm") || HasEvent(trace, "aten::linear"));
  // The measured run is what the table and the export show.
  EXPECT_EQ(world.Json({"export"}).size(), 1u);
  const json all = world.Json({"runs", "1", "--order", "oldest"});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["purpose"], "measure");
  EXPECT_EQ(all[1]["purpose"], "trace");
}

TEST(TraceTest, WaitFetchesTheTracesOfWhatWasSubmitted) {
  World world;
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  ASSERT_EQ(world.Client(Command("submit", {"--batch-size", "1", "--trace", "unused"})).status, 0);
  const std::filesystem::path traces = world.folder() / "traces";
  const Finished wait = world.Client({"wait", "--trace", traces});
  ASSERT_EQ(wait.status, 0) << wait.err;
  for (const char* file : {"1.2.json", "2.2.json"}) {
    EXPECT_FALSE(ReadJson(traces / file)["traceEvents"].empty()) << file;
  }
}

}  // namespace
}  // namespace torchlap::e2e
