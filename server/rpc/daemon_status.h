// GetDaemonStatus.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "proto/base/mutex.h"
#include "server/rpc/storage_health.h"
#include "storage/database.h"
#include "storage/job_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// What a daemon is from its start on.
struct DaemonFacts {
  std::filesystem::path worker_program;
  std::string torch_problem;  // one line if no worker can start; empty: none known
  std::string user;           // account of the daemon
  int64_t started_at_ns = 0;
};

// Thread-safe. All pointers outlive it.
class GetDaemonStatus {
 public:
  GetDaemonStatus(storage::Database* database, const storage::JobStore* jobs,
                  const StorageHealth* storage, DaemonFacts facts)
      : database_(database), jobs_(jobs), storage_(storage), facts_(std::move(facts)) {}

  // Known only once the daemon listens, and another one after the socket was lost.
  void ListensAt(const std::filesystem::path& socket) TORCHLAP_EXCLUDES(mutex_);

  absl::Status Answer(const storage::Caller& caller, const v1::GetDaemonStatusRequest& request,
                      v1::GetDaemonStatusResponse* response) const;

 private:
  storage::Database* const database_;
  const storage::JobStore* const jobs_;
  const StorageHealth* const storage_;
  const DaemonFacts facts_;
  mutable Mutex mutex_;
  std::filesystem::path socket_ TORCHLAP_GUARDED_BY(mutex_);
};

}  // namespace torchlap::rpc
