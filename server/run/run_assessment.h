// What the daemon makes of a finished run: verdict, evidence, advice, and how it compares with what
// its device reaches otherwise.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "server/host/device_telemetry.h"
#include "server/host/devices.h"
#include "storage/job_store.h"
#include "storage/run_store.h"

namespace torchlap::run {

// What was seen around a run on a CUDA device.
struct GpuSurroundings {
  std::optional<int> compute_capability;  // 10 x major + minor
  // Who kept the device busy; nothing: the device does not tell.
  std::optional<std::vector<host::ProcessUse>> uses;
  // Who held memory of it when the run ended.
  std::vector<host::GpuProcess> processes;
  pid_t worker_pid = 0;
};

// Sets matmul_peak_ratio, calibration_run_id, mfu, validity, validity_reasons and assessment of
// `finished`, whose summaries and readings are set. `runs` is asked for siblings and the
// calibration; where that fails the run is judged without them.
void Assess(const host::HostDevice& device, const GpuSurroundings& gpu,
            const storage::RunStore& runs, storage::FinishedRun* finished);

}  // namespace torchlap::run
