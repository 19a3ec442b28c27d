// The canary: a run that nobody asked for, which no list shows that does not ask for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string Configuration() {
  return World::FakeWorker("canary = { every = \"1h\", idle_s = 1 }\n");
}

bool AwaitCanary(World* world) {
  return Eventually([world] { return !world->Json({"runs", "--purpose", "canary"}).empty(); });
}

TEST(CanaryTest, AnIdleDeviceRunsOneForWhoeverAsksForIt) {
  World world(Configuration());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  ASSERT_TRUE(AwaitCanary(&world)) << world.daemon_log();
  const json runs = world.Json({"runs", "--purpose", "canary"});
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0]["outcome"], "OK");
  EXPECT_EQ(runs[0]["user"], "torchlapd");
  EXPECT_EQ(runs[0]["run_id"], "1.1");
  const Finished trend = world.Client({"trend", "--purpose", "canary"});
  EXPECT_EQ(trend.status, 0) << trend.err;
  EXPECT_THAT(trend.out, HasSubstr("1 run"));
}

TEST(CanaryTest, NoListShowsItThatDoesNotAskForIt) {
  World world(Configuration());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  ASSERT_TRUE(AwaitCanary(&world)) << world.daemon_log();
  EXPECT_EQ(world.Json({"runs"}).size(), 0U);
  EXPECT_EQ(world.Json({"queue"}).size(), 0U);
  EXPECT_EQ(world.Json({"sweeps"}).size(), 0U);
  EXPECT_THAT(world.Client({"runs", "last"}).err, HasSubstr("has submitted nothing yet"));
  EXPECT_EQ(world.Json({"runs", "all"}).size(), 1U);
  EXPECT_EQ(world.Client({"export", "all", "--format", "json"}).status, 4);
  EXPECT_EQ(world.Json({"export", "all", "--purpose", "canary"}).size(), 1U);
  int told = 0;
  for (const json& finding : world.Json({"doctor"})) {
    if (finding["code"] != "canary") continue;
    ++told;
    EXPECT_EQ(finding["severity"], "note") << "one run is no trend";
    EXPECT_EQ(finding["expected"], "5");
  }
  EXPECT_EQ(told, 1) << "of the device that ran it";
  std::vector<std::string> run = Tiny();
  run.insert(run.begin(), "run");
  ASSERT_EQ(world.Client(run).status, 0);
  EXPECT_EQ(world.Json({"export"}).size(), 1U);
  EXPECT_EQ(world.Json({"runs"}).size(), 1U);
}

}  // namespace
}  // namespace torchlap::e2e
