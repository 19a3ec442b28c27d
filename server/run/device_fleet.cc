#include "server/run/device_fleet.h"

#include <utility>

namespace torchlap::run {

DeviceFleet::DeviceFleet(std::vector<host::HostDevice> devices, DispatcherSetting setting)
    : devices_(std::move(devices)) {
  setting.queue_changed = [this] { WakeAll(); };
  for (const host::HostDevice& device : devices_) {
    dispatchers_.push_back(std::make_unique<Dispatcher>(device, setting));
  }
}

DeviceFleet::~DeviceFleet() {
  Stop();
  for (auto& dispatcher : dispatchers_) dispatcher->Join();
}

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
    all.push_back({dispatcher->Describe(), DeviceKeys(dispatcher->device())});
  }
  return all;
}

}  // namespace torchlap::run
