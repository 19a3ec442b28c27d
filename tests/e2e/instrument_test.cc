// warmup, fit, calibrate and verdicts: real daemon, real worker, real client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::vector<std::string> Command(const std::string& name, const std::vector<std::string>& more) {
  std::vector<std::string> words = Tiny(more);
  words.insert(words.begin(), name);
  return words;
}

TEST(InstrumentTest, WarmupComparesFreshProcessesInRandomOrder) {
  World world;
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished warmup = world.Client(Command("warmup", {"--measure-steps", "10"}));
  ASSERT_EQ(warmup.status, 0) << warmup.err;
  EXPECT_THAT(warmup.out, HasSubstr("settle"));
  const json runs = world.Json({"runs", "--purpose", "warmup", "--order", "oldest"});
  ASSERT_EQ(runs.size(), 5u);
  std::vector<int> steps;
  for (const json& run : runs) steps.push_back(run["warmup_steps"].get<int>());
  std::sort(steps.begin(), steps.end());
  EXPECT_EQ(steps, (std::vector<int>{0, 1, 2, 5, 10}));
  // Experiments are not in the series of what is measured.
  EXPECT_EQ(world.Json({"runs", "--purpose", "measure"}).size(), 0u);
}

TEST(InstrumentTest, FitEndsAtASizeThatHoldsAndLaterLaddersStartThere) {
  World world(World::DefaultConfiguration("4MiB"));
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished fit = world.Client(Command("fit", {}));
  ASSERT_EQ(fit.status, 0) << fit.err;
  EXPECT_THAT(fit.out, HasSubstr("largest batch that fits: "));
  const json tries = world.Json({"runs", "--purpose", "fit", "--order", "oldest"});
  int largest = 0;
  int smallest_too_big = 1 << 30;
  for (const json& run : tries) {
    const int batch = run["batch_size"].get<int>();
    if (run["outcome"] == "OK") largest = std::max(largest, batch);
    if (run["outcome"] == "OUT_OF_MEMORY") smallest_too_big = std::min(smallest_too_big, batch);
  }
  EXPECT_EQ(smallest_too_big, largest + 1);
  EXPECT_EQ(tries.back()["batch_size"], largest);
  EXPECT_EQ(tries.back()["actual_measure_steps"], 10);

  const Finished run =
      world.Client(Command("run", {"--cell", "batch=" + std::to_string(4 * largest)}));
  ASSERT_EQ(run.status, 0) << run.err;
  const json measured = world.Json({"runs", "--purpose", "measure", "--order", "oldest"});
  const auto of_large = std::find_if(measured.begin(), measured.end(), [&](const json& row) {
    return row["requested_batch_size"] == 4 * largest;
  });
  ASSERT_NE(of_large, measured.end());
  EXPECT_EQ((*of_large)["outcome"], "SKIPPED");
  EXPECT_THAT((*of_large)["failure_detail"].get<std::string>(), HasSubstr("not tried: run 1."));
  EXPECT_EQ((*(of_large + 1))["batch_size"], largest);
}

// The first calibration that nothing disturbed, as the tests beside this one may: only such a one
// is a peak. Empty: there was none in ten.
std::string UndisturbedCalibration(World* world) {
  for (int job = 2; job <= 11; ++job) {
    const std::string run_id = std::to_string(job) + ".1";
    EXPECT_EQ(world->Client({"calibrate", "--matrix-size", "64"}).status, 0);
    if (world->Json({"show", run_id})["validity"] != "contaminated") return run_id;
  }
  return "";
}

TEST(InstrumentTest, ACalibrationGivesLaterRunsTheirShareOfThePeak) {
  World world;
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished calibrate = world.Client({"calibrate", "--matrix-size", "64"});
  ASSERT_EQ(calibrate.status, 0) << calibrate.err;
  EXPECT_THAT(calibrate.out, HasSubstr("| fp32 "));
  EXPECT_THAT(calibrate.out, HasSubstr("| 64 "));
  const json calibration = world.Json({"show", "1.1"});
  EXPECT_FALSE(calibration["validity"].is_null());
  EXPECT_GE(calibration["samples"].size(), 10U);
  EXPECT_TRUE(calibration["step_mean_ms"].is_null());
  const std::string peak = UndisturbedCalibration(&world);
  if (peak.empty()) GTEST_SKIP() << "the machine was not quiet for as long as a calibration takes";
  ASSERT_EQ(world.Client(Command("run", {})).status, 0);
  const json row = world.Json({"export"}).at(0);
  EXPECT_EQ(row["calibration_run_id"], peak);
  EXPECT_GT(row["matmul_peak_ratio"].get<double>(), 0.0);
}

TEST(InstrumentTest, WhatWasInForceAndWhyMeasuringStoppedAreStored) {
  World world;
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished run = world.Client(
      Command("run", {"--precision", "bf16", "--attention", "sdpa", "--target-precision", "50%",
                      "--max-steps", "200", "--warmup-steps", "2"}));
  ASSERT_EQ(run.status, 0) << run.err;
  const json row = world.Json({"export"}).at(0);
  EXPECT_EQ(row["autocast"], "bfloat16");
  EXPECT_EQ(row["weights_format"], "float32");
  EXPECT_EQ(row["fp32_matmul"], "ieee");
  EXPECT_FALSE(row["sdpa_kernel"].is_null());
  EXPECT_FALSE(row["precision_instructions"].is_null());
  EXPECT_EQ(row["stop_reason"], "reached");
  EXPECT_EQ(row["actual_warmup_steps"], 2);
  EXPECT_GE(row["actual_measure_steps"].get<int>(), 10);
  EXPECT_FALSE(row["validity"].is_null());
}

}  // namespace
}  // namespace torchlap::e2e
