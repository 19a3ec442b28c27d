#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const BaselineOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("baseline");
}

}  // namespace torchlap::client
