// Rows of an export, sorted by what they tell.
#pragma once

#include <absl/status/statusor.h>

#include <vector>

#include "client/daemon_channel.h"
#include "client/format/runs.h"

namespace torchlap::client {

// Asks for what the rows of experiments alone do not say: what warm-ups show of a whole sweep, what
// a fit found. Where rows are only a part of the experiment, they stand for themselves.
absl::StatusOr<format::Results> SortResults(const std::vector<v1::Run>& rows,
                                            DaemonChannel* channel);

}  // namespace torchlap::client
