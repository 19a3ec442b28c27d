// Which run it is, and of what: the part of a run that answers about many runs carry.
#pragma once

#include "torchlap/v1/run.pb.h"

namespace torchlap {

// The run without its numbers, verdict and words: its ids, names and owner, device, workload, plan,
// purpose and outcome, when it started, its series and environment.
v1::Run SubjectOf(const v1::Run& run);

}  // namespace torchlap
