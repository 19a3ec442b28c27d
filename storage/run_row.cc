#include "storage/run_row.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <variant>

#include "proto/words.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::storage {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

struct BindValue {
  const FieldDescriptor* field;
  Query* query;

  void operator()(std::monostate) const { query->Bind(std::nullopt); }
  void operator()(int64_t value) const { query->Bind(value); }
  void operator()(uint64_t value) const { query->Bind(value); }
  void operator()(double value) const { query->Bind(value); }
  void operator()(const std::string& text) const {
    if (field->enum_type() == nullptr) {
      query->Bind(text);
    } else {
      query->Bind(NumberOf(*field->enum_type(), text));
    }
  }
  // Labels belong to the job.
  void operator()(const std::map<std::string, std::string>&) const { query->Bind(std::nullopt); }
};

void Set(Message* message, const FieldDescriptor* field, const Query& row, int index) {
  const auto& reflection = *message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.SetString(message, field, row.Text(index));
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.SetEnumValue(message, field, static_cast<int>(row.Int(index)));
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.SetInt32(message, field, static_cast<int32_t>(row.Int(index)));
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.SetInt64(message, field, row.Int(index));
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(message, field, static_cast<uint32_t>(row.Int(index)));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.SetUInt64(message, field, row.Uint(index));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.SetDouble(message, field, row.Real(index));
    default:
      throw SQLite::Exception("column type that run_row.cc does not know: " + field->full_name());
  }
}

void SetColumn(const RunColumn& column, const Query& row, int index, v1::Run* run) {
  if (row.IsNull(index)) return;
  Message* message = run;
  for (size_t i = 0; i + 1 < column.path.size(); ++i) {
    message = message->GetReflection()->MutableMessage(message, column.path[i]);
  }
  Set(message, column.path.back(), row, index);
}

// What a run has that is no column, then all columns but the labels.
constexpr int kFirstColumn = 6;

const std::vector<const RunColumn*>& ScalarColumns() {
  static const std::vector<const RunColumn*> columns = [] {
    std::vector<const RunColumn*> list;
    for (const RunColumn& column : RunColumns()) {
      if (!column.path.back()->is_map()) list.push_back(&column);
    }
    return list;
  }();
  return columns;
}

std::string SelectRuns(const std::string& condition) {
  static const std::string select = absl::StrCat(
      "SELECT number, boot_id, spec, assessment, calibration, workload_kind, ",
      absl::StrJoin(ScalarColumns(), ", ",
                    [](std::string* out, const RunColumn* c) { out->append(c->stored_name); }),
      " FROM run_row WHERE ");
  return select + condition;
}

void Parse(const std::string& bytes, const char* column, Message* message) {
  if (message->ParseFromString(bytes)) return;
  throw SQLite::Exception(absl::StrCat(column, " is not a ", message->GetTypeName()));
}

v1::Run ReadRow(const Query& row) {
  v1::Run run;
  run.set_number(static_cast<uint32_t>(row.Int(0)));
  run.set_boot_id(row.Text(1));
  // Also what is no column of the plan.
  v1::JobSpec spec;
  Parse(row.Text(2), "job.spec", &spec);
  *run.mutable_plan() = spec.plan();
  if (!row.IsNull(3)) Parse(row.Text(3), "assessment.message", run.mutable_assessment());
  if (!row.IsNull(4)) Parse(row.Text(4), "calibration.message", run.mutable_calibration());
  int index = kFirstColumn;
  for (const RunColumn* column : ScalarColumns()) SetColumn(*column, row, index++, &run);
  if (row.Int(5) == v1::Workload::kCalibration) {
    *run.mutable_workload()->mutable_calibration() = spec.workload().calibration();
  }
  return run;
}

void ReadLabels(SQLite::Database& database, v1::Run* run) {
  Query query(database, "SELECT k, v FROM label WHERE job_id = ?", run->job_id());
  while (query.Step()) (*run->mutable_labels())[query.Text(0)] = query.Text(1);
}

