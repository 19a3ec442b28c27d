#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const DigestOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("digest");
}

}  // namespace torchlap::client
