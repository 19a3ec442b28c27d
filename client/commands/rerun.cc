#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const RerunOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("rerun");
}

}  // namespace torchlap::client
