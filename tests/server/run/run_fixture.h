// A real database, scripted places and a clock that stands still.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/run/dispatcher.h"
#include "server/run/event_hub.h"
#include "tests/proto/base/settable_clock.h"
#include "tests/server/run/scripted_place.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::run {

class RunTest : public storage::StoreTest {
 protected:
  void SetUp() override;
  void TearDown() override;

  DispatcherSetting Setting();
  std::unique_ptr<ScriptedPlace> Place(const std::string& name = "cpu0");
  std::unique_ptr<Dispatcher> MakeDispatcher(const std::string& name = "cpu0");

  // Waits until `condition` holds, which is looked at after every change that is told to watchers.
  // False: not in ten seconds.
  bool Await(const std::function<bool()>& condition);
  bool AwaitState(uint64_t job_id, v1::JobState state);

  // On a connection of its own, as a person with sqlite3 would.
  void ExecuteSql(const std::string& sql);

  SettableClock clock_;
  EventHub hub_;
  Stage stage_;

 private:
  std::mutex mutex_;
  std::condition_variable told_;
  uint64_t changes_ = 0;
  uint64_t listener_ = 0;
};

}  // namespace torchlap::run
