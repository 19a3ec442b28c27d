// Runs and jobs that nobody measured.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "torchlap/v1/job.pb.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client {

// `small`, forward-backward, separate timing, batch 4, context 256, with the numbers that the
// course printed on a 16 GB GPU.
v1::Run SmallRun();

// As it would be with another size: preset, parameters and run id change, times are scaled.
v1::Run ScaledRun(const std::string& preset, uint64_t parameters, uint64_t job_id, double scale);

// Asked for batch 4 and ended OK with batch 2.
v1::Run ShrunkRun();

// Out of memory in the backward pass, without numbers.
v1::Run OutOfMemoryRun();

// Ruled out by arithmetic.
v1::Run SkippedRun();

// stress-ng had a third of the device in steps 5 to 9.
v1::Run DisturbedRun();

// Clean, but begun at 71 C after 300 s, and without its locked clocks.
v1::Run RunThatGaveUp();

// Evidence over steps 5 to 9; returns its reason.
v1::Reason AddEvidence(v1::Reason reason, double value, double threshold, v1::Run* run);

// A verdict with its reasons.
void Doubt(v1::Validity verdict, const std::vector<v1::Reason>& reasons, v1::Run* run);

void SetPhase(double mean_ms, double std_ms, v1::PhaseSummary* phase);

// A job of this id, `small`, as the daemon completes it.
v1::Job SmallJob(uint64_t job_id, v1::JobState state);

}  // namespace torchlap::client
