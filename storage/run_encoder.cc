#include "storage/run_encoder.h"

#include <SQLiteCpp/Exception.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <array>
#include <string_view>

#include "storage/id_list.h"
#include "storage/row_damage.h"
#include "storage/sqlite_status.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::storage {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

constexpr size_t kLongestVarint = 10;

void AppendBytes(int field, std::string_view content, std::string* bytes) {
  std::array<uint8_t, 2 * kLongestVarint> head;
  uint8_t* end = WireFormatLite::WriteTagToArray(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED,
                                                 head.data());
  end = CodedOutputStream::WriteVarint64ToArray(content.size(), end);
  bytes->append(head.data(), end);
  bytes->append(content);
}

void AppendDouble(int field, double value, std::string* bytes) {
  std::array<uint8_t, kLongestVarint + sizeof value> number;
  bytes->append(number.data(), WireFormatLite::WriteDoubleToArray(field, value, number.data()));
}

// Negative numbers are written with all their bits, also those of 32.
void AppendInteger(int field, int64_t value, std::string* bytes) {
  std::array<uint8_t, 2 * kLongestVarint> number;
  bytes->append(number.data(), WireFormatLite::WriteInt64ToArray(field, value, number.data()));
}

void AppendValue(const FieldDescriptor& field, SqliteValue value, std::string* bytes) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_STRING:
      return AppendBytes(field.number(), value.Text(), bytes);
    case FieldDescriptor::TYPE_DOUBLE:
      return AppendDouble(field.number(), value.Real(), bytes);
    case FieldDescriptor::TYPE_ENUM:
    case FieldDescriptor::TYPE_INT32:
    case FieldDescriptor::TYPE_INT64:
    case FieldDescriptor::TYPE_UINT32:
    case FieldDescriptor::TYPE_UINT64:
      return AppendInteger(field.number(), value.Int(), bytes);
    default:
      throw SQLite::Exception("column type that run_encoder.cc does not know: " +
                              field.full_name());
  }
}

// The node of a message right in the run.
size_t NodeOf(int field) {
  const std::vector<ColumnTree::Node>& nodes = ScalarColumnTree().nodes;
  for (size_t i = 1; i < nodes.size(); ++i) {
    if (nodes[i].parent == 0 && nodes[i].field->number() == field) return i;
  }
  throw SQLite::Exception(absl::StrCat("field ", field, " of a run has no columns"));
}

// Calls `body` with the number and the content of each message or string in `message`.
template <typename Body>
void ForEachPart(std::string_view message, const Body& body) {
  CodedInputStream input(reinterpret_cast<const uint8_t*>(message.data()),
                         static_cast<int>(message.size()));
  while (const uint32_t tag = input.ReadTag()) {
    uint32_t size = 0;
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&input, tag)) break;
    } else if (input.ReadVarint32(&size)) {
      const auto begin = static_cast<size_t>(input.CurrentPosition());
      if (!input.Skip(static_cast<int>(size))) break;
      body(WireFormatLite::GetTagFieldNumber(tag), message.substr(begin, size));
    }
  }
  if (input.ConsumedEntireMessage()) return;
  throw Damage("job.spec is not a torchlap.v1.JobSpec");
}

// A reader whom one message cannot be parsed for loses all that came with it.
void CheckIs(std::string_view bytes, const char* column, google::protobuf::Message* scratch) {
  if (scratch->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  throw Damage(absl::StrCat(column, " is not a ", scratch->GetTypeName()));
}

// A map is a list of messages with key and value.
void AppendLabel(std::string_view key, std::string_view value, std::string* run) {
  constexpr int kKey = 1;
  constexpr int kValue = 2;
  std::string entry;
  AppendBytes(kKey, key, &entry);
  AppendBytes(kValue, value, &entry);
  AppendBytes(v1::Run::kLabelsFieldNumber, entry, run);
}

using RowsOfJobs = std::map<int64_t, std::vector<std::string*>>;

// Labels belong to the job, and go to each of its runs.
void AppendLabels(SQLite::Database& database, const RowsOfJobs& rows) {
  static const std::string select =
      absl::StrCat("SELECT job_id, k, v FROM label WHERE job_id IN (", kListed, ")");
  std::vector<int64_t> jobs;
  for (const auto& [job, of_job] : rows) jobs.push_back(job);
  Query labels(database, select, IdList(jobs));
  while (labels.Step()) {
    for (std::string* bytes : rows.at(labels.Int(0))) {
      AppendLabel(labels.TextView(1), labels.TextView(2), bytes);
    }
  }
}

}  // namespace

