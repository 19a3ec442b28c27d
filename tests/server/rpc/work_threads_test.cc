#include "server/rpc/work_threads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace torchlap::rpc {
namespace {

using Size = WorkThreads::Size;

constexpr WorkThreads::Share kAnn = {1001, Size::kSmall};
constexpr WorkThreads::Share kAnnLarge = {1001, Size::kLarge};
constexpr WorkThreads::Share kBob = {1002, Size::kSmall};
constexpr WorkThreads::Share kBobLarge = {1002, Size::kLarge};

// Holds turns until it is opened.
class Gate {
 public:
  void Wait() {
    ++waiting_;
    while (!is_open_) std::this_thread::yield();
  }
  void Open() { is_open_ = true; }
  void AwaitWaiting(int count) const {
    while (waiting_ < count) std::this_thread::yield();
  }

 private:
  std::atomic<int> waiting_ = 0;
  std::atomic<bool> is_open_ = false;
};

// What ran, in its order.
class Journal {
 public:
  std::function<void()> Note(const std::string& name) {
    return [this, name] {
      const std::lock_guard lock(mutex_);
      names_.push_back(name);
    };
  }
  std::vector<std::string> names() {
    const std::lock_guard lock(mutex_);
    return names_;
  }
  void Await(size_t count) {
    while (names().size() < count) std::this_thread::yield();
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> names_;
};

// Where the first of `name` stands.
size_t PlaceOf(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

TEST(WorkThreads, AnotherUsersSmallCallWaitsForOneTaskOfTheManyOfOne) {
  for (const WorkThreads::Share& many : {kAnn, kAnnLarge}) {
    Journal journal;
    {
      WorkThreads threads(1);
      Gate gate;
      threads.Post(kAnn, [&] { gate.Wait(); });
      gate.AwaitWaiting(1);
      for (int i = 0; i < 2000; ++i) threads.Post(many, journal.Note("ann"));
      threads.Post(kBob, journal.Note("bob"));
      gate.Open();
    }
    EXPECT_LE(PlaceOf(journal.names(), "bob"), 1U);
    EXPECT_EQ(journal.names().size(), 2001U);
  }
}

TEST(WorkThreads, TurnsGoRoundTheUsers) {
  Journal journal;
  {
    WorkThreads threads(1);
    Gate gate;
    threads.Post(kAnn, [&] { gate.Wait(); });
    gate.AwaitWaiting(1);
    for (int i = 0; i < 3; ++i) threads.Post(kAnn, journal.Note("ann"));
    for (int i = 0; i < 2; ++i) threads.Post(kBobLarge, journal.Note("bob"));
    threads.Post({1003, Size::kSmall}, journal.Note("cid"));
    gate.Open();
  }
  EXPECT_EQ(journal.names(), (std::vector<std::string>{"ann", "bob", "cid", "ann", "bob", "ann"}));
}

TEST(WorkThreads, OfOneUserSmallCallsGoBeforeLargeOnes) {
  Journal journal;
  {
    WorkThreads threads(1);
    Gate gate;
    threads.Post(kAnn, [&] { gate.Wait(); });
    gate.AwaitWaiting(1);
    for (int i = 0; i < 3; ++i) threads.Post(kAnnLarge, journal.Note("list"));
    threads.Post(kAnn, journal.Note("status"));
    threads.Post(kAnn, journal.Note("cancel"));
    gate.Open();
  }
  EXPECT_EQ(journal.names(),
            (std::vector<std::string>{"status", "cancel", "list", "list", "list"}));
}

TEST(WorkThreads, LargeCallsLeaveATurnToSmallOnes) {
  for (const size_t turns : {2U, 3U, 4U}) {
    Journal journal;
    Gate gate;
    WorkThreads threads(turns);
    for (int i = 0; i < 10; ++i) threads.Post(kAnnLarge, [&] { gate.Wait(); });
    gate.AwaitWaiting(static_cast<int>(turns) - 1);
    threads.Post(kAnn, journal.Note("ann"));
    threads.Post(kBob, journal.Note("bob"));
    journal.Await(2);
    gate.Open();
  }
}

TEST(WorkThreads, AStreamLetsTheOtherUsersGoBetweenItsMessages) {
  Journal journal;
  {
    WorkThreads threads(1);
    Gate gate;
    threads.Post(kAnnLarge, [&] {
      gate.Wait();
      for (int i = 0; i < 3; ++i) {
        journal.Note("ann")();
        threads.LetOthersGo(kAnnLarge);
      }
    });
    gate.AwaitWaiting(1);
    threads.Post(kAnnLarge, journal.Note("ann, later"));
    threads.Post(kBobLarge, journal.Note("bob"));
    threads.Post(kBobLarge, journal.Note("bob"));
    gate.Open();
    journal.Await(6);
  }
  // What was begun goes on before what was not, of the same user.
  EXPECT_EQ(journal.names(),
            (std::vector<std::string>{"ann", "bob", "ann", "bob", "ann", "ann, later"}));
}

TEST(WorkThreads, WhoIsAloneKeepsItsTurn) {
  WorkThreads threads(1);
  std::atomic<bool> done = false;
  std::atomic<int> running = 0;
  threads.Post(kAnnLarge, [&] {
    ++running;
    for (int i = 0; i < 100; ++i) {
      threads.LetOthersGo(kAnnLarge);
      EXPECT_EQ(running, 1);
    }
    --running;
  });
  threads.Post(kAnnLarge, [&] {
    ++running;
    EXPECT_EQ(running, 1);
    --running;
    done = true;
  });
  while (!done) std::this_thread::yield();
}

TEST(WorkThreads, ManyUsersWhoLetOthersGoAllComeToTheirEnd) {
  constexpr int kTasks = 60;
  std::atomic<int> ended = 0;
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  {
    WorkThreads threads(3);
    for (int i = 0; i < kTasks; ++i) {
      const WorkThreads::Share share = {static_cast<uid_t>(i % 7),
                                        i % 3 == 0 ? Size::kSmall : Size::kLarge};
      threads.Post(share, [&, share] {
        for (int piece = 0; piece < 20; ++piece) {
          const int now = ++running;
          if (now > most) most = now;
          --running;
          threads.LetOthersGo(share);
        }
        ++ended;
      });
    }
    while (ended < kTasks) std::this_thread::yield();
  }
  EXPECT_LE(most, 3);
}

TEST(WorkThreads, WhoStandsAsideWhileTheThreadsStopComesBack) {
  std::atomic<int> ended = 0;
  for (int round = 0; round < 20; ++round) {
    WorkThreads threads(2);
    for (int i = 0; i < 8; ++i) {
      threads.Post(i % 2 == 0 ? kAnnLarge : kBobLarge, [&, i] {
        {
          const WorkThreads::Aside aside(&threads, i % 2 == 0 ? kAnnLarge : kBobLarge, [] {});
          std::this_thread::yield();
        }
        ++ended;
      });
    }
  }
  EXPECT_EQ(ended, 160);
}

TEST(WorkThreads, OfTooManyWhoStandAsideThoseOfWhoHasMostGiveUp) {
  std::atomic<int> anns = 0;
  std::atomic<int> others = 0;
  std::atomic<int> waiting = 0;
  Gate gate;
  WorkThreads threads(2);
  int posted = 0;
  const auto stand_aside = [&](WorkThreads::Share share, std::atomic<int>* told) {
    threads.Post(share, [&, share, told] {
      const WorkThreads::Aside aside(&threads, share, [told] { ++*told; });
      ++waiting;
      gate.Wait();
    });
    ++posted;
    while (waiting < posted) std::this_thread::yield();
  };
  for (int i = 0; i < 5; ++i) stand_aside(kBobLarge, &others);
  for (size_t i = 0; i < WorkThreads::kMostAsideOfOne + 4; ++i) stand_aside(kAnnLarge, &anns);
  EXPECT_EQ(anns, 4);
  EXPECT_EQ(others, 0);
  gate.Open();
}

TEST(WorkThreads, OneThreadRunsTasksInTheirOrder) {
  std::vector<int> order;
  {
    WorkThreads threads(1);
    for (int i = 0; i < 100; ++i) threads.Post(kAnn, [&order, i] { order.push_back(i); });
  }
  ASSERT_EQ(order.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(WorkThreads, DestructionRunsWhatWasPosted) {
  std::atomic<int> ran = 0;
  {
    WorkThreads threads(3);
    for (int i = 0; i < 1000; ++i) threads.Post(kAnn, [&ran] { ++ran; });
  }
  EXPECT_EQ(ran, 1000);
}

// A stream that goes on reading while the daemon stops.
TEST(WorkThreads, WhatATaskPostsWhileTheThreadsStopIsRunToo) {
  std::atomic<int> ran = 0;
  {
    WorkThreads threads(2);
    std::atomic<bool> posted = false;
    threads.Post(kAnn, [&] {
      while (!posted) std::this_thread::yield();
      threads.Post(kAnn, [&] {
        ++ran;
        threads.Post(kAnn, [&] { ++ran; });
      });
    });
    posted = true;
  }
  EXPECT_EQ(ran, 2);
}

TEST(WorkThreads, TasksOfSeveralThreadsRunBesideEachOther) {
  WorkThreads threads(2);
  std::atomic<int> meeting = 0;
  std::atomic<int> met = 0;
  for (int i = 0; i < 2; ++i) {
    threads.Post(kAnn, [&] {
      ++meeting;
      while (meeting < 2) std::this_thread::yield();
      ++met;
    });
  }
  while (met < 2) std::this_thread::yield();
}

TEST(WorkThreads, ManyMayPostAtOnce) {
  std::atomic<int> ran = 0;
  {
    WorkThreads threads(2);
    std::vector<std::jthread> posters;
    for (int poster = 0; poster < 4; ++poster) {
      posters.emplace_back([&] {
        for (int i = 0; i < 200; ++i) threads.Post(kAnn, [&ran] { ++ran; });
      });
    }
  }
  EXPECT_EQ(ran, 800);
}

TEST(WorkThreads, WhatATaskHoldsIsReleasedWhenItIsDone) {
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = held;
  WorkThreads threads(1);
  threads.Post(kAnn, [held = std::move(held)] {});
  std::atomic<bool> released = false;
  threads.Post(kAnn, [&] { released = seen.expired(); });
  std::atomic<bool> done = false;
  threads.Post(kAnn, [&] { done = true; });
  while (!done) std::this_thread::yield();
  EXPECT_TRUE(released) << "a stream ends with the last task that holds it";
}

TEST(WorkThreads, TasksThatStandAsideHoldNobodyUp) {
  constexpr int kWaiting = 20;
  std::atomic<int> waiting = 0;
  std::atomic<bool> go_on = false;
  std::atomic<int> ran = 0;
  {
    WorkThreads threads(2);
    for (int i = 0; i < kWaiting; ++i) {
      threads.Post(kAnn, [&] {
        const WorkThreads::Aside aside(&threads, kAnn, [] {});
        ++waiting;
        while (!go_on) std::this_thread::yield();
      });
    }
    while (waiting < kWaiting) std::this_thread::yield();
    for (int i = 0; i < 100; ++i) threads.Post(kAnn, [&ran] { ++ran; });
    while (ran < 100) std::this_thread::yield();
    go_on = true;
  }
  EXPECT_EQ(ran, 100);
}

TEST(WorkThreads, AreAsManyAsBeforeWhenAllHaveComeBack) {
  WorkThreads threads(1);
  std::atomic<int> back = 0;
  for (int i = 0; i < 50; ++i) {
    threads.Post(kAnn, [&] {
      {
        const WorkThreads::Aside aside(&threads, kAnn, [] {});
      }
      ++back;
    });
  }
  while (back < 50) std::this_thread::yield();
  // One again: no two of these run beside each other.
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  std::atomic<int> ran = 0;
  for (int i = 0; i < 200; ++i) {
    threads.Post(kAnn, [&] {
      const int now = ++running;
      if (now > most) most = now;
      std::this_thread::yield();
      --running;
      ++ran;
    });
  }
  while (ran < 200) std::this_thread::yield();
  EXPECT_EQ(most, 1);
}

TEST(WorkThreads, OfTooManyWhoStandAsideTheLongestGivesUp) {
  constexpr int kTasks = static_cast<int>(WorkThreads::kMostAsideOfOne) + 3;
  std::vector<std::atomic<bool>> told(kTasks);
  std::atomic<int> waiting = 0;
  std::atomic<bool> go_on = false;
  {
    WorkThreads threads(1);
    for (int i = 0; i < kTasks; ++i) {
      threads.Post(kAnn, [&, i] {
        const WorkThreads::Aside aside(&threads, kAnn,
                                       [&told, i] { told[static_cast<size_t>(i)] = true; });
        ++waiting;
        while (!go_on) std::this_thread::yield();
      });
      // One after another, so that their order is known.
      while (waiting <= i) std::this_thread::yield();
    }
    go_on = true;
  }
  for (size_t i = 0; i < told.size(); ++i) EXPECT_EQ(told[i].load(), i < 3) << i;
}

// Our code throws nothing, but memory may run out: the process ends there, with the place of the
// throw in its core, and no thread goes on with half a change.
TEST(WorkThreadsDeathTest, AnExceptionOfATaskEndsTheProcess) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH(
      {
        WorkThreads threads(1);
        threads.Post(kAnn, [] { throw 1; });
      },
      "");
}

}  // namespace
}  // namespace torchlap::rpc
