// The calls of a daemon without devices, on a fresh database.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "server/host/configuration.h"
#include "server/rpc/calls.h"
#include "server/run/device_fleet.h"
#include "server/run/event_hub.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {

class CallsTest : public storage::StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    fleet_.emplace(std::vector<std::unique_ptr<run::Place>>(), run::DispatcherSetting());
    configuration_.state_folder = folder_.path();
    CallSetting setting;
    setting.configuration = &configuration_;
    setting.database = database_.get();
    setting.jobs = jobs_.get();
    setting.runs = runs_.get();
    setting.fleet = &*fleet_;
    setting.hub = &hub_;
    calls_.emplace(setting);
  }

  host::Configuration configuration_;
  run::EventHub hub_;
  std::optional<run::DeviceFleet> fleet_;
  std::optional<Calls> calls_;
};

}  // namespace torchlap::rpc
