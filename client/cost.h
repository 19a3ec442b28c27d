// How much work jobs are beside each other, for the estimate of the time that is left. Not for any
// number that is shown: the daemon's FLOPs are those of server/measure.
#pragma once

#include <cstdint>
#include <optional>

#include "torchlap/v1/job.pb.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client {

// FLOPs of the matrix products of one step; nothing for a workload that is no model.
std::optional<double> StepFlops(const v1::Workload& workload);

// FLOPs of one launch: its warm-up steps and its measured ones (with a target: the fewest).
// Nothing where the number of runs or of steps is not known before (fit, calibrate).
std::optional<double> LaunchFlops(const v1::JobSpec& spec);

// What runs that ended OK took: seconds a FLOP for each precision, and the seconds that a process
// spends beside its steps. Not thread-safe.
class Pace {
 public:
  // A run that ended; one without times says nothing.
  void Learn(const v1::Run& run);
  // The same from the latest step of a run that goes on, which counts until a run has ended.
  void LearnStep(const v1::Workload& workload, double step_seconds);

  // Seconds of one launch; nothing to go by: nothing.
  std::optional<double> LaunchSeconds(const v1::JobSpec& spec) const;

 private:
  struct Work {
    double flops = 0;
    double seconds = 0;

    void Add(double more_flops, double more_seconds) {
      flops += more_flops;
      seconds += more_seconds;
    }
  };

  // Of the precision, by runs or else by a step, or else of all runs, or else of any step.
  const Work* WorkOf(v1::Precision precision) const;

  Work by_precision_[v1::Precision_ARRAYSIZE];
  Work step_by_precision_[v1::Precision_ARRAYSIZE];
  Work all_;
  Work step_;
  double beside_seconds_ = 0;  // of `runs_` processes
  uint32_t runs_ = 0;
};

}  // namespace torchlap::client
