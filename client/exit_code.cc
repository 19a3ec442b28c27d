#include "client/exit_code.h"

#include <algorithm>

namespace torchlap::client {

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
      return kExitUsage;
    case absl::StatusCode::kUnavailable:
      return kExitUnavailable;
    default:
      return kExitRefused;
  }
}

std::string OneLine(const absl::Status& status) {
  std::string line(status.message().data(), status.message().size());
  if (line.empty()) return absl::StatusCodeToString(status.code());
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return line;
}

}  // namespace torchlap::client
