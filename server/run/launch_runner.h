// Runs one launch in a worker and makes of what happened the run that is stored.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/host/configuration.h"
#include "server/host/device_telemetry.h"
#include "server/host/devices.h"
#include "server/host/host_facts.h"
#include "server/host/nvml_library.h"
#include "server/run/event_hub.h"
#include "server/run/oom_ladder.h"
#include "server/run/run_record.h"
#include "server/run/wake_up.h"
#include "server/run/worker_process.h"
#include "storage/job_store.h"
#include "storage/run_store.h"

namespace torchlap::run {

// What all dispatchers share. Everything that is pointed to outlives them.
struct DispatcherSetting {
  const host::Configuration* configuration = nullptr;
  const host::HostFacts* facts = nullptr;
  storage::JobStore* jobs = nullptr;
  const storage::RunStore* runs = nullptr;
  EventHub* hub = nullptr;
  std::filesystem::path worker_program;
  // One line if no worker can start; empty: none known.
  std::string torch_problem;
  // NVIDIA's library; empty: no driver.
  std::shared_ptr<const host::NvmlLibrary> nvml;
  // Called when the queue changed by what a dispatcher stored: another one may have work now.
  std::function<void()> queue_changed;
};

struct LaunchResult {
  storage::FinishedRun finished;
  // Of a SKIPPED run: a size that `fit` has found to fit, to be tried instead.
  std::optional<NextTry::Size> instead;
};

// Of one device. Used by one thread, which must live as long as the workers that it starts.
class LaunchRunner {
 public:
  // `device`, `setting` and `wake_up` outlive this; `wake_up` is notified when `stop_cause` may
  // have an answer for the job.
  LaunchRunner(const host::HostDevice* device, const DispatcherSetting* setting, WakeUp* wake_up,
               std::function<StopCause(uint64_t job_id)> stop_cause);

  // Blocks until the worker is gone. SKIPPED without a worker where the size is ruled out.
  LaunchResult Run(const storage::StartedRun& started);

 private:
  struct RuledOut {
    v1::Failure failure;
    std::optional<NextTry::Size> instead;
  };
  // Why the size cannot fit, if that is known without trying.
  std::optional<RuledOut> FindRuledOut(const storage::StartedRun& started) const;
  std::optional<RuledOut> BeyondFrontier(const storage::StartedRun& started) const;
  storage::FinishedRun RunTheWorker(const storage::StartedRun& started);
  // `pid`: of the worker, once there is one.
  WorkerEnd RunWorker(const storage::StartedRun& started, host::DeviceTelemetry* telemetry,
                      pid_t* pid, RunRecord* record);
  // Memory of the device that others hold, while there is no worker of ours.
  std::optional<uint64_t> ForeignMemory() const;
  WorkerCommand Command(const std::string& run_id) const;
  v1::WorkerRequest Request(const v1::Run& run) const;

  const host::HostDevice& device_;
  const DispatcherSetting& setting_;
  WakeUp* const wake_up_;
  const std::function<StopCause(uint64_t job_id)> stop_cause_;
};

}  // namespace torchlap::run
