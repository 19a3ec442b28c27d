#include "server/run/sweep_watch.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <thread>

#include "tests/server/run/run_fixture.h"

namespace torchlap::run {
namespace {

// A job of a suite and a thread that judges beside the one that finishes it.
class SweepWatchTest : public RunTest {
 protected:
  void SetUp() override {
    RunTest::SetUp();
    judge_.emplace(database_.get(), &clock_, false);
  }
  void TearDown() override {
    watch_.reset();
    RunTest::TearDown();
  }
  void Watch() { watch_.emplace(&*judge_, &hub_, &clock_); }
  void RunSuite() {
    storage::NewJob job = storage::MakeJob();
    (*job.spec.mutable_labels())["suite"] = "night";
    Finish(storage::Ended(Start(SubmitOne(job))), storage::LaunchDone());
  }
  bool IsJudged() {
    const auto ended = storage::FindingStore(database_.get()).Ended();
    return ended.ok() && ended->empty();
  }
  // With a deadline: the thread tells nobody.
  bool AwaitJudged() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!IsJudged()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::optional<SweepJudge> judge_;
  std::optional<SweepWatch> watch_;
};

TEST_F(SweepWatchTest, JudgesAtItsStartWhatIsThere) {
  RunSuite();
  EXPECT_FALSE(IsJudged());
  Watch();
  EXPECT_TRUE(AwaitJudged());
}

TEST_F(SweepWatchTest, IsWokenByWhatIsStored) {
  Watch();
  ASSERT_TRUE(clock_.AwaitSleepUntil(clock_.MonotonicNs() + SweepWatch::kEveryNs));
  RunSuite();
  hub_.EventsCommitted();
  EXPECT_TRUE(AwaitJudged());
}

TEST_F(SweepWatchTest, LooksEveryMinuteForWhatIsNoEvent) {
  Watch();
  ASSERT_TRUE(clock_.AwaitSleepUntil(clock_.MonotonicNs() + SweepWatch::kEveryNs));
  RunSuite();
  EXPECT_FALSE(IsJudged());
  clock_.Advance(SweepWatch::kEveryNs);
  EXPECT_TRUE(AwaitJudged());
}

TEST_F(SweepWatchTest, IsNobodyWhoWantsProgress) {
  EventHub hub;
  const SweepWatch watch(&*judge_, &hub, &clock_);
  EXPECT_FALSE(hub.has_listeners());
}

TEST_F(SweepWatchTest, EndsWhileOthersTellIt) {
  Watch();
  std::thread teller([this] {
    for (int i = 0; i < 200; ++i) hub_.EventsCommitted();
  });
  watch_.reset();
  teller.join();
}

TEST_F(SweepWatchTest, AJudgeThatWasStoppedLeavesTheRestToTheNext) {
  RunSuite();
  judge_->Stop();
  judge_->JudgeAll();
  EXPECT_FALSE(IsJudged());
  judge_.emplace(database_.get(), &clock_, false);
  judge_->JudgeAll();
  EXPECT_TRUE(IsJudged());
}

}  // namespace
}  // namespace torchlap::run
