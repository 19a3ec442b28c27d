// From the words of `run` and `submit` to the jobs of a sweep. Pure. What the user did not give
// stays unset: defaults, presets and the ranges of sizes are the daemon's.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/sweep_words.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// Words and comma lists to their values, in order, each once. INVALID_ARGUMENT: an empty value.
absl::StatusOr<std::vector<std::string>> ParseList(const std::string& what,
                                                   const std::vector<std::string>& words);

// The same for numbers, with the ranges `1..4`, `128..1024+128` and `128..1024*2`; the end is in
// the range when the steps reach it. INVALID_ARGUMENT: not a number from 0 to 2^32 - 1, an empty
// range, more than 10,000 values.
absl::StatusOr<std::vector<uint32_t>> ParseNumbers(const std::string& what,
                                                   const std::vector<std::string>& words);

// The whole sweep, without request_id: the product of the axes, sizes outermost, then pass,
// precision, attention, batch, context, warm-up and steps; then the single cells, which take from
// the axes what they do not say themselves. INVALID_ARGUMENT: the first word that is wrong, neither
// size nor shape nor cell, or more than 10,000 cells.
absl::StatusOr<v1::SubmitJobsRequest> BuildSweep(const SweepWords& words);

}  // namespace torchlap::client
