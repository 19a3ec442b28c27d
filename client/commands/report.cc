#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const ReportOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("report");
}

}  // namespace torchlap::client
