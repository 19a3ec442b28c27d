#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const CompareOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("compare");
}

}  // namespace torchlap::client
