#include "client/format/format.h"

#include <algorithm>

namespace torchlap::client::format {
namespace {

template <typename Wanted>
const Format* First(FormatList formats, Wanted wanted) {
  const auto found = std::find_if(formats.begin(), formats.end(), wanted);
  return found == formats.end() ? nullptr : *found;
}

}  // namespace

const Format* FormatByName(std::string_view name, FormatList formats) {
  return First(formats, [name](const Format* format) { return format->name == name; });
}

const Format* FormatOfFile(std::string_view path, FormatList formats) {
  const size_t dot = path.find_last_of("./");
  if (dot == std::string_view::npos || path[dot] == '/') return nullptr;
  const std::string_view ending = path.substr(dot + 1);
  if (ending.empty()) return nullptr;
  return First(formats, [ending](const Format* format) { return format->ending == ending; });
}

std::string FormatNames(Content content, FormatList formats, std::string_view first_remark) {
  std::string names;
  for (const Format* format : formats) {
    if (!format->contents.Has(content)) continue;
    if (!names.empty()) names += ", ";
    names += format->name;
    if (format == formats.front()) names += first_remark;
  }
  return names;
}

}  // namespace torchlap::client::format
