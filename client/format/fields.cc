#include "client/format/fields.h"

#include <map>

#include "client/time_words.h"

namespace torchlap::client::format {

std::string TimeText(int64_t unix_ns) { return unix_ns == 0 ? "" : Rfc3339(unix_ns); }

std::string LabelText(const google::protobuf::Map<std::string, std::string>& labels) {
  const std::map<std::string, std::string> sorted(labels.begin(), labels.end());
  std::string text;
  for (const auto& [key, value] : sorted) text += (text.empty() ? "" : ", ") + key + "=" + value;
  return text;
}

}  // namespace torchlap::client::format
