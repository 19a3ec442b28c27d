#include "client/format/fields.h"

#include <fmt/format.h>

#include <map>

#include "client/format/numbers.h"
#include "client/format/words.h"
#include "client/time_words.h"

namespace torchlap::client::format {

std::string TimeText(int64_t unix_ns) { return unix_ns == 0 ? "" : Rfc3339(unix_ns); }

std::string LabelText(const google::protobuf::Map<std::string, std::string>& labels) {
  const std::map<std::string, std::string> sorted(labels.begin(), labels.end());
  std::string text;
  for (const auto& [key, value] : sorted) text += (text.empty() ? "" : ", ") + key + "=" + value;
  return text;
}

std::string ModelText(const v1::Workload& workload, uint64_t parameters) {
  if (workload.has_calibration()) return "";
  return fmt::format("{} ({} parameters)", SizeName(workload.transformer_lm()),
                     ParametersShort(parameters));
}

}  // namespace torchlap::client::format
