#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const BackupOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("backup");
}

}  // namespace torchlap::client
