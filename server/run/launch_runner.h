// Runs one launch in a worker and makes of what happened the run that is stored.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/run/dispatcher_setting.h"
#include "server/run/oom_ladder.h"
#include "server/run/place.h"
#include "server/run/run_follower.h"
#include "server/run/run_record.h"
#include "server/run/wake_up.h"
#include "storage/job_store.h"

namespace torchlap::run {

struct LaunchResult {
  storage::FinishedRun finished;
  // Of a SKIPPED run: a size that `fit` has found to fit, to be tried instead.
  std::optional<NextTry::Size> instead;
};

// Of one place. Used by one thread, which must live as long as the workers that it starts.
class LaunchRunner {
 public:
  // Whether a run of the job must end, and why. An error is asked again later.
  using StopCauseOf = std::function<absl::StatusOr<StopCause>(uint64_t job_id)>;

  // All outlive this; `wake_up` is notified when `stop_cause` may have an answer for the job.
  LaunchRunner(Place* place, const DispatcherSetting* setting, WakeUp* wake_up,
               StopCauseOf stop_cause);

  // Blocks until the worker is gone. SKIPPED without a worker where the size is ruled out.
  // `before`: how the device is as it begins.
  LaunchResult Run(const storage::StartedRun& started, std::vector<v1::Evidence> before = {});
  // SKIPPED without a worker, because the device is busy: `why`, one line.
  storage::FinishedRun Refuse(const storage::StartedRun& started, const std::string& why) const;

 private:
  struct RuledOut {
    v1::Failure failure;
    std::optional<NextTry::Size> instead;
  };
  // Why the size cannot fit, if that is known without trying. An error of the database costs a try
  // that could have been saved.
  std::optional<RuledOut> FindRuledOut(const storage::StartedRun& started) const;
  std::optional<RuledOut> BeyondFrontier(const storage::StartedRun& started) const;
  storage::FinishedRun RunTheWorker(const storage::StartedRun& started,
                                    std::vector<v1::Evidence> before);
  WorkerEnd RunWorker(const storage::StartedRun& started, Telemetry* telemetry, RunRecord* record);
  FollowOrders OrdersFor(const v1::Run& run, int64_t began_ns, Telemetry* telemetry,
                         RunRecord* record);
  // Of a run that ended OUT_OF_MEMORY: who held what it lacked.
  void SayWhoHeldMemory(v1::Run* run) const;
  void AssessRun(const GpuSurroundings& around, storage::FinishedRun* finished) const;

  Place& place_;
  const DispatcherSetting& setting_;
  WakeUp* const wake_up_;
  const StopCauseOf stop_cause_;
};

}  // namespace torchlap::run
