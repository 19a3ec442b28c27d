// What was asked for, found again as rows: those that ended and those that did not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// One cell ended, one runs, one was cancelled before it began, one waits.
class ExportTest : public testing::Test {
 protected:
  ExportTest() : world_(World::FakeWorker()) {
    world_.TellFakeWorker({{"runs", {{"2", {{"at_step", 2}, {"do", "hang"}}}}}});
  }
  void SetUp() override {
    ASSERT_TRUE(world_.Start()) << world_.daemon_log();
    std::vector<std::string> words = Tiny({"--name", "four", "--warmup-steps", "1", "2", "3", "4"});
    words.insert(words.begin(), "submit");
    const Finished submitted = world_.Client(words);
    ASSERT_EQ(submitted.status, 0) << submitted.err;
    ASSERT_TRUE(Eventually([&] {
      return world_.Query("SELECT state FROM job WHERE id IN (1, 2) ORDER BY id") ==
             std::vector<std::string>{"3", "2"};
    }));
    ASSERT_EQ(world_.Client({"cancel", "3"}).status, 0);
  }
  World world_;
};

TEST_F(ExportTest, EveryCellThatWasAskedForIsARow) {
  const json rows = world_.Json({"export", "sweep:four"});
  std::vector<std::string> states;
  for (const json& row : rows) {
    states.push_back(row["job_state"].get<std::string>() + " " + row["outcome"].dump());
  }
  EXPECT_THAT(states, testing::ElementsAre("SUCCEEDED \"OK\"", "RUNNING null", "CANCELLED null",
                                           "QUEUED null"));
  for (const std::string format : {"table", "markdown", "writeup", "csv", "jsonl"}) {
    const Finished shown = world_.Client({"export", "--format", format});
    EXPECT_EQ(shown.status, 0) << shown.err;
    for (const char* word : {"RUNNING", "CANCELLED", "QUEUED"}) {
      EXPECT_THAT(shown.out, HasSubstr(word)) << format;
    }
  }
}

TEST_F(ExportTest, TheListOfSweepsSaysWhatWasAskedFor) {
  const json sweeps = world_.Json({"sweeps"});
  ASSERT_EQ(sweeps.size(), 1U);
  EXPECT_EQ(sweeps[0]["what"],
            "L1 h2 d16 f32 V50; forward-backward; batch 2; context 8; warm-up 1 2 3 4");
  EXPECT_EQ(sweeps[0]["succeeded_jobs"], 1);
  EXPECT_EQ(sweeps[0]["running_jobs"], 1);
  EXPECT_EQ(sweeps[0]["cancelled_jobs"], 1);
  EXPECT_EQ(sweeps[0]["queued_jobs"], 1);
}

TEST_F(ExportTest, WhatMatchesNothingIsNoFileAndALineThatSaysWhatIsThere) {
  const std::string file = world_.folder() / "none.csv";
  const Finished none = world_.Client({"export", "--outcome", "CRASHED", "-o", file});
  EXPECT_EQ(none.status, 4);
  EXPECT_EQ(none.err,
            "torchlap: no run matches; without the filters there are: 1 measure CANCELLED, 1 "
            "measure OK, 1 measure QUEUED, 1 measure RUNNING\n");
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(world_.Client({"export", "sweep:9"}).status, 4);
}

TEST_F(ExportTest, SamplesAreThoseThatShowHas) {
  const json samples = world_.Json({"show", "1.1"})["samples"];
  const Finished exported = world_.Client({"export", "1", "--samples", "--format", "jsonl"});
  ASSERT_EQ(exported.status, 0) << exported.err;
  std::istringstream lines(exported.out);
  size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const json row = json::parse(line);
    EXPECT_EQ(row["run_id"], "1.1");
    EXPECT_EQ(row["step"], samples.at(count)["step"]);
    EXPECT_EQ(row["warmup"], samples.at(count)["warmup"]);
    EXPECT_EQ(row["step_ns"], samples.at(count)["step_ns"]);
  }
  EXPECT_EQ(count, samples.size());
}

TEST_F(ExportTest, SweepsShowsWhatBecameOfIt) {
  const json sweeps = world_.Json({"sweeps"});
  ASSERT_EQ(sweeps.size(), 1U);
  EXPECT_EQ(sweeps[0]["name"], "four");
  EXPECT_EQ(sweeps[0]["purpose"], "measure");
  for (const char* count : {"queued_jobs", "running_jobs", "succeeded_jobs", "cancelled_jobs"}) {
    EXPECT_EQ(sweeps[0][count], 1) << count;
  }
  EXPECT_EQ(world_.Json({"sweeps", "--user", "nobody-of-that-name"}).size(), 0U);
  EXPECT_EQ(world_.Json({"show", "sweep:four"})["jobs"].size(), 4U);
}

}  // namespace
}  // namespace torchlap::e2e