RunEncoder::RunEncoder(SQLite::Database& database, RunParts parts)
    : database_(database), parts_(parts), messages_(ScalarColumnTree().nodes.size()) {}

absl::Status RunEncoder::Append(const RowsById& rows) {
  std::vector<int64_t> ids;
  for (const auto& [id, bytes] : rows) ids.push_back(id);
  RowsOfJobs rows_of_jobs;
  Query query(database_, SelectRunsById(parts_), IdList(ids));
  while (query.Step()) {
    std::string* bytes = rows.at(query.Int(kRunRowId));
    const auto encode = [&] {
      Encode(query, bytes);
      return absl::OkStatus();
    };
    uint64_t damaged = 0;
    if (absl::Status status = CountingDamage(encode, &damaged); !status.ok()) return status;
    if (damaged == 0) rows_of_jobs[query.Int(kRunJobId)].push_back(bytes);
  }
  AppendLabels(database_, rows_of_jobs);
  return absl::OkStatus();
}

void RunEncoder::Encode(const Query& row, std::string* bytes) {
  for (std::string& message : messages_) message.clear();
  AppendSpec(row);
  AppendColumns(row);
  std::string* run = &messages_.front();
  AppendInteger(v1::Run::kNumberFieldNumber, row.Int(kRunNumber), run);
  AppendBytes(v1::Run::kBootIdFieldNumber, row.TextView(kRunBootId), run);
  // They are stored as they are sent.
  if (!row.IsNull(kRunAssessment)) {
    CheckIs(row.TextView(kRunAssessment), "assessment.message", scratch_.mutable_assessment());
    AppendBytes(v1::Run::kAssessmentFieldNumber, row.TextView(kRunAssessment), run);
  }
  if (!row.IsNull(kRunCalibration)) {
    CheckIs(row.TextView(kRunCalibration), "calibration.message", scratch_.mutable_calibration());
    AppendBytes(v1::Run::kCalibrationFieldNumber, row.TextView(kRunCalibration), run);
  }
  Close(bytes);
}

// What of the spec is no column; columns come behind it, so that they win. The workload is that of
// the run, but for a calibration, which has no columns.
void RunEncoder::AppendSpec(const Query& row) {
  static const size_t plan = NodeOf(v1::Run::kPlanFieldNumber);
  static const size_t workload = NodeOf(v1::Run::kWorkloadFieldNumber);
  const bool is_calibration = row.Int(kRunWorkloadKind) == v1::Workload::kCalibration;
  ForEachPart(row.TextView(kRunSpec), [&](int field, std::string_view content) {
    if (field == v1::JobSpec::kPlanFieldNumber) {
      if (content != checked_plan_) {
        CheckIs(content, "job.spec.plan", scratch_.mutable_plan());
        checked_plan_ = content;
      }
      messages_[plan].append(content);
    }
    if (is_calibration && field == v1::JobSpec::kWorkloadFieldNumber) {
      CheckIs(content, "job.spec.workload", scratch_.mutable_workload());
      messages_[workload].append(content);
    }
  });
}

void RunEncoder::AppendColumns(const Query& row) {
  int index = kFirstRunColumn;
  for (const ColumnTree::Column& column : ScalarColumnTree().columns) {
    const SqliteValue value = row.Value(index++);
    if (!value.IsNull()) AppendValue(*column.field, value, &messages_[column.node]);
  }
}

// A node comes behind the one around it.
void RunEncoder::Close(std::string* bytes) {
  const ColumnTree& tree = ScalarColumnTree();
  for (size_t i = tree.nodes.size() - 1; i > 0; --i) {
    if (messages_[i].empty()) continue;
    AppendBytes(tree.nodes[i].field->number(), messages_[i], &messages_[tree.nodes[i].parent]);
  }
  bytes->append(messages_.front());
}

}  // namespace torchlap::storage
