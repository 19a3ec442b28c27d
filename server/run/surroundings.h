// What was seen around a run on a CUDA device.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "server/host/device_telemetry.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::run {

struct GpuSurroundings {
  std::optional<int> compute_capability;  // 10 x major + minor
  host::DeviceUse use;
  std::vector<uint64_t> xids;  // errors of the device that its driver told of
  pid_t worker_pid = 0;
  std::vector<v1::Evidence> before;  // how the device was when the run began (SettleWait::Take())
};

}  // namespace torchlap::run
