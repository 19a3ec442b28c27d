// What a user says of runs later, and what their workers said: label, note, invalidate, logs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// Jobs 1 and 2, ended.
void RunTwo(World* world) {
  ASSERT_TRUE(world->Start()) << world->daemon_log();
  for (int i = 0; i < 2; ++i) {
    std::vector<std::string> submit = Tiny();
    submit.insert(submit.begin(), "submit");
    ASSERT_EQ(world->Client(submit).status, 0);
  }
  ASSERT_EQ(world->Client({"wait", "1", "2"}).status, 0);
}

// The line of a command that must succeed.
std::string Said(World* world, const std::vector<std::string>& words) {
  const Finished finished = world->Client(words);
  EXPECT_EQ(finished.status, 0) << finished.err;
  return finished.out;
}

std::vector<std::string> RunIds(World* world, std::vector<std::string> words) {
  std::vector<std::string> ids;
  for (const json& run : world->Json(std::move(words))) ids.push_back(run["run_id"]);
  return ids;
}

TEST(KeepTest, LabelsAreSetFoundAndTakenAway) {
  World world(World::FakeWorker());
  RunTwo(&world);
  EXPECT_EQ(Said(&world, {"label", "1", "card=A", "day=1"}), "labelled 1 job\n");
  EXPECT_EQ(Said(&world, {"label", "1", "2", "set=all"}), "labelled 2 jobs\n");
  EXPECT_THAT(RunIds(&world, {"runs", "label:card=A"}), testing::ElementsAre("1.1"));
  EXPECT_EQ(Said(&world, {"label", "label:set=all", "card=B", "--remove", "day"}),
            "labelled 2 jobs\n");
  EXPECT_EQ(world.Json({"show", "1"})["labels"], (json{{"card", "B"}, {"set", "all"}}));
  EXPECT_THAT(RunIds(&world, {"runs", "label:card=A"}), testing::IsEmpty());
  const Finished unnamed = world.Client({"label", "k=v"});
  EXPECT_EQ(unnamed.status, 1);
  EXPECT_THAT(unnamed.err, HasSubstr("label needs a selector"));
  EXPECT_EQ(world.Client({"label", "9", "k=v"}).status, 4);
}

TEST(KeepTest, ANoteOutlivesTheDaemon) {
  World world(World::FakeWorker());
  RunTwo(&world);
  EXPECT_EQ(Said(&world, {"note", "last", "--text", "the window was open\nask Ann"}),
            "noted on 1 run\n");
  world.Kill();
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const std::string shown = Said(&world, {"show", "2.1"});
  EXPECT_THAT(shown, HasSubstr("the window was open"));
  EXPECT_THAT(shown, HasSubstr("ask Ann"));
  EXPECT_EQ(world.Json({"runs", "2.1"})[0]["note"], "the window was open\nask Ann");
  EXPECT_EQ(Said(&world, {"note", "2.1", "--clear"}), "cleared the note of 1 run\n");
  EXPECT_TRUE(world.Json({"runs", "2.1"})[0]["note"].is_null());
  const Finished escape = world.Client({"note", "1", "--text", "\x1b[2J"});
  EXPECT_EQ(escape.status, 1);
  EXPECT_THAT(escape.err, HasSubstr("must have no \\x1b"));
}

TEST(KeepTest, AnInvalidRunIsLeftOutUntilItIsValidAgain) {
  World world(World::FakeWorker());
  RunTwo(&world);
  EXPECT_EQ(Said(&world, {"invalidate", "1", "--reason", "the fan had failed"}),
            "declared 1 run invalid\n");
  EXPECT_THAT(RunIds(&world, {"runs"}), testing::ElementsAre("2.1"));
  EXPECT_THAT(RunIds(&world, {"export", "all"}), testing::ElementsAre("2.1"));
  EXPECT_THAT(RunIds(&world, {"runs", "--include-invalid", "--order", "oldest"}),
              testing::ElementsAre("1.1", "2.1"));
  EXPECT_EQ(world.Json({"runs", "1.1"})[0]["invalid_reason"], "the fan had failed");
  EXPECT_THAT(Said(&world, {"show", "1"}), HasSubstr("1.1: invalid: the fan had failed"));
  EXPECT_EQ(Said(&world, {"invalidate", "1", "--undo"}), "1 run is valid again\n");
  EXPECT_THAT(RunIds(&world, {"runs", "--order", "oldest"}), testing::ElementsAre("1.1", "2.1"));
  EXPECT_EQ(world.Client({"invalidate", "1"}).status, 1);
}

TEST(KeepTest, LogsAreWhatTheWorkerWrote) {
  World world(World::FakeWorker());
  world.TellFakeWorker({{"runs", {{"1", {{"stderr_bytes", 300'000}}}}}});
  RunTwo(&world);
  EXPECT_GE(Said(&world, {"logs", "1.1"}).size(), 300'000U);
  EXPECT_EQ(Said(&world, {"logs", "1"}), Said(&world, {"logs", "1.1"}));
  std::filesystem::remove(world.state_folder() / "logs" / "2.1.log");
  const Finished gone = world.Client({"logs", "2.1"});
  EXPECT_EQ(gone.status, 4);
  EXPECT_THAT(gone.err, HasSubstr("run 2.1 has no log any more"));
  const Finished unknown = world.Client({"logs", "2.9"});
  EXPECT_EQ(unknown.status, 4);
  EXPECT_THAT(unknown.err, HasSubstr("there is no run 2.9"));
  EXPECT_EQ(world.Client({"logs", "sweep:1"}).status, 1);
}

}  // namespace
}  // namespace torchlap::e2e
