// All dispatchers of a daemon.
#pragma once

#include <memory>
#include <vector>

#include "server/run/dispatcher.h"
#include "server/run/wait_reasons.h"

namespace torchlap::run {

// Thread-safe after construction: the set of devices does not change.
class DeviceFleet {
 public:
  DeviceFleet(std::vector<std::unique_ptr<Place>> places, const DispatcherSetting& setting);
  // Stops all dispatchers and waits for them.
  ~DeviceFleet();

  void Start();
  // Tells all dispatchers to end their workers; the destructor waits for them.
  void Stop();
  // The queue changed, or a cancellation was asked for.
  void WakeAll();

  const std::vector<host::HostDevice>& devices() const { return devices_; }
  std::vector<DeviceStatus> Describe() const;

 private:
  std::vector<host::HostDevice> devices_;  // of the dispatchers, in their order
  std::vector<std::unique_ptr<Dispatcher>> dispatchers_;
};

}  // namespace torchlap::run
