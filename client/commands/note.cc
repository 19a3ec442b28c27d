#include "client/commands/commands.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const NoteOptions& options, const Invocation& invocation) {
  (void)options;
  (void)invocation;
  return absl::UnimplementedError("note");
}

}  // namespace torchlap::client
