#include "storage/run_row.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <variant>

#include "proto/column_tree.h"
#include "proto/words.h"
#include "storage/id_list.h"
#include "storage/job_row.h"
#include "storage/missing_row.h"
#include "storage/row_damage.h"
#include "storage/sqlite_status.h"
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

void Set(Message* message, const google::protobuf::Reflection& reflection,
         const FieldDescriptor* field, SqliteValue value) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.SetString(message, field, std::string(value.Text()));
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.SetEnumValue(message, field, static_cast<int>(value.Int()));
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.SetInt32(message, field, static_cast<int32_t>(value.Int()));
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.SetInt64(message, field, value.Int());
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(message, field, static_cast<uint32_t>(value.Int()));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.SetUInt64(message, field, static_cast<uint64_t>(value.Int()));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.SetDouble(message, field, value.Real());
    default:
      throw SQLite::Exception("column type that run_row.cc does not know: " + field->full_name());
  }
}

// In the order of RunPlaceInRow.
std::string SelectRuns(const std::string& condition, RunParts parts = RunParts::kAll) {
  static const std::string columns =
      absl::StrJoin(ScalarColumns(), ", ",
                    [](std::string* out, const RunColumn* c) { out->append(c->stored_name); });
  // A table that nothing is read of is not looked into.
  const char* assessment = parts == RunParts::kAll ? "assessment" : "NULL";
  return absl::StrCat("SELECT number, boot_id, spec, ", assessment,
                      ", calibration, workload_kind, job_id, id, ", columns, " FROM run_row WHERE ",
                      condition);
}

void Parse(std::string_view bytes, const char* column, Message* message) {
  if (message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  throw Damage(absl::StrCat(column, " is not a ", message->GetTypeName()));
}

// The messages of one run, each made when the first of its columns is not NULL.
class RunMessages {
 public:
  struct Known {
    Message* message = nullptr;
    const google::protobuf::Reflection* reflection = nullptr;
  };

  RunMessages(const ColumnTree& tree, v1::Run* run) : tree_(tree) {
    if (tree.nodes.size() > known_.size()) throw SQLite::Exception("a run has too many messages");
    known_[0] = {run, run->GetReflection()};
  }

  const Known& At(size_t node) {
    Known& known = known_[node];
    if (known.message != nullptr) return known;
    const Known& parent = At(tree_.nodes[node].parent);
    known.message = parent.reflection->MutableMessage(parent.message, tree_.nodes[node].field);
    known.reflection = known.message->GetReflection();
    return known;
  }

 private:
  const ColumnTree& tree_;
  std::array<Known, 32> known_{};
};

void SetColumns(const Query& row, v1::Run* run) {
  RunMessages messages(ScalarColumnTree(), run);
  int index = kFirstRunColumn;
  for (const ColumnTree::Column& column : ScalarColumnTree().columns) {
    const SqliteValue value = row.Value(index++);
    if (value.IsNull()) continue;
    const RunMessages::Known& place = messages.At(column.node);
    Set(place.message, *place.reflection, column.field, value);
  }
}

void ReadRow(const Query& row, v1::Run* run) {
  run->set_number(static_cast<uint32_t>(row.Int(kRunNumber)));
  run->set_boot_id(row.Text(kRunBootId));
  // Also what is no column of the plan.
  v1::JobSpec spec;
  Parse(row.TextView(kRunSpec), "job.spec", &spec);
  run->mutable_plan()->Swap(spec.mutable_plan());
  if (!row.IsNull(kRunAssessment)) {
    Parse(row.TextView(kRunAssessment), "assessment.message", run->mutable_assessment());
  }
  if (!row.IsNull(kRunCalibration)) {
    Parse(row.TextView(kRunCalibration), "calibration.message", run->mutable_calibration());
  }
  SetColumns(row, run);
  if (row.Int(kRunWorkloadKind) == v1::Workload::kCalibration) {
    *run->mutable_workload()->mutable_calibration() = spec.workload().calibration();
  }
}

constexpr char kLabelsOf[] = "SELECT k, v FROM label WHERE job_id = ?";

void TakeLabels(Query* labels, v1::Run* run) {
  while (labels->Step()) (*run->mutable_labels())[labels->Text(0)] = labels->Text(1);
}

template <typename... Values>
std::vector<v1::Run> LoadRuns(SQLite::Database& database, const std::string& condition,
                              const Values&... values) {
  std::vector<v1::Run> runs;
  Query query(database, SelectRuns(condition), values...);
  while (query.Step()) {
    ReadRow(query, &runs.emplace_back());
    Query labels(database, kLabelsOf, runs.back().job_id());
    TakeLabels(&labels, &runs.back());
  }
  return runs;
}

// Of a run whose number the database gave.
absl::Status WhyListedIsNotThere(SQLite::Database& database, int64_t id) {
  return MustBeThere(WhyNoRun(database, id), "run", absl::StrCat(id), "an index");
}

}  // namespace

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

