#include "client/format/sheet.h"

#include <fmt/format.h>

#include <cmath>

#include "client/time_words.h"

namespace torchlap::client::format {
namespace {

// Columns whose field has no presence and for which 0 is not a number but "not filled": the worker
// never said hello, or no process was started.
bool ZeroIsUnknown(const RunColumn& column) {
  return column.stored_name == "threads" || column.stored_name == "statistics_version" ||
         column.stored == v1::UNIT_UNIX_NANOSECONDS;
}

struct IsZero {
  bool operator()(int64_t number) const { return number == 0; }
  bool operator()(uint64_t number) const { return number == 0; }
  template <typename Other>
  bool operator()(const Other&) const {
    return false;
  }
};

double Divisor(const RunColumn& column) {
  if (column.stored != v1::UNIT_NANOSECONDS) return 1;
  if (column.shown == v1::UNIT_MILLISECONDS) return 1e6;
  if (column.shown == v1::UNIT_SECONDS) return 1e9;
  return 1;
}

struct Converter {
  const RunColumn& column;

  Value operator()(double number) const {
    if (!std::isfinite(number)) return {};
    return number / Divisor(column);
  }
  Value operator()(int64_t number) const {
    if (column.shown == v1::UNIT_RFC3339) return Rfc3339(number);
    if (const double divisor = Divisor(column); divisor != 1) {
      return static_cast<double>(number) / divisor;
    }
    return number;
  }
  template <typename Other>
  Value operator()(const Other& value) const {
    return value;
  }
};

struct TextOf {
  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(const std::string& text) const { return text; }
  std::string operator()(const std::map<std::string, std::string>& pairs) const {
    std::string text;
    for (const auto& [key, value] : pairs) {
      text += (text.empty() ? "" : ";") + key + "=" + value;
    }
    return text;
  }
  template <typename Number>
  std::string operator()(Number number) const {
    return fmt::format("{}", number);  // for doubles the shortest text that reads back the same
  }
};

}  // namespace

Value ShownValue(const v1::Run& run, const RunColumn& column) {
  const ColumnValue stored = ReadColumn(run, column);
  if (ZeroIsUnknown(column) && std::visit(IsZero{}, stored)) return {};
  return std::visit(Converter{column}, stored);
}

std::vector<Value> RunValues(const v1::Run& run, const std::vector<RunColumn>& columns) {
  std::vector<Value> values;
  values.reserve(columns.size());
  for (const RunColumn& column : columns) values.push_back(ShownValue(run, column));
  return values;
}

Sheet RunSheet(const std::vector<v1::Run>& runs, const std::vector<RunColumn>& columns) {
  Sheet sheet;
  for (const RunColumn& column : columns) sheet.names.push_back(column.shown_name);
  for (const v1::Run& run : runs) sheet.rows.push_back(RunValues(run, columns));
  return sheet;
}

std::string ValueText(const Value& value) { return std::visit(TextOf{}, value); }

}  // namespace torchlap::client::format
