#include "client/format/format.h"

#include <array>
#include <utility>

namespace torchlap::client::format {
namespace {

constexpr std::array<std::pair<Format, std::string_view>, 6> kNames = {{
    {Format::kTable, "table"},
    {Format::kMarkdown, "markdown"},
    {Format::kWriteup, "writeup"},
    {Format::kCsv, "csv"},
    {Format::kJson, "json"},
    {Format::kJsonLines, "jsonl"},
}};

}  // namespace

std::string_view FormatName(Format format) {
  for (const auto& [value, name] : kNames) {
    if (value == format) return name;
  }
  return {};
}

std::optional<Format> FormatByName(std::string_view name) {
  for (const auto& [value, known] : kNames) {
    if (known == name) return value;
  }
  return std::nullopt;
}

std::optional<Format> FormatOfFile(std::string_view path) {
  const size_t dot = path.find_last_of("./");
  if (dot == std::string_view::npos || path[dot] == '/') return std::nullopt;
  const std::string_view ending = path.substr(dot + 1);
  if (ending == "md") return Format::kMarkdown;
  if (ending == "csv" || ending == "json" || ending == "jsonl") return FormatByName(ending);
  return std::nullopt;
}

bool IsRowPerRun(Format format) {
  return format == Format::kCsv || format == Format::kJson || format == Format::kJsonLines;
}

}  // namespace torchlap::client::format
