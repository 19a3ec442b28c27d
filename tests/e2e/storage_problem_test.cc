// The database goes away under the daemon, or cannot be written when a run has ended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/e2e/programs.h"
#include "tests/e2e/small_disk.h"

namespace torchlap::e2e {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// GCC says it by macros, clang by features.
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kIsSanitized = true;
#else
constexpr bool kIsSanitized = false;
#endif

using testing::HasSubstr;

std::vector<std::string> Submit(std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = Tiny(std::move(more));
  arguments.insert(arguments.begin(), "submit");
  return arguments;
}

bool Finds(World* world, const std::string& code) {
  const json findings = world->Json({"doctor"});
  return std::any_of(findings.begin(), findings.end(), [&](const json& finding) {
    return finding["code"] == code && finding["severity"] == "problem";
  });
}

void ExpectRefusal(World* world, const std::string& what) {
  const Finished submit = world->Client(Submit());
  EXPECT_EQ(submit.status, 4);
  EXPECT_EQ(submit.out, "");
  EXPECT_EQ(LineCount(submit.err), 1U) << submit.err;
  EXPECT_THAT(submit.err, HasSubstr("no jobs are taken, as they would be lost: " + what));
  EXPECT_EQ(world->Json({"status"})["storage_problem"], what);
  EXPECT_EQ(world->Client({"doctor"}).status, 2);
  EXPECT_TRUE(Finds(world, "state-lost"));
}

class LostStateTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.Start()) << world_.daemon_log();
    ASSERT_EQ(world_.Client(Submit()).status, 0);
    ASSERT_EQ(world_.Client({"wait", "1"}).status, 0);
    EXPECT_TRUE(world_.Json({"status"})["storage_problem"].is_null());
    EXPECT_FALSE(Finds(&world_, "state-lost"));
  }
  // What is in memory and in the open file can still be had.
  void TearDown() override { EXPECT_EQ(world_.Client({"export", "1"}).status, 0); }

  World world_{World::FakeWorker()};
};

TEST_F(LostStateTest, ADeletedFolderIsSaidAndNoJobIsTaken) {
  fs::remove_all(world_.state_folder());
  ExpectRefusal(&world_, world_.database().string() + " was deleted while the daemon has it open");
}

TEST_F(LostStateTest, AReplacedDatabaseIsSaidAndNoJobIsTaken) {
  const fs::path moved = world_.folder() / "moved";
  fs::rename(world_.state_folder(), moved);
  fs::create_directories(world_.state_folder());
  fs::copy_file(moved / "torchlap.db", world_.database());
  ExpectRefusal(&world_,
                world_.database().string() + " was replaced while the daemon has the old one open");
  // Put back, all is well.
  fs::remove_all(world_.state_folder());
  fs::rename(moved, world_.state_folder());
  EXPECT_EQ(world_.Client(Submit()).status, 0);
}

TEST_F(LostStateTest, ALockThatIsGoneIsSaidAndNoJobIsTaken) {
  fs::remove(world_.database().string() + ".lock");
  ExpectRefusal(&world_,
                world_.database().string() + ".lock was deleted while the daemon has it open");
}

// A run that ends when `Go` says so.
class NotStoredTest : public testing::Test {
 protected:
  void Start(const std::vector<std::string>& more = {}) {
    world_.TellFakeWorker(
        {{"runs", {{"*", {{"at_step", 2}, {"do", "wait"}, {"file", go_.string()}}}}}});
    ASSERT_TRUE(world_.Start(variables_)) << world_.daemon_log();
    ASSERT_EQ(world_.Client(Submit(more)).status, 0);
    ASSERT_TRUE(Eventually([&] { return world_.Json({"show", "1"})["runs"].size() == 1; }));
  }
  void Go() const { std::ofstream(go_) << "go"; }

  void ExpectToldEverywhere(const std::string& why) {
    const auto watch = world_.StartClient({"watch", "1"});
    ASSERT_TRUE(Eventually([&] { return world_.Json({"queue"})[0]["not_stored"] == why; }))
        << world_.daemon_log();
    const std::string words = "finished, not stored yet: " + why;
    EXPECT_THAT(world_.Client({"queue"}).out, HasSubstr(words));
    EXPECT_THAT(world_.Client({"show", "1"}).out, HasSubstr(words));
    EXPECT_EQ(world_.Json({"status"})["storage_problem"],
              "run 1.1 has ended and is not stored yet: " + why);
    EXPECT_EQ(world_.Client({"doctor"}).status, 2);
    EXPECT_TRUE(Finds(&world_, "not-stored"));
    EXPECT_TRUE(Eventually([&] { return watch->err().find(words) != std::string::npos; }))
        << watch->err();
  }
  void ExpectStored() {
    EXPECT_EQ(world_.Client({"wait", "1"}).status, 0);
    EXPECT_TRUE(world_.Json({"show", "1"})["not_stored"].is_null());
    EXPECT_TRUE(world_.Json({"status"})["storage_problem"].is_null());
    EXPECT_FALSE(Finds(&world_, "not-stored"));
  }

  World world_{World::FakeWorker()};
  const fs::path go_ = world_.folder() / "go";
  std::map<std::string, std::string> variables_;  // of the daemon
};

TEST_F(NotStoredTest, ALockedDatabaseIsSaidWhereverTheJobIsShown) {
  Start();
  sqlite3* other = nullptr;
  ASSERT_EQ(::sqlite3_open(world_.database().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(::sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  Go();
  ExpectToldEverywhere("the database is locked by another program");
  ::sqlite3_close(other);
  ExpectStored();
}

class FullDiskTest : public NotStoredTest {
 protected:
  SmallDisk disk_{world_.state_folder(), 16};
};

TEST_F(FullDiskTest, AFullDiskIsSaidWhereverTheJobIsShownAndTheRunIsStoredWhenThereIsRoom) {
  if (!disk_.problem().empty()) GTEST_SKIP() << disk_.problem();
  // So many steps that the run does not fit into what the journal has already.
  Start({"--measure-steps", "10000"});
  disk_.Fill();
  Go();
  ExpectToldEverywhere("the disk is full");
  disk_.Free();
  ExpectStored();
  EXPECT_EQ(world_.Json({"show", "1"})["runs"][0]["outcome"], "OK");
}

class ReadOnlyDiskTest : public NotStoredTest {
 protected:
  ReadOnlyDiskTest() {
    variables_ = {{"LD_PRELOAD", TORCHLAP_READ_ONLY_DISK_LIBRARY},
                  {"TORCHLAP_READ_ONLY_WHILE", while_there_}};
  }

  const fs::path while_there_ = world_.folder() / "read-only";
};

TEST_F(ReadOnlyDiskTest, ADiskThatTurnedReadOnlyIsSaidWhereverTheJobIsShownAndTheRunIsStoredLater) {
  if (kIsSanitized) GTEST_SKIP() << "a sanitizer's library must be the first that is loaded";
  Start();
  std::ofstream(while_there_) << "now";
  Go();
  ExpectToldEverywhere("the database is read-only");
  fs::remove(while_there_);
  ExpectStored();
  EXPECT_EQ(world_.Json({"show", "1"})["runs"][0]["outcome"], "OK");
}

}  // namespace
}  // namespace torchlap::e2e
