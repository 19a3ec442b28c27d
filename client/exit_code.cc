#include "client/exit_code.h"

#include <absl/strings/cord.h>

#include <algorithm>

#include "proto/base/visible_text.h"

namespace torchlap::client {
namespace {

// No answer of a daemon has it: they come as a code and a message.
constexpr char kOutputMark[] = "torchlap.client/output";

}  // namespace

absl::Status OutputError(const std::string& message) {
  absl::Status status = absl::DataLossError(message);
  status.SetPayload(kOutputMark, absl::Cord());
  return status;
}

bool IsOutputError(const absl::Status& status) {
  return status.GetPayload(kOutputMark).has_value();
}

absl::Status WithRemark(const absl::Status& status, const std::string& remark) {
  const std::string message = OneLine(status) + "; " + remark;
  return IsOutputError(status) ? OutputError(message) : absl::Status(status.code(), message);
}

int ExitCodeOf(const absl::Status& status) {
  if (IsOutputError(status)) return kExitOutput;
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
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return Visible(line);
}

}  // namespace torchlap::client
