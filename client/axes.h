// From the words of `run` and `submit` to the jobs of a sweep. Pure. What the user did not give
// stays unset: defaults, presets and the ranges of sizes are the daemon's.
#pragma once

#include <absl/status/statusor.h>

#include "client/sweep_words.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// The whole sweep, without request_id: the product of the axes, sizes outermost, then pass,
// precision, attention, batch, context, warm-up and steps; then the single cells, which take from
// the axes what they do not say themselves. INVALID_ARGUMENT: the first word that is wrong, neither
// size nor shape nor cell, or more than 10,000 cells.
absl::StatusOr<v1::SubmitJobsRequest> BuildSweep(const SweepWords& words);

}  // namespace torchlap::client
