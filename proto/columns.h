// The columns of a run, read from the `column` options of run.proto. Header, SQL view, CSV, JSON
// and documentation all come from this one list.
#pragma once

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "torchlap/v1/column.pb.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap {

struct RunColumn {
  uint32_t order;           // place in exports
  std::string stored_name;  // with the stored unit, `forward_mean_ns`: tables and SQL views
  std::string shown_name;   // with the shown unit, `forward_mean_ms`: CSV and JSON
  v1::Unit stored;
  v1::Unit shown;
  std::string meaning;
  // From Run down to the scalar.
  std::vector<const google::protobuf::FieldDescriptor*> path;
};

// A cell in its stored unit. monostate: unknown (an unset optional field, an UNSPECIFIED enum, an
// empty string, or anything inside an unset message). Enums come as their words.
using ColumnValue = std::variant<std::monostate, std::string, int64_t, uint64_t, double,
                                 std::map<std::string, std::string>>;

// All columns by order. Built once; lives as long as the program.
const std::vector<RunColumn>& RunColumns();

ColumnValue ReadColumn(const v1::Run& run, const RunColumn& column);

// The suffix that a unit puts behind a stem: "_ns"; empty for none.
std::string_view UnitSuffix(v1::Unit unit);

}  // namespace torchlap
