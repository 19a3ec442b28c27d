// What the jobs of a sweep have in common: shape, plan, out-of-memory policy, labels, device.
#pragma once

#include <absl/status/statusor.h>

#include <optional>

#include "client/sweep_words.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::client {

// The declared shape; nothing if no flag of it was given. INVALID_ARGUMENT: only some of them.
absl::StatusOr<std::optional<v1::TransformerLm>> ParseShape(const SweepWords& words);

// A job of the sweep without the values of its axes. INVALID_ARGUMENT: the first word that is
// wrong.
absl::StatusOr<v1::JobSpec> ParseShared(const SweepWords& words,
                                        const std::optional<v1::TransformerLm>& shape);

}  // namespace torchlap::client
