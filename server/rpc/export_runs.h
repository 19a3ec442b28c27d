// ExportRuns: runs, with their samples if asked for, or a row for each cell
// (server/measure/launch_runs.h).
#pragma once

#include <absl/status/status.h>

#include <cstdint>

#include "server/rpc/sink.h"
#include "storage/job_store.h"
#include "storage/run_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class ExportRuns {
 public:
  ExportRuns(const storage::JobStore* jobs, const storage::RunStore* runs)
      : jobs_(jobs), runs_(runs) {}

  // CANCELLED when `sink` returned false. Of damaged rows the rest is sent, and their number. Rows
  // of runs without samples are encoded already (storage::RunStore::ExportEncoded).
  absl::Status Stream(const storage::Caller& caller, const v1::ExportRunsRequest& request,
                      const Sink<v1::ExportRunsResponse>& sink) const;

 private:
  absl::Status StreamCells(const v1::ExportRunsRequest& request, const storage::JobFilter& selected,
                           const Sink<v1::ExportRunsResponse>& sink) const;
  absl::Status WriteWithSamples(storage::RunRows runs, const Sink<v1::ExportRunsResponse>& sink,
                                uint64_t* unreadable) const;

  const storage::JobStore* const jobs_;
  const storage::RunStore* const runs_;
};

}  // namespace torchlap::rpc
