// What the daemon makes of a finished run: verdict, evidence, advice, and how it compares with what
// its device reaches otherwise.
#pragma once

#include <absl/status/status.h>

#include "server/host/devices.h"
#include "server/run/surroundings.h"
#include "storage/job_store.h"
#include "storage/run_store.h"

namespace torchlap::run {

// Sets matmul_peak_ratio, calibration_run_id, mfu, validity, validity_reasons and assessment of
// `finished`, whose summaries and readings are set; failure.detail of a run that failed says
// which errors the driver told of meanwhile. `runs` is asked for siblings and the
// calibration; where that fails the run is judged without them, and the first error is returned.
absl::Status Assess(const host::HostDevice& device, const GpuSurroundings& gpu,
                    const storage::RunStore& runs, storage::FinishedRun* finished);

}  // namespace torchlap::run
