#include "server/rpc/backup_database.h"

namespace torchlap::rpc {

absl::Status BackupDatabase::Stream(const storage::Caller& caller,
                                    const v1::BackupDatabaseRequest& request,
                                    const Sink<v1::BackupDatabaseResponse>& sink) const {
  (void)caller;
  (void)request;
  (void)sink;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("BackupDatabase");
}

}  // namespace torchlap::rpc
