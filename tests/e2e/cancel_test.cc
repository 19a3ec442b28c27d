// Ending a run early: cancelled, or past its time limit.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;

std::vector<std::string> Submit(std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = Tiny(std::move(more));
  arguments.insert(arguments.begin(), "submit");
  return arguments;
}

bool IsRunning(const World& world, const std::string& job) {
  return world.Query("SELECT state FROM job WHERE id = " + job) == std::vector<std::string>{"2"} &&
         !World::Children(world.daemon_pid()).empty();
}

void ExpectCancelled(World* world) {
  ASSERT_EQ(world->Client({"wait", "1"}).status, 2);
  const json job = world->Json({"show", "1"});
  EXPECT_EQ(job["state"], "CANCELLED");
  EXPECT_EQ(job["reason"], "cancelled by " + world->Json({"status"})["caller"].get<std::string>());
  EXPECT_EQ(job["runs"][0]["outcome"], "CANCELLED");
  EXPECT_TRUE(Eventually([&] { return World::Children(world->daemon_pid()).empty(); }));
}

TEST(CancelTest, ARunningJobIsEnded) {
  World world(World::FakeWorker());
  world.TellFakeWorker({{"runs", {{"*", {{"at_step", 2}, {"do", "hang"}}}}}});
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  ASSERT_EQ(world.Client(Submit()).status, 0);
  ASSERT_TRUE(Eventually([&] { return IsRunning(world, "1"); }));
  EXPECT_EQ(world.Client({"cancel", "1"}).status, 0);
  ExpectCancelled(&world);
}

TEST(CancelTest, AWorkerThatIgnoresTermIsKilled) {
  World world(World::FakeWorker("grace_ms = 200\n"));
  world.TellFakeWorker({{"runs", {{"*", {{"at_step", 0}, {"do", "hang-stubborn"}}}}}});
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  ASSERT_EQ(world.Client(Submit()).status, 0);
  ASSERT_TRUE(Eventually([&] { return IsRunning(world, "1"); }));
  EXPECT_EQ(world.Client({"cancel", "1"}).status, 0);
  ExpectCancelled(&world);
}

TEST(CancelTest, AQueuedJobNeverStarts) {
  World world(World::FakeWorker());
  world.TellFakeWorker({{"runs", {{"1", {{"at_step", 0}, {"do", "hang"}}}}}});
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  ASSERT_EQ(world.Client(Submit()).status, 0);
  ASSERT_EQ(world.Client(Submit()).status, 0);
  ASSERT_TRUE(Eventually([&] { return IsRunning(world, "1"); }));
  EXPECT_EQ(world.Client({"cancel", "2"}).status, 0);
  const json job = world.Json({"show", "2"});
  EXPECT_EQ(job["state"], "CANCELLED");
  EXPECT_TRUE(job["runs"].empty());
}

TEST(CancelTest, OfAUserAllUnfinishedJobsAreEndedAndOnlyThose) {
  World world(World::FakeWorker());
  world.TellFakeWorker({{"runs", {{"2", {{"at_step", 0}, {"do", "hang"}}}}}});
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const std::string me = world.Json({"status"})["caller"];
  for (int i = 0; i < 3; ++i) ASSERT_EQ(world.Client(Submit()).status, 0);
  ASSERT_TRUE(Eventually([&] { return IsRunning(world, "2"); }));
  const Finished nobody = world.Client({"cancel", "--user", "nobody-of-that-name"});
  EXPECT_EQ(nobody.status, 4);
  EXPECT_NE(nobody.err.find("nobody-of-that-name has no unfinished job"), std::string::npos)
      << nobody.err;
  EXPECT_EQ(world.Client({"cancel", "sweep:3", "--user", me}).status, 0);
  EXPECT_EQ(world.Json({"show", "3"})["state"], "CANCELLED");
  EXPECT_EQ(world.Json({"show", "2"})["state"], "RUNNING");
  EXPECT_EQ(world.Json({"devices"})[0]["user"], me);
  EXPECT_EQ(world.Client({"cancel", "--user", me}).status, 0);
  EXPECT_EQ(world.Client({"wait", "2"}).status, 2);
  EXPECT_EQ(world.Json({"show", "1"})["state"], "SUCCEEDED");
  EXPECT_TRUE(world.Json({"devices"})[0]["user"].is_null());
}

TEST(CancelTest, AFinishedJobIsRefusedAndAnUnknownOneNotFound) {
  World world(World::FakeWorker());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  ASSERT_EQ(world.Client(Submit()).status, 0);
  ASSERT_EQ(world.Client({"wait", "1"}).status, 0);
  const Finished finished = world.Client({"cancel", "1"});
  EXPECT_EQ(finished.status, 4);
  EXPECT_NE(finished.err.find("finished"), std::string::npos) << finished.err;
  EXPECT_EQ(world.Client({"cancel", "99"}).status, 4);
}

TEST(CancelTest, ARunPastItsTimeLimitIsTimedOut) {
  World world(World::FakeWorker("grace_ms = 200\n"));
  world.TellFakeWorker(
      {{"runs", {{"*", {{"at_step", 3}, {"do", "hang"}, {"steps_per_event", 1}}}}}});
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  std::vector<std::string> run = Tiny({"--time-limit", "1s"});
  run.insert(run.begin(), "run");
  EXPECT_EQ(world.Client(run).status, 2);
  const json job = world.Json({"show", "1"});
  EXPECT_EQ(job["state"], "FAILED");
  EXPECT_EQ(job["runs"][0]["outcome"], "TIMED_OUT");
  EXPECT_NE(job["runs"][0]["failure_detail"].get<std::string>().find("3 of 15 steps"),
            std::string::npos);
}

}  // namespace
}  // namespace torchlap::e2e
