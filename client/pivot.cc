#include "client/pivot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "client/close_names.h"
#include "client/column_list.h"
#include "client/format/cell_axes.h"
#include "client/parse_words.h"
#include "client/value_list.h"

namespace torchlap::client {
namespace {

using Names = std::vector<std::string>;

constexpr char kForm[] = "rows=size,columns=context,value=step_median";
constexpr char kUsualValue[] = "step_median";
constexpr std::array<std::string_view, 5> kPhases = {"forward", "loss", "backward", "optimizer",
                                                     "step"};

std::string AxisList() {
  return fmt::format("{}, label:KEY", fmt::join(format::CellAxisNames(), ", "));
}

bool IsIn(const std::string& name, const Names& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

absl::Status AddAxes(const std::string& key, const std::string& text, Names* axes) {
  if (!axes->empty()) {
    return Invalid(fmt::format("--pivot has {0} twice, must have it once: {0}={1}+{2}", key,
                               fmt::join(*axes, "+"), text));
  }
  for (const std::string& axis : SplitAt('+', text)) {
    if (!format::IsCellAxis(axis)) {
      return Invalid(fmt::format("--pivot has {}={}, must be one of {}; several joined by +", key,
                                 axis.empty() ? text : axis, AxisList()));
    }
    axes->push_back(axis);
  }
  return absl::OkStatus();
}

absl::Status AddValue(const std::string& name, std::vector<PivotValue>* values) {
  const bool is_phase = std::find(kPhases.begin(), kPhases.end(), name) != kPhases.end();
  const RunColumn* column = FindNumberColumn(is_phase ? name + "_mean" : name);
  if (column == nullptr) {
    return Invalid(
        fmt::format("--pivot has value={}, must be a column of numbers such as step_median or "
                    "tokens_per_s (--format csv shows all), or a phase: {}{}",
                    name, fmt::join(kPhases, ", "), CloseNames(name, NumberColumnNames())));
  }
  values->push_back({name, *column, is_phase});
  return absl::OkStatus();
}

absl::Status AddPart(const std::string& part, Pivot* pivot) {
  const size_t equals = part.find('=');
  const std::string key = part.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
  if (key == "rows") return AddAxes(key, value, &pivot->rows);
  if (key == "columns") return AddAxes(key, value, &pivot->columns);
  if (key == "value") return AddValue(value, &pivot->values);
  return Invalid(fmt::format("--pivot has {}, must be as {}", part.empty() ? "''" : part, kForm));
}

// A setting makes rows or columns, and once.
absl::Status CheckAxes(const Pivot& pivot) {
  if (pivot.rows.empty()) return Invalid(fmt::format("--pivot has no rows, must be as {}", kForm));
  Names seen;
  for (const Names* axes : {&pivot.rows, &pivot.columns}) {
    for (const std::string& axis : *axes) {
      if (IsIn(axis, seen)) {
        return Invalid(fmt::format("--pivot has the axis {} twice, must have it once", axis));
      }
      seen.push_back(axis);
    }
  }
  return absl::OkStatus();
}

absl::Status SetRelativeTo(const std::string& text, Pivot* pivot) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return Invalid(fmt::format("--relative-to is {}, must be as precision=fp32", text));
  }
  const std::string axis = text.substr(0, equals);
  if (!IsIn(axis, pivot->rows) && !IsIn(axis, pivot->columns)) {
    Names axes = pivot->rows;
    axes.insert(axes.end(), pivot->columns.begin(), pivot->columns.end());
    return Invalid(fmt::format("--relative-to is {}, must be an axis of --pivot ({}) and its value",
                               text, fmt::join(axes, ", ")));
  }
  pivot->relative_to = RelativeTo{axis, text.substr(equals + 1)};
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> PivotParts() {
  Names parts;
  for (const char* key : {"rows=", "columns="}) {
    for (const std::string& axis : format::CellAxisNames()) parts.push_back(key + axis);
  }
  for (const std::string_view phase : kPhases) parts.push_back(fmt::format("value={}", phase));
  for (const std::string& column : NumberColumnNames()) parts.push_back("value=" + column);
  return parts;
}

absl::StatusOr<Pivot> ParsePivot(const std::string& text,
                                 const std::optional<std::string>& relative_to) {
  Pivot pivot;
  for (const std::string& part : SplitAt(',', text)) {
    if (absl::Status added = AddPart(part, &pivot); !added.ok()) return added;
  }
  if (absl::Status checked = CheckAxes(pivot); !checked.ok()) return checked;
  if (pivot.values.empty()) {
    if (absl::Status added = AddValue(kUsualValue, &pivot.values); !added.ok()) return added;
  }
  if (relative_to) {
    if (absl::Status set = SetRelativeTo(*relative_to, &pivot); !set.ok()) return set;
  }
  return pivot;
}

}  // namespace torchlap::client