template <typename... Values>
std::vector<v1::Run> LoadRuns(SQLite::Database& database, const std::string& condition,
                              const Values&... values) {
  std::vector<v1::Run> runs;
  Query query(database, SelectRuns(condition), values...);
  while (query.Step()) {
    runs.push_back(ReadRow(query));
    ReadLabels(database, &runs.back());
  }
  return runs;
}

std::optional<v1::Run> FirstOf(std::vector<v1::Run> runs) {
  if (runs.empty()) return std::nullopt;
  return std::move(runs.front());
}

}  // namespace

RunColumnSet::RunColumnSet(SQLite::Database& database, const std::string& table,
                           const std::vector<std::string>& but) {
  const std::vector<std::string>& names =
      static_cast<SqliteConnection&>(database).ColumnNames(table);
  for (const RunColumn& column : RunColumns()) {
    const std::string& name = column.stored_name;
    if (Contains(names, name) && !Contains(but, name)) columns_.push_back(&column);
  }
}

std::string RunColumnSet::Names() const {
  return absl::StrJoin(columns_, ", ", [](std::string* out, const RunColumn* column) {
    out->append(column->stored_name);
  });
}

std::string RunColumnSet::Marks() const {
  return absl::StrJoin(columns_, ", ",
                       [](std::string* out, const RunColumn*) { out->append("?"); });
}

std::string RunColumnSet::Assignments() const {
  return absl::StrJoin(columns_, ", ", [](std::string* out, const RunColumn* column) {
    absl::StrAppend(out, column->stored_name, " = ?");
  });
}

void RunColumnSet::Bind(const v1::Run& run, Query& query) const {
  for (const RunColumn* column : columns_) {
    std::visit(BindValue{column->path.back(), &query}, ReadColumn(run, *column));
  }
}

std::optional<RunKey> ParseRunId(const std::string& run_id) {
  const size_t dot = run_id.find('.');
  RunKey key;
  if (dot == std::string::npos || !absl::SimpleAtoi(run_id.substr(0, dot), &key.job_id) ||
      !absl::SimpleAtoi(run_id.substr(dot + 1), &key.number)) {
    return std::nullopt;
  }
  // No second spelling: "017.2" and "17. 2" are refused.
  if (run_id != absl::StrCat(key.job_id, ".", key.number)) return std::nullopt;
  if (key.job_id == 0 || key.number == 0) return std::nullopt;
  return key;
}

std::optional<v1::Run> LoadRun(SQLite::Database& database, int64_t id) {
  return FirstOf(LoadRuns(database, "id = ?", id));
}

std::optional<v1::Run> LoadRun(SQLite::Database& database, const RunKey& key) {
  return FirstOf(LoadRuns(database, "job_id = ? AND number = ?", key.job_id, key.number));
}

std::vector<v1::Run> LoadRunsOfJob(SQLite::Database& database, uint64_t job_id) {
  return LoadRuns(database, "job_id = ? ORDER BY number", job_id);
}

v1::Run AsItBegan(const v1::Run& run) {
  v1::Run begun;
  begun.set_run_id(run.run_id());
  begun.set_job_id(run.job_id());
  begun.set_number(run.number());
  begun.set_sweep_id(run.sweep_id());
  begun.set_sweep_name(run.sweep_name());
  begun.set_user(run.user());
  begun.set_device(run.device());
  begun.set_device_uuid(run.device_uuid());
  begun.set_device_model(run.device_model());
  *begun.mutable_workload() = run.workload();
  begun.set_parameters(run.parameters());
  begun.set_requested_batch_size(run.requested_batch_size());
  begun.set_requested_context_length(run.requested_context_length());
  *begun.mutable_plan() = run.plan();
  begun.set_launch(run.launch());
  begun.set_purpose(run.purpose());
  begun.set_cause(run.cause());
  begun.set_started_at_ns(run.started_at_ns());
  *begun.mutable_labels() = run.labels();
  begun.set_boot_id(run.boot_id());
  return begun;
}

}  // namespace torchlap::storage
