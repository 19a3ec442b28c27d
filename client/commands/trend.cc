#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const TrendOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("trend");
}

}  // namespace torchlap::client
