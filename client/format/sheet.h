// Named values in rows, for programs: in full precision.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "proto/column_tree.h"
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

// The values of runs, one after another, in the columns' shown units. What columns have in common
// is found out once, and the row is one that is filled again and again: exports have 100,000 rows
// of 150 values. Not thread-safe.
class RunValues {
 public:
  explicit RunValues(const std::vector<RunColumn>& columns);

  // As many as columns; until the next call.
  const std::vector<Value>& Of(const v1::Run& run);

 private:
  struct Column {
    const google::protobuf::FieldDescriptor* field;
    double divisor;  // from the stored unit to the shown one
    bool is_time;    // shown as RFC 3339
    bool zero_is_unknown;
    std::vector<std::string> words;  // of an enum, by number
  };
  void Read(const google::protobuf::Message& message, const Column& column, Value* value);
  static void ReadInt64(int64_t number, const Column& column, Value* value);

  std::vector<Column> columns_;
  ColumnTree tree_;
  std::vector<Value> values_;
  std::vector<const google::protobuf::Message*> messages_;
  std::string scratch_;
};

// One row a run with these columns.
Sheet RunSheet(const std::vector<v1::Run>& runs, const std::vector<RunColumn>& columns);

// As in CSV; empty for unknown.
std::string ValueText(const Value& value);
void AppendValueText(const Value& value, std::string* text);

}  // namespace torchlap::client::format
