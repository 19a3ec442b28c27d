// Memory peaks over many steps.
#pragma once

#include <optional>

#include "server/worker/step_recorder.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::worker {

// Keeps the largest peaks: of each phase over the measured steps, and of step 0 apart.
class PhasePeaks {
 public:
  // The peaks of the next step, in order of steps. `measured`: it is not warm-up.
  void Add(const ByPhase<MemoryPeak>& step, bool measured);

  // Sets the peaks in `memory` and leaves the rest alone. What no step told stays unset.
  void Fill(v1::MemoryUse* memory) const;

 private:
  ByPhase<MemoryPeak> measured_;
  std::optional<MemoryPeak> first_step_;
  bool any_step_ = false;
};

}  // namespace torchlap::worker