const ColumnTree& ScalarColumnTree() {
  static const ColumnTree tree = TreeOf(ScalarColumns());
  return tree;
}

const std::string& SelectRunsById(RunParts parts) {
  static const std::string listed = absl::StrCat("id IN (", kListed, ")");
  static const std::string all = SelectRuns(listed);
  static const std::string without_assessment = SelectRuns(listed, RunParts::kWithoutAssessment);
  return parts == RunParts::kAll ? all : without_assessment;
}

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

absl::StatusOr<v1::Run> LoadRun(SQLite::Database& database, int64_t id) {
  std::vector<v1::Run> runs = LoadRuns(database, "id = ?", id);
  if (runs.empty()) return WhyListedIsNotThere(database, id);
  return std::move(runs.front());
}

absl::Status AppendRunsById(SQLite::Database& database, const std::vector<int64_t>& ids,
                            RunRows* rows, uint64_t* unreadable) {
  static const std::string select = SelectRuns("id = ?");
  Query query(database, select);
  Query labels(database, kLabelsOf);
  const auto append = [&](int64_t id) -> absl::Status {
    query.Restart(id);
    if (!query.Step()) return WhyListedIsNotThere(database, id);
    v1::Run run;
    ReadRow(query, &run);
    labels.Restart(run.job_id());
    TakeLabels(&labels, &run);
    *rows->Add() = std::move(run);
    return absl::OkStatus();
  };
  for (const int64_t id : ids) {
    absl::Status status = CountingDamage([&] { return append(id); }, unreadable);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Run> WithoutRun(SQLite::Database& database, uint64_t job_id) {
  const absl::StatusOr<v1::Job> job = LoadJob(database, job_id);
  if (!job.ok()) return job.status();
  v1::Run run;
  run.set_job_id(job_id);
  run.set_sweep_id(job->sweep_id());
  run.set_sweep_name(job->sweep_name());
  run.set_user(job->user());
  run.set_device(job->device());
  *run.mutable_workload() = job->spec().workload();
  run.set_parameters(job->parameters());
  const v1::TransformerLm& model = job->spec().workload().transformer_lm();
  run.set_requested_batch_size(model.batch_size());
  run.set_requested_context_length(model.context_length());
  *run.mutable_plan() = job->spec().plan();
  run.set_purpose(job->spec().purpose());
  *run.mutable_labels() = job->spec().labels();
  run.set_job_state(job->state());
  if (!job->reason().empty()) run.mutable_failure()->set_detail(job->reason());
  return run;
}

absl::StatusOr<v1::Run> LoadRun(SQLite::Database& database, const RunKey& key) {
  std::vector<v1::Run> runs =
      LoadRuns(database, "job_id = ? AND number = ?", key.job_id, key.number);
  if (runs.empty()) return WhyNoRun(database, key.job_id, key.number);
  return std::move(runs.front());
}

absl::StatusOr<std::vector<v1::Run>> LoadRunsOfJob(SQLite::Database& database, uint64_t job_id) {
  if (absl::Status status = CheckRunsOfJob(database, job_id); !status.ok()) return status;
  return LoadRuns(database, "job_id = ? ORDER BY number", job_id);
}

absl::Status CheckRunsOfJob(SQLite::Database& database, uint64_t job_id) {
  const std::optional<int64_t> unreadable =
      SelectInt(database,
                "SELECT id FROM run WHERE job_id = ?1 "
                "AND id NOT IN (SELECT id FROM run_row WHERE job_id = ?1) LIMIT 1",
                job_id);
  return unreadable ? WhyNoRun(database, *unreadable) : absl::OkStatus();
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
