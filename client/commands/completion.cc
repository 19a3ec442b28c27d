#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const CompletionOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("completion");
}

}  // namespace torchlap::client
