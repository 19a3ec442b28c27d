#include "server/rpc/work_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace torchlap::rpc {
namespace {

TEST(WorkThreads, OneThreadRunsTasksInTheirOrder) {
  std::vector<int> order;
  {
    WorkThreads threads(1);
    for (int i = 0; i < 100; ++i) threads.Post([&order, i] { order.push_back(i); });
  }
  ASSERT_EQ(order.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(WorkThreads, DestructionRunsWhatWasPosted) {
  std::atomic<int> ran = 0;
  {
    WorkThreads threads(3);
    for (int i = 0; i < 1000; ++i) threads.Post([&ran] { ++ran; });
  }
  EXPECT_EQ(ran, 1000);
}

// A stream that goes on reading while the daemon stops.
TEST(WorkThreads, WhatATaskPostsWhileTheThreadsStopIsRunToo) {
  std::atomic<int> ran = 0;
  {
    WorkThreads threads(2);
    std::atomic<bool> posted = false;
    threads.Post([&] {
      while (!posted) std::this_thread::yield();
      threads.Post([&] {
        ++ran;
        threads.Post([&] { ++ran; });
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
    threads.Post([&] {
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
        for (int i = 0; i < 200; ++i) threads.Post([&ran] { ++ran; });
      });
    }
  }
  EXPECT_EQ(ran, 800);
}

TEST(WorkThreads, WhatATaskHoldsIsReleasedWhenItIsDone) {
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = held;
  WorkThreads threads(1);
  threads.Post([held = std::move(held)] {});
  std::atomic<bool> released = false;
  threads.Post([&] { released = seen.expired(); });
  std::atomic<bool> done = false;
  threads.Post([&] { done = true; });
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
      threads.Post([&] {
        const WorkThreads::Aside aside(&threads, [] {});
        ++waiting;
        while (!go_on) std::this_thread::yield();
      });
    }
    while (waiting < kWaiting) std::this_thread::yield();
    for (int i = 0; i < 100; ++i) threads.Post([&ran] { ++ran; });
    while (ran < 100) std::this_thread::yield();
    go_on = true;
  }
  EXPECT_EQ(ran, 100);
}

TEST(WorkThreads, AreAsManyAsBeforeWhenAllHaveComeBack) {
  WorkThreads threads(1);
  std::atomic<int> back = 0;
  for (int i = 0; i < 50; ++i) {
    threads.Post([&] {
      {
        const WorkThreads::Aside aside(&threads, [] {});
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
    threads.Post([&] {
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
  constexpr int kTasks = static_cast<int>(WorkThreads::kMostAside) + 3;
  std::vector<std::atomic<bool>> told(kTasks);
  std::atomic<int> waiting = 0;
  std::atomic<bool> go_on = false;
  {
    WorkThreads threads(1);
    for (int i = 0; i < kTasks; ++i) {
      threads.Post([&, i] {
        const WorkThreads::Aside aside(&threads,
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
        threads.Post([] { throw 1; });
      },
      "");
}

}  // namespace
}  // namespace torchlap::rpc
