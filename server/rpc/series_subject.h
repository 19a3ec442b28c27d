// The run that stands for a series in an answer.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "storage/run_store.h"
#include "storage/series_points.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::rpc {

// The last of `points`, which are by start. One that cannot be read, as it is damaged, is taken out
// of them and counted; one that is not there any more is taken out. Nothing: none is left.
absl::StatusOr<std::optional<v1::Run>> NewestRun(const storage::RunStore& runs,
                                                 std::vector<storage::SeriesPoint>* points,
                                                 uint64_t* unreadable);

}  // namespace torchlap::rpc
