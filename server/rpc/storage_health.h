// What keeps jobs and runs from being stored, now.
#pragma once

#include <string>

#include "server/host/state_files.h"
#include "server/run/device_fleet.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class StorageHealth {
 public:
  StorageHealth(const host::StateFiles* files, const run::DeviceFleet* fleet)
      : files_(files), fleet_(fleet) {}

  // One line where what is stored now is lost with the daemon: its files are not at their paths any
  // more. Empty: they are.
  std::string Lost() const;
  // One line where a run has ended and could not be stored, or the queue could not be read. Empty:
  // all was well when it was last tried.
  std::string NotStored() const;
  // The worse of the two.
  std::string Problem() const;

 private:
  const host::StateFiles* const files_;
  const run::DeviceFleet* const fleet_;
};

}  // namespace torchlap::rpc
