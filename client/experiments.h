// From the words of `warmup`, `fit` and `calibrate` to what is submitted. Pure. What the user did
// not give stays unset, as in axes.h.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "client/sweep_words.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// One job of purpose warmup for each number of warm-up steps, in random order. `steps`: numbers,
// lists or ranges; none: 0,1,2,5,10. INVALID_ARGUMENT: several values on an axis, fewer than two
// numbers of steps, or what BuildSweep refuses.
absl::StatusOr<v1::SubmitJobsRequest> BuildWarmups(const SweepWords& words,
                                                   const std::vector<std::string>& steps);

// One job of purpose fit. `axis`: batch or context; unset: batch.
absl::StatusOr<v1::SubmitJobsRequest> BuildFit(const SweepWords& words,
                                               const std::optional<std::string>& axis);

// One job of purpose calibrate. Of the words only device, name, labels, priority and time limit are
// read. `matrix_size` lies in its range.
absl::StatusOr<v1::SubmitJobsRequest> BuildCalibration(
    const SweepWords& words, const std::optional<std::string>& matrix_size);

}  // namespace torchlap::client
