#include "server/run/event_hub.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace torchlap::run {
namespace {

TEST(EventHubTest, EveryListenerHearsChangesAndProgress) {
  EventHub hub;
  int changes = 0;
  std::vector<std::string> runs;
  for (int i = 0; i < 2; ++i) {
    hub.Add([&](const v1::Progress* progress) {
      if (progress == nullptr) {
        ++changes;
      } else {
        runs.push_back(progress->run_id());
      }
    });
  }
  hub.EventsCommitted();
  v1::Progress progress;
  progress.set_run_id("3.1");
  hub.Report(progress);
  EXPECT_EQ(changes, 2);
  EXPECT_EQ(runs, (std::vector<std::string>{"3.1", "3.1"}));
}

TEST(EventHubTest, ItKnowsWhetherAnybodyListens) {
  EventHub hub;
  EXPECT_FALSE(hub.has_listeners());
  const uint64_t id = hub.Add([](const v1::Progress*) {});
  EXPECT_TRUE(hub.has_listeners());
  hub.Remove(id);
  hub.Remove(id);  // again: nothing happens
  EXPECT_FALSE(hub.has_listeners());
}

TEST(EventHubTest, WhoIsToldOfEventsAloneWantsNoProgress) {
  EventHub hub;
  int events = 0;
  const uint64_t id = hub.AddForEvents([&] { ++events; });
  EXPECT_FALSE(hub.has_listeners());
  hub.Report(v1::Progress());
  EXPECT_EQ(events, 0);
  hub.EventsCommitted();
  EXPECT_EQ(events, 1);
  hub.Remove(id);
  hub.EventsCommitted();
  EXPECT_EQ(events, 1);
}

TEST(EventHubTest, AListenerThatWasRemovedWhileItIsToldIsNotCalledAnyMore) {
  EventHub hub;
  std::atomic<bool> goes_on = true;
  std::vector<std::thread> tellers;
  for (int i = 0; i < 2; ++i) {
    tellers.emplace_back([&] {
      const v1::Progress progress;
      while (goes_on) {
        hub.EventsCommitted();
        hub.Report(progress);
      }
    });
  }
  for (int round = 0; round < 500; ++round) {
    // Freed at once after Remove(), as a watcher's stream is.
    auto heard = std::make_unique<int>(0);
    const uint64_t id = hub.Add([count = heard.get()](const v1::Progress*) { ++*count; });
    hub.Remove(id);
  }
  goes_on = false;
  for (std::thread& teller : tellers) teller.join();
}

}  // namespace
}  // namespace torchlap::run
