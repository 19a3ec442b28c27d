#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const ImportOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("import");
}

}  // namespace torchlap::client
