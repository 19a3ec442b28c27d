// GetDaemonStatus.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "storage/database.h"
#include "storage/job_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// What a daemon is from its start on.
struct DaemonFacts {
  std::filesystem::path socket;
  std::filesystem::path worker_program;
  std::string torch_problem;  // one line if no worker can start; empty: none known
  std::string user;           // account of the daemon
  int64_t started_at_ns = 0;
};

// Thread-safe. `database` and `jobs` outlive it.
class GetDaemonStatus {
 public:
  GetDaemonStatus(storage::Database* database, const storage::JobStore* jobs, DaemonFacts facts)
      : database_(database), jobs_(jobs), facts_(std::move(facts)) {}

  absl::Status Answer(const storage::Caller& caller, const v1::GetDaemonStatusRequest& request,
                      v1::GetDaemonStatusResponse* response) const;

 private:
  storage::Database* const database_;
  const storage::JobStore* const jobs_;
  const DaemonFacts facts_;
};

}  // namespace torchlap::rpc
