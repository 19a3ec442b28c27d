// What was seen around a run on a CUDA device.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "server/host/device_processes.h"
#include "server/host/device_telemetry.h"

namespace torchlap::run {

struct GpuSurroundings {
  std::optional<int> compute_capability;  // 10 x major + minor
  // Who kept the device busy; nothing: the device does not tell.
  std::optional<std::vector<host::ProcessUse>> uses;
  // Who held memory of it when the run ended.
  std::vector<host::GpuProcess> processes;
  pid_t worker_pid = 0;
};

}  // namespace torchlap::run
