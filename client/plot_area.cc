#include "client/plot_area.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>

namespace torchlap::client {
namespace {

constexpr int kWidest = 100;
constexpr int kNarrowest = 40;

// The first of the variables that is set decides.
std::string_view LocaleOfProcess() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && value[0] != '\0') return value;
  }
  return "";
}

}  // namespace

bool IsUtf8Locale(std::string_view name) {
  std::string letters;
  for (const char c : name) {
    if (c != '-') letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return letters.find("utf8") != std::string::npos;
}

format::PlotArea PlotAreaOf(const Console& console) {
  format::PlotArea area;
  if (console.out_is_terminal) {
    area.width = static_cast<size_t>(std::clamp(console.columns, kNarrowest, kWidest));
  }
  area.is_ascii = !IsUtf8Locale(LocaleOfProcess());
  return area;
}

}  // namespace torchlap::client
