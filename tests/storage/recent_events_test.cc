#include "storage/recent_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

v1::JobEvent Event(uint64_t sequence) {
  v1::JobEvent event;
  event.set_sequence(sequence);
  event.set_job_id(1000 + sequence);
  return event;
}

// The table, and how often it was asked.
class RecentEventsTest : public testing::Test {
 protected:
  void Commit(uint64_t from, uint64_t to) {
    for (uint64_t i = from; i <= to; ++i) table_[i] = Event(i);
    newest_ = to;
  }

  std::vector<v1::JobEvent> Read(uint64_t after, uint32_t limit) {
    ++readings_;
    std::vector<v1::JobEvent> events;
    for (auto row = table_.upper_bound(after); row != table_.end() && events.size() < limit; ++row)
      events.push_back(row->second);
    return events;
  }

  std::vector<uint64_t> After(uint64_t after, uint32_t limit) {
    std::vector<uint64_t> numbers;
    for (const v1::JobEvent& event : recent_.After(
             after, limit, newest_, [this](uint64_t a, uint32_t l) { return Read(a, l); })) {
      EXPECT_EQ(event.job_id(), 1000 + event.sequence());
      numbers.push_back(event.sequence());
    }
    return numbers;
  }

  std::map<uint64_t, v1::JobEvent> table_;
  uint64_t newest_ = 0;
  int readings_ = 0;
  RecentEvents recent_;
};

TEST_F(RecentEventsTest, ManyReadersCostOneReading) {
  Commit(1, 3);
  for (int reader = 0; reader < 500; ++reader) EXPECT_THAT(After(0, 64), ElementsAre(1, 2, 3));
  EXPECT_EQ(readings_, 1);
  Commit(4, 5);
  for (int reader = 0; reader < 500; ++reader) EXPECT_THAT(After(3, 64), ElementsAre(4, 5));
  EXPECT_EQ(readings_, 2);
}

TEST_F(RecentEventsTest, NothingNewIsNotAskedFor) {
  Commit(1, 3);
  EXPECT_THAT(After(3, 64), IsEmpty());
  EXPECT_THAT(After(3, 64), IsEmpty());
  EXPECT_EQ(readings_, 0);
}

TEST_F(RecentEventsTest, AReaderThatLagsGetsAllInTheirOrder) {
  Commit(1, 5000);
  EXPECT_THAT(After(4998, 64), ElementsAre(4999, 5000));
  uint64_t last = 0;
  while (last < 5000) {
    const std::vector<uint64_t> some = After(last, 64);
    ASSERT_FALSE(some.empty());
    for (const uint64_t number : some) ASSERT_EQ(number, ++last);
  }
  EXPECT_THAT(After(4998, 64), ElementsAre(4999, 5000));
}

TEST_F(RecentEventsTest, ReadersAtDifferentPlacesGetTheirOwn) {
  Commit(1, 100);
  for (const uint64_t after : {90, 10, 97, 50, 99, 10, 100, 0}) {
    uint64_t last = after;
    while (last < 100) {
      for (const uint64_t number : After(last, 7)) ASSERT_EQ(number, ++last) << after;
    }
    EXPECT_THAT(After(100, 7), IsEmpty());
  }
}

TEST_F(RecentEventsTest, NumbersMayBeMissing) {
  Commit(1, 2);
  table_[7] = Event(7);
  newest_ = 9;  // 8 and 9 cannot be read
  EXPECT_THAT(After(0, 64), ElementsAre(1, 2, 7));
  EXPECT_THAT(After(2, 64), ElementsAre(7));
  EXPECT_THAT(After(9, 64), IsEmpty());
  EXPECT_EQ(readings_, 1);
}

TEST_F(RecentEventsTest, AFullReadingMayHaveMoreBehindIt) {
  Commit(1, 10);
  EXPECT_THAT(After(0, 2), ElementsAre(1, 2));
  EXPECT_THAT(After(2, 2), ElementsAre(3, 4));
  EXPECT_THAT(After(3, 5), ElementsAre(4, 5, 6, 7, 8));
  EXPECT_THAT(After(8, 5), ElementsAre(9, 10));
}

TEST_F(RecentEventsTest, WhatCouldNotBeReadIsAskedForAgain) {
  Commit(1, 2);
  EXPECT_THROW(recent_.After(0, 64, newest_,
                             [](uint64_t, uint32_t) -> std::vector<v1::JobEvent> {
                               throw std::runtime_error("disk I/O error");
                             }),
               std::runtime_error);
  EXPECT_THAT(After(0, 64), ElementsAre(1, 2));
}

TEST_F(RecentEventsTest, KeepsAsManyAsWatchersNeed) {
  constexpr uint64_t kMany = 20'000;
  for (uint64_t last = 0; last < kMany; last += 50) {
    Commit(last + 1, last + 50);
    EXPECT_EQ(After(last, 64).size(), 50U);
  }
  readings_ = 0;
  EXPECT_EQ(After(kMany - 500, 64).size(), 64U);
  EXPECT_EQ(readings_, 0);
  EXPECT_EQ(After(0, 64).size(), 64U);
  EXPECT_EQ(readings_, 1) << "all are kept";
}

TEST_F(RecentEventsTest, ThreadsGetTheSame) {
  Commit(1, 200);
  std::vector<std::vector<uint64_t>> seen(8);
  {
    std::vector<std::jthread> threads;
    for (std::vector<uint64_t>& of_thread : seen) {
      threads.emplace_back([&] {
        for (uint64_t last = 0; last < 200;) {
          for (const uint64_t number : After(last, 9)) {
            of_thread.push_back(number);
            last = number;
          }
        }
      });
    }
  }
  for (const std::vector<uint64_t>& of_thread : seen) {
    ASSERT_EQ(of_thread.size(), 200U);
    for (uint64_t i = 0; i < 200; ++i) ASSERT_EQ(of_thread[i], i + 1);
  }
}

}  // namespace
}  // namespace torchlap::storage
