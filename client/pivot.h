// What `export --pivot` asks for: which settings make the rows and the columns of a table, and
// which numbers stand in it. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "proto/columns.h"

namespace torchlap::client {

struct PivotValue {
  std::string name;  // as typed
  RunColumn column;
  // A phase as a whole, `forward`: its mean, which is `column`, with its standard deviation.
  bool is_phase = false;
};

// Cells are set against those that have this value of the axis.
struct RelativeTo {
  std::string axis;
  std::string value;
};

struct Pivot {
  std::vector<std::string> rows;     // axes (client/format/cell_axes.h), at least one
  std::vector<std::string> columns;  // none: the values alone are the columns
  std::vector<PivotValue> values;    // at least one
  std::optional<RelativeTo> relative_to;
};

// The parts that --pivot may have, as they are typed: `rows=size`, `columns=context`,
// `value=step_median_ms`, `value=forward` ...
std::vector<std::string> PivotParts();

// `rows=size,columns=context+precision,value=step_median`: axes joined by `+`; `value` may be given
// again, and is the median of the step if it is not given. `relative_to`: `precision=fp32`, an axis
// of the table. INVALID_ARGUMENT: anything else, an axis given twice.
absl::StatusOr<Pivot> ParsePivot(const std::string& text,
                                 const std::optional<std::string>& relative_to);

}  // namespace torchlap::client
