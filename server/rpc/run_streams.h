// What the RPCs that stream runs write. Free of gRPC: the sink says whether the reader is still
// there.
#pragma once

#include <absl/status/status.h>

#include <functional>

#include "server/rpc/requests.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// CANCELLED when `sink` returned false.
absl::Status StreamRun(const Requests& requests, const storage::Caller& caller,
                       const v1::GetRunRequest& request,
                       const std::function<bool(v1::GetRunResponse)>& sink);
absl::Status StreamExport(const Requests& requests, const storage::Caller& caller,
                          const v1::ExportRunsRequest& request,
                          const std::function<bool(v1::ExportRunsResponse)>& sink);

// The file of a trace run, in pieces. NOT_FOUND, FAILED_PRECONDITION as ReadTrace says.
absl::Status StreamTrace(const Requests& requests, const storage::Caller& caller,
                         const v1::ReadTraceRequest& request,
                         const std::function<bool(v1::ReadTraceResponse)>& sink);

// The row of a cell: the OK runs of one job pooled (a traced one is not measured), else its last
// run. `runs` has at least one.
v1::Run CellOf(const std::vector<v1::Run>& runs);

}  // namespace torchlap::rpc
