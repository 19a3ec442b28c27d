#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const LabelOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("label");
}

}  // namespace torchlap::client
