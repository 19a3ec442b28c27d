// Memory that runs out on a CPU device with a real limit: every attempt a fresh process and a
// stored run.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;

// About 1 MiB of weights; the activations of a sequence of 128 are some 5 MiB.
std::vector<std::string> Model(std::vector<std::string> more) {
  std::vector<std::string> arguments = {
      "run", "--layers", "2",    "--heads",        "4", "--d-model",       "64", "--d-ff",
      "256", "--vocab",  "1000", "--warmup-steps", "1", "--measure-steps", "2"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(OomLadderTest, TheBatchIsHalvedUntilItFits) {
  World world(World::DefaultConfiguration("24MiB"));
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished run = world.Client(Model({"--batch-size", "16", "--context-length", "128"}));
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("batch 16 -> "), std::string::npos) << run.out;
  const json rows = world.Json({"export"});
  ASSERT_GE(rows.size(), 2U);
  uint64_t batch = 16;
  for (size_t i = 0; i + 1 < rows.size(); ++i, batch /= 2) {
    EXPECT_EQ(rows[i]["outcome"], "OUT_OF_MEMORY");
    EXPECT_EQ(rows[i]["batch_size"], batch);
    EXPECT_EQ(rows[i]["requested_batch_size"], 16U);
    EXPECT_GT(rows[i]["failure_asked_bytes"].get<uint64_t>(),
              rows[i]["failure_free_bytes"].get<uint64_t>());
  }
  EXPECT_EQ(rows.back()["outcome"], "OK");
  EXPECT_EQ(rows.back()["batch_size"], batch);
  EXPECT_LE(rows.back()["peak_allocated_bytes"].get<uint64_t>(), uint64_t{24} << 20);
}

TEST(OomLadderTest, ThenTheContextIsHalvedToItsFloor) {
  World world(World::DefaultConfiguration("8MiB"));
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished run =
      world.Client(Model({"--batch-size", "1", "--context-length", "512", "--min-context", "16"}));
  EXPECT_EQ(run.status, 0) << run.out << run.err;
  const json rows = world.Json({"export"});
  EXPECT_EQ(rows.back()["outcome"], "OK");
  EXPECT_LT(rows.back()["context_length"].get<uint64_t>(), 512U);
}

TEST(OomLadderTest, ASweptAxisIsNeverShrunk) {
  World world(World::DefaultConfiguration("24MiB"));
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished run = world.Client(
      Model({"--batch-size", "1", "64", "128", "--context-length", "128", "--min-context", "128"}));
  EXPECT_EQ(run.status, 2) << run.out << run.err;
  const json rows = world.Json({"export"});
  ASSERT_EQ(rows.size(), 3U);
  // Larger than a cell of the sweep that failed: not tried.
  EXPECT_EQ(rows[2]["outcome"], "SKIPPED");
  // Not with the numbers of the run that failed.
  EXPECT_NE(run.out.find("SKIPPED: not tried: run 2.1 ran out of memory at batch 64, context 128"),
            std::string::npos)
      << run.out;
  EXPECT_NE(rows[2]["failure_detail"].get<std::string>().find("run 2.1"), std::string::npos);
  EXPECT_EQ(rows[0]["outcome"], "OK");
  EXPECT_EQ(rows[1]["outcome"], "OUT_OF_MEMORY");
  EXPECT_EQ(rows[1]["batch_size"], 64U);
}

TEST(OomLadderTest, WithoutRetryTheFirstAttemptIsTheResult) {
  World world(World::DefaultConfiguration("24MiB"));
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished run =
      world.Client(Model({"--batch-size", "64", "--context-length", "128", "--no-oom-retry"}));
  EXPECT_EQ(run.status, 2) << run.out << run.err;
  EXPECT_EQ(world.Json({"export"}).size(), 1U);
  EXPECT_NE(run.out.find("try for the largest batch that fits: torchlap fit "), std::string::npos)
      << run.out;
  EXPECT_EQ(run.out.find("would need"), std::string::npos) << run.out;
}

// What the advice leads to is true, whatever the sizes.
TEST(OomLadderTest, TheFitThatIsAdvisedFindsASizeThatRuns) {
  World world(World::DefaultConfiguration("8MiB"));
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished run =
      world.Client(Model({"--batch-size", "1", "--context-length", "512", "--no-oom-retry"}));
  EXPECT_EQ(run.status, 2) << run.out << run.err;
  EXPECT_NE(run.out.find("largest context that fits: torchlap fit --axis context"),
            std::string::npos)
      << run.out;
  std::vector<std::string> fit = Model({"--batch-size", "1", "--axis", "context"});
  fit.front() = "fit";
  const Finished found = world.Client(fit);
  EXPECT_EQ(found.status, 0) << found.out << found.err;
  EXPECT_NE(found.out.find("largest context that fits: "), std::string::npos) << found.out;
}

TEST(OomLadderTest, AHopelessSizeIsSkippedWithItsNumbers) {
  World world(World::DefaultConfiguration("1200MiB"));
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished run = world.Client({"run", "--model-sizes", "2.7B"});
  EXPECT_EQ(run.status, 2) << run.out << run.err;
  const json rows = world.Json({"export"});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["outcome"], "SKIPPED");
  EXPECT_EQ(rows[0]["failure_asked_bytes"], 3406809600ULL * 8);  // weights and gradients in fp32
  EXPECT_EQ(rows[0]["failure_free_bytes"], uint64_t{1200} << 20);
  EXPECT_EQ(world.Json({"show", "1"})["state"], "FAILED");
}

}  // namespace
}  // namespace torchlap::e2e
