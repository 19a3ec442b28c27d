#include "client/format/format.h"

#include <algorithm>
#include <cctype>

namespace torchlap::client::format {
namespace {

std::string InSmallLetters(std::string_view text) {
  std::string small(text);
  for (char& c : small) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return small;
}

template <typename Wanted>
const Format* First(FormatList formats, Wanted wanted) {
  const auto found = std::find_if(formats.begin(), formats.end(), wanted);
  return found == formats.end() ? nullptr : *found;
}

}  // namespace

const Format* FormatByName(std::string_view name, FormatList formats) {
  return First(formats, [name](const Format* format) { return format->name == name; });
}

std::string EndingOfFile(std::string_view path) {
  const size_t dot = path.find_last_of("./");
  if (dot == std::string_view::npos || path[dot] == '/') return "";
  return InSmallLetters(path.substr(dot + 1));
}

const Format* FormatOfFile(std::string_view path, FormatList formats) {
  const std::string ending = EndingOfFile(path);
  if (ending.empty()) return nullptr;
  return First(formats, [&ending](const Format* format) {
    return InSmallLetters(format->ending) == ending;
  });
}

const Format* FirstFor(Content content, FormatList formats) {
  return First(formats, [content](const Format* format) { return format->contents.Has(content); });
}

std::string Endings(Content content, FormatList formats) {
  std::string endings;
  for (const Format* format : formats) {
    if (!format->contents.Has(content) || format->ending.empty()) continue;
    endings += (endings.empty() ? "." : ", .") + std::string(format->ending);
  }
  return endings;
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
