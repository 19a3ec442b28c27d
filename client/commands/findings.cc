#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const FindingsOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("findings");
}

}  // namespace torchlap::client
