#include "client/column_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "client/close_names.h"
#include "client/value_list.h"

namespace torchlap::client {
namespace {

using google::protobuf::FieldDescriptor;

template <typename Wanted>
const RunColumn* First(Wanted wanted) {
  const auto& all = RunColumns();
  const auto place = std::find_if(all.begin(), all.end(), wanted);
  return place == all.end() ? nullptr : &*place;
}

bool IsNumber(const RunColumn& column) {
  const FieldDescriptor& field = *column.path.back();
  if (field.is_map() || column.shown == v1::UNIT_RFC3339) return false;
  return field.cpp_type() != FieldDescriptor::CPPTYPE_STRING &&
         field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM;
}

std::string_view StemOf(const RunColumn& column) {
  const std::string_view name = column.shown_name;
  return name.substr(0, name.size() - UnitSuffix(column.shown).size());
}

}  // namespace

std::vector<std::string> ColumnNames() {
  std::vector<std::string> names;
  for (const RunColumn& column : RunColumns()) names.push_back(column.shown_name);
  return names;
}

absl::StatusOr<std::vector<RunColumn>> ParseColumns(const std::optional<std::string>& text) {
  std::vector<RunColumn> columns;
  if (!text) return columns;
  auto names = ParseList("--columns", {*text});
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const RunColumn* column =
        First([&name](const RunColumn& one) { return one.shown_name == name; });
    if (column == nullptr) {
      return absl::InvalidArgumentError(fmt::format(
          "--columns has {}, must be names such as run_id,model_size,step_mean_ms (--format csv "
          "shows all){}",
          name, CloseNames(name, ColumnNames())));
    }
    columns.push_back(*column);
  }
  return columns;
}

std::vector<std::string> NumberColumnNames() {
  std::vector<std::string> names;
  for (const RunColumn& column : RunColumns()) {
    if (IsNumber(column)) names.push_back(column.shown_name);
  }
  return names;
}

const RunColumn* FindNumberColumn(const std::string& name) {
  const RunColumn* column =
      First([&name](const RunColumn& one) { return IsNumber(one) && one.shown_name == name; });
  if (column != nullptr) return column;
  return First([&name](const RunColumn& one) { return IsNumber(one) && StemOf(one) == name; });
}

}  // namespace torchlap::client
