#include "client/parse_words.h"

#include <cmath>

#include "proto/base/visible_text.h"

namespace torchlap::client {

absl::Status CheckVisible(const std::string& what, const std::string& text) {
  const auto unseen = FirstUnseen(text);
  if (!unseen) return absl::OkStatus();
  return Invalid(fmt::format("{} is \"{}\", must have no {}: visible characters only", what,
                             Visible(text), *unseen));
}

absl::StatusOr<std::pair<std::string, std::string>> ParsePair(const std::string& what,
                                                              const std::string& text) {
  if (absl::Status status = CheckVisible(what, text); !status.ok()) return status;
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Invalid(fmt::format("{} is {}, must be key=value", what, text.empty() ? "''" : text));
  }
  return std::make_pair(text.substr(0, equals), text.substr(equals + 1));
}

absl::StatusOr<double> ParseRatio(const std::string& what, const std::string& text) {
  const bool percent = !text.empty() && text.back() == '%';
  const std::string digits = text.substr(0, text.size() - (percent ? 1 : 0));
  const std::optional<double> number = ReadNumber<double>(digits);
  if (number && std::isfinite(*number)) return percent ? *number / 100 : *number;
  return Invalid(fmt::format("{} is {}, must be a percentage (1%) or a ratio (0.01)", what,
                             text.empty() ? "''" : text));
}

}  // namespace torchlap::client
