// What becomes of a launch after its run. Pure.
#pragma once

#include "server/run/oom_ladder.h"
#include "storage/job_store.h"

namespace torchlap::run {

// The try that `run` was, as the OOM ladder sees it.
FailedTry TryOf(const v1::Job& job, const v1::Run& run);

// `earlier`: the job's runs before this one, by number.
storage::AfterRun Next(const storage::StartedRun& started, const v1::Run& run,
                       const std::vector<v1::Run>& earlier);

// The launch goes on with a size that is known to fit.
storage::AfterRun TryInstead(const NextTry::Size& size);

// Runs of the same launch before this one whose verdict was `contaminated`.
uint32_t ContaminatedTries(uint32_t launch, const std::vector<v1::Run>& earlier);

}  // namespace torchlap::run
