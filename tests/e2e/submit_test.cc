// From submit to export: real daemon, real worker, real client.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;

std::vector<std::string> Command(const std::string& name, const std::vector<std::string>& rest) {
  std::vector<std::string> all = {name};
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

double MeanMs(const json& samples, const std::string& key) {
  double sum = 0;
  int count = 0;
  for (const json& sample : samples) {
    if (sample["warmup"].get<bool>()) continue;
    sum += sample[key].get<double>() / 1e6;
    ++count;
  }
  return sum / count;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(SubmitTest, RunPrintsOneRowForEachCellOfTheSweep) {
  World world;
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished sweep = world.Client({"run",
                                       "--layers",
                                       "1",
                                       "--heads",
                                       "2",
                                       "--d-model",
                                       "16",
                                       "--d-ff",
                                       "32",
                                       "--vocab",
                                       "50",
                                       "--batch-size",
                                       "1",
                                       "2",
                                       "--context-length",
                                       "8",
                                       "16",
                                       "--warmup-steps",
                                       "1",
                                       "--measure-steps",
                                       "3"});
  EXPECT_EQ(sweep.status, 0) << sweep.err;
  const auto lines = Lines(sweep.out);
  // Caption, header, rule, four cells; then advice.
  ASSERT_GE(lines.size(), 7U) << sweep.out;
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                          [](const std::string& line) { return line.starts_with("| "); }),
            5)
      << sweep.out;
  EXPECT_NE(lines[1].find("forward (ms)"), std::string::npos) << sweep.out;
  EXPECT_NE(lines[1].find("bwd/fwd"), std::string::npos) << sweep.out;
}

TEST(SubmitTest, ExportedMeansAgreeWithTheRawSamples) {
  World world;
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished run = world.Client(Command(
      "run", Tiny({"--pass-type", "train-step", "--warmup-steps", "2", "--measure-steps", "5"})));
  ASSERT_EQ(run.status, 0) << run.err;
  const json rows = world.Json({"export"});
  ASSERT_EQ(rows.size(), 1U);
  const json detail = world.Json({"show", rows[0]["run_id"].get<std::string>()});
  ASSERT_EQ(detail["samples"].size(), 7U);
  for (const std::string phase : {"forward", "loss", "backward", "optimizer", "step"}) {
    EXPECT_NEAR(rows[0][phase + "_mean_ms"].get<double>(), MeanMs(detail["samples"], phase + "_ns"),
                1e-9)
        << phase;
  }
  EXPECT_EQ(detail["environment"]["torch_version"].get<std::string>().rfind("2.11.0", 0), 0U);
  EXPECT_EQ(rows[0]["outcome"], "OK");
  EXPECT_EQ(rows[0]["workload_hash"].get<std::string>().size(), 32U);
}

TEST(SubmitTest, TheOwnerIsWhomTheKernelNames) {
  World world;
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  ASSERT_EQ(world.Client(Command("submit", Tiny())).status, 0);
  ASSERT_EQ(world.Client({"wait", "last"}).status, 0);
  const json job = world.Json({"show", "1"});
  EXPECT_EQ(world.Query("SELECT principal FROM principal"),
            std::vector<std::string>{"uid:" + std::to_string(::geteuid())});
  EXPECT_EQ(job["state"], "SUCCEEDED");
}

TEST(SubmitTest, LaunchesAreSeparateProcessesOfOneCell) {
  World world;
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished run = world.Client(
      Command("run", Tiny({"--launches", "3", "--measure-steps", "2", "--warmup-steps", "1"})));
  ASSERT_EQ(run.status, 0) << run.err;
  const json rows = world.Json({"export"});
  ASSERT_EQ(rows.size(), 3U);
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i]["launch"], i);
}

TEST(SubmitTest, TheSameSeedGivesTheSameLoss) {
  World world;
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  for (const std::string seed : {"3", "3", "4"}) {
    ASSERT_EQ(world.Client(Command("run", Tiny({"--seed", seed, "--measure-steps", "1"}))).status,
              0);
  }
  const json rows = world.Json({"runs", "--order", "oldest"});
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0]["first_loss"], rows[1]["first_loss"]);
  EXPECT_NE(rows[0]["first_loss"], rows[2]["first_loss"]);
}

TEST(SubmitTest, FilesAreWrittenWholeOrNotAtAll) {
  World world;
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const std::string file = world.folder() / "table.csv";
  ASSERT_EQ(world.Client(Command("run", Tiny({"-o", file, "--format", "csv"}))).status, 0);
  EXPECT_TRUE(std::filesystem::exists(file));
  const Finished refused = world.Client({"export", "-o", file + "/table.csv"});
  EXPECT_NE(refused.status, 0);
  EXPECT_EQ(Lines(refused.err).size(), 1U) << refused.err;
}

}  // namespace
}  // namespace torchlap::e2e
