#include "client/format/sheet.h"

namespace torchlap::client::format {
namespace {

std::string Quoted(const std::string& text) {
  const bool plain = text.find_first_of(",\"\r\n") == std::string::npos &&
                     (text.empty() || (text.front() != ' ' && text.back() != ' '));
  if (plain) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

void WriteCsv(const Sheet& sheet, std::ostream& out) {
  const char* separator = "";
  for (const std::string& name : sheet.names) {
    out << separator << Quoted(name);
    separator = ",";
  }
  out << '\n';
  for (const auto& row : sheet.rows) {
    separator = "";
    for (const Value& value : row) {
      out << separator << Quoted(ValueText(value));
      separator = ",";
    }
    out << '\n';
  }
}

}  // namespace torchlap::client::format
