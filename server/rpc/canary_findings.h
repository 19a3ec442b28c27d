// What `torchlap doctor` says of a device by its canary (server/run/canary.h).
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/database.h"
#include "storage/environments.h"
#include "storage/run_store.h"
#include "storage/series_points.h"
#include "torchlap/v1/device.pb.h"

namespace torchlap::rpc {

// Of fewer there is no trend.
inline constexpr size_t kFewestCanaries = 5;
// What is older is no news. A week between canaries, which is the most, makes 12 of them.
inline constexpr int64_t kCanaryNewsNs = int64_t{90} * 86'400 * 1'000'000'000;

// Those of the environments that can be read.
using EnvironmentsOf = std::function<storage::EnvironmentsByHash(const std::set<std::string>&)>;

// Of the points of one device by start; contaminated ones do not count. Of several series (another
// version of the canary, another number of threads) that of the newest point alone counts. Steps
// are those that `torchlap trend` finds; of several the newest is told, as a note:
// FINDING_CANARY_STEP. None: FINDING_CANARY. Of too few: FINDING_CANARY as a note, with how many
// must be there (`expected`), how many were disturbed (`detail`) and when the newest ran. Nothing:
// no run is there.
std::optional<v1::Finding> JudgeCanaries(std::vector<storage::SeriesPoint> points,
                                         const EnvironmentsOf& environments_of);

// The same of what is stored of a device that is there. Where canaries ran and none ended OK, there
// are too few: 0. RESOURCE_EXHAUSTED as ReadSeriesPoints.
absl::StatusOr<std::optional<v1::Finding>> CanaryFinding(const storage::Database& database,
                                                         const storage::RunStore& runs,
                                                         const std::string& device_uuid,
                                                         int64_t now_ns);

}  // namespace torchlap::rpc
