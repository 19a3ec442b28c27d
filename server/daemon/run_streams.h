// What the RPCs that stream runs write. Free of gRPC: the sink says whether the reader is still
// there.
#pragma once

#include <absl/status/status.h>

#include <functional>

#include "server/daemon/requests.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::daemon {

// CANCELLED when `sink` returned false.
absl::Status StreamRun(const Requests& requests, const v1::GetRunRequest& request,
                       const std::function<bool(v1::GetRunResponse)>& sink);
absl::Status StreamExport(const Requests& requests, const storage::Caller& caller,
                          const v1::ExportRunsRequest& request,
                          const std::function<bool(v1::ExportRunsResponse)>& sink);

// The row of a cell: the OK runs of one job pooled, else its last run. `runs` has at least one.
v1::Run CellOf(const std::vector<v1::Run>& runs);

}  // namespace torchlap::daemon
