#include "storage/run_encoder.h"

#include <SQLiteCpp/Exception.h>
#include <absl/strings/str_cat.h>

#include <array>
#include <bit>
#include <string_view>

#include "storage/id_list.h"
#include "storage/run_row.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::storage {
namespace {

using google::protobuf::FieldDescriptor;

// https://protobuf.dev/programming-guides/encoding
enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

void AppendVarint(uint64_t value, std::string* bytes) {
  while (value >= 0x80) {
    *bytes += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *bytes += static_cast<char>(value);
}

void AppendTag(int field, WireType type, std::string* bytes) {
  AppendVarint(static_cast<uint32_t>(field) << 3 | type, bytes);
}

void AppendBytes(int field, std::string_view content, std::string* bytes) {
  AppendTag(field, kLengthDelimited, bytes);
  AppendVarint(content.size(), bytes);
  bytes->append(content);
}

void AppendDouble(int field, double value, std::string* bytes) {
  static_assert(std::endian::native == std::endian::little);
  const auto parts = std::bit_cast<std::array<char, sizeof(value)>>(value);
  AppendTag(field, kFixed64, bytes);
  bytes->append(parts.data(), parts.size());
}

// Negative numbers are written with all their bits, also those of 32.
void AppendInteger(int field, int64_t value, std::string* bytes) {
  AppendTag(field, kVarint, bytes);
  AppendVarint(static_cast<uint64_t>(value), bytes);
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

// Where each column goes.
struct Layout {
  struct Column {
    const FieldDescriptor* field;
    size_t node;
  };
  ColumnTree tree = TreeOf(ScalarColumns());
  std::vector<Column> columns;
  size_t plan = NodeOf(v1::Run::kPlanFieldNumber);
  size_t workload = NodeOf(v1::Run::kWorkloadFieldNumber);

  Layout() {
    for (size_t i = 0; i < ScalarColumns().size(); ++i) {
      columns.push_back({ScalarColumns()[i]->path.back(), tree.node_of_column[i]});
    }
  }

  // Of a message right in the run.
  size_t NodeOf(int field) const {
    for (size_t i = 1; i < tree.nodes.size(); ++i) {
      if (tree.nodes[i].parent == 0 && tree.nodes[i].field->number() == field) return i;
    }
    throw SQLite::Exception(absl::StrCat("field ", field, " of a run has no columns"));
  }
};

const Layout& TheLayout() {
  static const Layout layout;
  return layout;
}

uint64_t TakeVarint(std::string_view* bytes) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes->front());
    bytes->remove_prefix(1);
    value |= uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
  throw SQLite::Exception("job.spec is not a torchlap.v1.JobSpec");
}

std::string_view TakeBytes(uint64_t size, std::string_view* bytes) {
  if (size > bytes->size()) throw SQLite::Exception("job.spec is not a torchlap.v1.JobSpec");
  const std::string_view taken = bytes->substr(0, size);
  bytes->remove_prefix(size);
  return taken;
}

// The content of a field of that type; empty for a varint.
std::string_view TakeContent(uint64_t type, std::string_view* bytes) {
  switch (type) {
    case kVarint:
      TakeVarint(bytes);
      return {};
    case kFixed64:
      return TakeBytes(8, bytes);
    case kFixed32:
      return TakeBytes(4, bytes);
    case kLengthDelimited: {
      const uint64_t size = TakeVarint(bytes);
      return TakeBytes(size, bytes);
    }
    default:
      throw SQLite::Exception("job.spec is not a torchlap.v1.JobSpec");
  }
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

RunEncoder::RunEncoder(SQLite::Database& database)
    : database_(database), messages_(TheLayout().tree.nodes.size()) {}

void RunEncoder::Append(const RowsById& rows) {
  std::vector<int64_t> ids;
  for (const auto& [id, bytes] : rows) ids.push_back(id);
  RowsOfJobs rows_of_jobs;
  Query query(database_, SelectRunsById(), IdList(ids));
  while (query.Step()) {
    std::string* bytes = rows.at(query.Int(kRunRowId));
    Encode(query, bytes);
    rows_of_jobs[query.Int(kRunJobId)].push_back(bytes);
  }
  AppendLabels(database_, rows_of_jobs);
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
    AppendBytes(v1::Run::kAssessmentFieldNumber, row.TextView(kRunAssessment), run);
  }
  if (!row.IsNull(kRunCalibration)) {
    AppendBytes(v1::Run::kCalibrationFieldNumber, row.TextView(kRunCalibration), run);
  }
  Close(bytes);
}

// What of the spec is no column; columns come behind it, so that they win. The workload is that of
// the run, but for a calibration, which has no columns.
void RunEncoder::AppendSpec(const Query& row) {
  const Layout& layout = TheLayout();
  const bool is_calibration = row.Int(kRunWorkloadKind) == v1::Workload::kCalibration;
  std::string_view spec = row.TextView(kRunSpec);
  while (!spec.empty()) {
    const uint64_t tag = TakeVarint(&spec);
    const std::string_view content = TakeContent(tag & 7, &spec);
    if (tag >> 3 == v1::JobSpec::kPlanFieldNumber) {
      messages_[layout.plan].append(content);
    } else if (is_calibration && tag >> 3 == v1::JobSpec::kWorkloadFieldNumber) {
      messages_[layout.workload].append(content);
    }
  }
}

void RunEncoder::AppendColumns(const Query& row) {
  int index = kFirstRunColumn;
  for (const Layout::Column& column : TheLayout().columns) {
    const SqliteValue value = row.Value(index++);
    if (!value.IsNull()) AppendValue(*column.field, value, &messages_[column.node]);
  }
}

// A node comes behind the one around it.
void RunEncoder::Close(std::string* bytes) {
  const ColumnTree& tree = TheLayout().tree;
  for (size_t i = tree.nodes.size() - 1; i > 0; --i) {
    if (messages_[i].empty()) continue;
    AppendBytes(tree.nodes[i].field->number(), messages_[i], &messages_[tree.nodes[i].parent]);
  }
  bytes->append(messages_.front());
}

}  // namespace torchlap::storage
