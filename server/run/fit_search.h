// `torchlap fit`: the largest batch, or context, that fits. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "torchlap/v1/job.pb.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::run {

struct FitStep {
  enum class Next {
    kTry,          // a short run of this size: does it fit?
    kVerify,       // a run of the whole plan at the largest size that fitted
    kFound,        // the last run was that one
    kNothingFits,  // not even the smallest size; `reason` says so in one line
  };
  Next next = Next::kTry;
  uint32_t batch_size = 0;
  uint32_t context_length = 0;
  std::string reason;
};

// What follows on `tries`, the job's runs so far by number, of which those that ended OK or
// OUT_OF_MEMORY count. The size is doubled from the one asked for until memory runs out (or halved
// until it does not), then the gap is halved down to 1 sequence, or to 16 tokens of context. A size
// fits when its verification does, which runs the whole plan: the plan's warm-up and measured
// steps.
FitStep NextFit(const v1::JobSpec& spec, const std::vector<v1::Run>& tries);

// The plan of a run of purpose fit: one that only tries has 1 warm-up step (in which the optimizer
// makes its state) and 1 measured one; a verification has the job's.
v1::Plan FitPlan(const v1::JobSpec& spec, const std::vector<v1::Run>& earlier);

}  // namespace torchlap::run
