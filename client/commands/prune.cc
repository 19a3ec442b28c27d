#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const PruneOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("prune");
}

}  // namespace torchlap::client
