#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const PlotOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("plot");
}

}  // namespace torchlap::client
