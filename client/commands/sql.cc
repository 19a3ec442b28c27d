#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const SqlOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("sql");
}

}  // namespace torchlap::client
