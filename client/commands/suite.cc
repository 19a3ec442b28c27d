#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const SuiteOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("suite");
}

}  // namespace torchlap::client
