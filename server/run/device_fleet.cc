#include "server/run/device_fleet.h"

#include <utility>

namespace torchlap::run {

DeviceFleet::DeviceFleet(std::vector<std::unique_ptr<Place>> places,
                         const DispatcherSetting& setting) {
  for (std::unique_ptr<Place>& place : places) {
    devices_.push_back(place->device());
    dispatchers_.push_back(std::make_unique<Dispatcher>(std::move(place), setting));
  }
}

// All workers end at the same time, not one after the other.
DeviceFleet::~DeviceFleet() { Stop(); }

void DeviceFleet::Start() {
  for (auto& dispatcher : dispatchers_) dispatcher->Start();
}

void DeviceFleet::Stop() {
  for (auto& dispatcher : dispatchers_) dispatcher->Stop();
}

void DeviceFleet::WakeAll() {
  for (auto& dispatcher : dispatchers_) dispatcher->Wake();
}

std::vector<DeviceStatus> DeviceFleet::Describe() const {
  std::vector<DeviceStatus> all;
  for (const auto& dispatcher : dispatchers_) {
    all.push_back({dispatcher->Describe(), DeviceKeys(dispatcher->device()), dispatcher->trouble(),
                   dispatcher->not_in_force(), dispatcher->idle_since_ns()});
  }
  return all;
}

}  // namespace torchlap::run
