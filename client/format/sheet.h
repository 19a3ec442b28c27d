// Named values in rows, for programs: in full precision.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "proto/columns.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// monostate: unknown; empty in CSV, null in JSON. A map is an object in JSON and `k=v;k=v` in CSV.
using Value = std::variant<std::monostate, bool, std::string, int64_t, uint64_t, double,
                           std::map<std::string, std::string>>;

struct Sheet {
  std::vector<std::string> names;
  std::vector<std::vector<Value>> rows;  // as many values as names
};

// A column of a run in its shown unit.
Value ShownValue(const v1::Run& run, const RunColumn& column);

// A run's row with these columns.
std::vector<Value> RunValues(const v1::Run& run, const std::vector<RunColumn>& columns);

// One row a run with these columns.
Sheet RunSheet(const std::vector<v1::Run>& runs, const std::vector<RunColumn>& columns);

// As in CSV; empty for unknown.
std::string ValueText(const Value& value);

}  // namespace torchlap::client::format
