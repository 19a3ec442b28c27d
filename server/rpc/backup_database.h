// BackupDatabase: a copy of the database, in pieces.
#pragma once

#include <absl/status/status.h>

#include <atomic>

#include "server/rpc/sink.h"
#include "storage/database.h"
#include "storage/job_store.h"
#include "storage/run_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class BackupDatabase {
 public:
  BackupDatabase(storage::Database* database, storage::JobStore* jobs, storage::RunStore* runs);

  // The copy is whole, and was looked at, before the first piece is sent (storage/backup.h); its
  // room is free again when the reader has it, or is gone. One at a time: RESOURCE_EXHAUSTED.
  // PERMISSION_DENIED: the caller is neither an admin nor the daemon's account. CANCELLED when
  // `sink` returned false.
  absl::Status Stream(const storage::Caller& caller, const v1::BackupDatabaseRequest& request,
                      const Sink<v1::BackupDatabaseResponse>& sink) const;

 private:
  const storage::Database* const database_;
  mutable std::atomic<bool> is_running_ = false;
};

}  // namespace torchlap::rpc
