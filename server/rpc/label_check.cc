#include "server/rpc/label_check.h"

#include <fmt/format.h>

#include "proto/base/visible_text.h"
#include "server/rpc/text_check.h"
#include "storage/filter_limits.h"

namespace torchlap::rpc {
namespace {

constexpr size_t kMaxLabelChars = 100;

bool HasLabelLength(const std::string& text) {
  return !text.empty() && CharsOf(text) <= kMaxLabelChars;
}

absl::Status CheckLabel(const std::string& key, const std::string& value) {
  if (HasLabelLength(key) && HasLabelLength(value)) return CheckText("label", key + "=" + value);
  return absl::InvalidArgumentError(
      fmt::format("label `{}={}`: key and value must have 1 to {} characters", Named(key),
                  Named(value), kMaxLabelChars));
}

}  // namespace

absl::Status CheckLabels(const google::protobuf::Map<std::string, std::string>& labels) {
  if (labels.size() > static_cast<size_t>(storage::kMostLabels)) {
    return absl::InvalidArgumentError(fmt::format("there are {} labels, must be at most {}",
                                                  labels.size(), storage::kMostLabels));
  }
  for (const auto& [key, value] : labels) {
    if (absl::Status label = CheckLabel(key, value); !label.ok()) return label;
  }
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
