// Named values in rows, for programs: the formats `csv`, `json` and `jsonl` print it in full
// precision.
#pragma once

#include <cstdint>
#include <map>
#include <ostream>
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

// One row a run with these columns.
Sheet RunSheet(const std::vector<v1::Run>& runs, const std::vector<RunColumn>& columns);

// As in CSV; empty for unknown.
std::string ValueText(const Value& value);

// A header and a line a row, quoted by RFC 4180 where needed, lines ended by \n.
void WriteCsv(const Sheet& sheet, std::ostream& out);

// An array of objects, one a line; `[]` for no rows.
void WriteJson(const Sheet& sheet, std::ostream& out);

// An object a line.
void WriteJsonLines(const Sheet& sheet, std::ostream& out);

// The only row of a sheet as one object.
void WriteJsonObject(const Sheet& sheet, std::ostream& out);

}  // namespace torchlap::client::format
