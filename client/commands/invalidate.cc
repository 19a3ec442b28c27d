#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const InvalidateOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("invalidate");
}

}  // namespace torchlap::client
