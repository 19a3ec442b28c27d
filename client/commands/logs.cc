#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const LogsOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("logs");
}

}  // namespace torchlap::client
