#include "storage/run_store.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "storage/filter_limits.h"
#include "storage/own_fault.h"
#include "storage/row_damage.h"
#include "storage/run_encoder.h"
#include "storage/run_query.h"
#include "storage/run_row.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_status.h"
#include "storage/visibility.h"

namespace torchlap::storage {
namespace {

// Rows of one short read transaction, and of one message of an export.
constexpr uint32_t kExportBatch = 500;
constexpr uint32_t kMostPerPage = 1000;

absl::Status BadRunId(const std::string& run_id) {
  return absl::InvalidArgumentError(
      absl::StrCat("run id is '", run_id, "', must be <job>.<n>, as 17.2"));
}

absl::Status NoRun(const std::string& run_id) {
  return absl::NotFoundError(absl::StrCat("there is no run ", run_id));
}

// `<start of the last run>.<its id>`.
std::string TokenOf(const RunPlace& last) { return absl::StrCat(last.started_at_ns, ".", last.id); }

absl::StatusOr<std::optional<RunPlace>> ParseToken(const std::string& token) {
  if (token.empty()) return std::nullopt;
  RunPlace place;
  const size_t dot = token.find('.');
  if (dot == std::string::npos || !absl::SimpleAtoi(token.substr(0, dot), &place.started_at_ns) ||
      !absl::SimpleAtoi(token.substr(dot + 1), &place.id) || TokenOf(place) != token) {
    return absl::InvalidArgumentError(absl::StrCat(
        "page_token is '", token, "', must be the next_page_token of an earlier answer"));
  }
  return place;
}

// A place may stand for a job without a finished run.
absl::Status LoadRows(SQLite::Database& database, const std::vector<RunPlace>& places,
                      RunRows* rows, uint64_t* unreadable) {
  rows->Reserve(static_cast<int>(places.size()));
  std::vector<int64_t> ids;
  for (const RunPlace& place : places) {
    if (place.id != 0) {
      ids.push_back(place.id);
      continue;
    }
    absl::Status before = AppendRunsById(database, ids, rows, unreadable);
    if (!before.ok()) return before;
    ids.clear();
    const auto append = [&]() -> absl::Status {
      absl::StatusOr<v1::Run> row = WithoutRun(database, place.job_id);
      if (!row.ok()) return row.status();
      *rows->Add() = *std::move(row);
      return absl::OkStatus();
    };
    if (absl::Status status = CountingDamage(append, unreadable); !status.ok()) return status;
  }
  return AppendRunsById(database, ids, rows, unreadable);
}

// Takes out rows that could not be encoded, and returns how many.
uint64_t RemoveEmptyRows(google::protobuf::UnknownFieldSet* rows) {
  uint64_t removed = 0;
  for (int i = rows->field_count() - 1; i >= 0; --i) {
    if (!rows->field(i).length_delimited().empty()) continue;
    rows->DeleteSubrange(i, 1);
    ++removed;
  }
  return removed;
}

// Protobuf writes fields that it does not know as they came: rows that are encoded already go out
// as those that it encodes itself.
absl::Status EncodeRows(SQLite::Database& database, const std::vector<RunPlace>& places,
                        RunParts parts, v1::ExportRunsResponse* message, uint64_t* unreadable) {
  auto* fields = message->GetReflection()->MutableUnknownFields(message);
  RowsById rows;
  for (const RunPlace& place : places) {
    std::string* row = fields->AddLengthDelimited(v1::ExportRunsResponse::kRowsFieldNumber);
    if (place.id != 0) {
      rows.emplace(place.id, row);
      continue;
    }
    uint64_t damaged = 0;  // it leaves its row empty
    const auto encode = [&] {
      const absl::StatusOr<v1::Run> without = WithoutRun(database, place.job_id);
      if (without.ok()) without->AppendToString(row);
      return without.status();
    };
    if (absl::Status status = CountingDamage(encode, &damaged); !status.ok()) return status;
  }
  if (absl::Status status = RunEncoder(database, parts).Append(rows); !status.ok()) return status;
  const uint64_t removed = RemoveEmptyRows(fields);
  message->set_unreadable_rows(removed);
  *unreadable += removed;
  return absl::OkStatus();
}

// run.id, by the run's name.
absl::StatusOr<int64_t> Find(SQLite::Database& database, const std::string& run_id) {
  const std::optional<RunKey> key = ParseRunId(run_id);
  if (!key) return BadRunId(run_id);
  const auto id = SelectInt(database, "SELECT id FROM run WHERE job_id = ? AND number = ?",
                            key->job_id, key->number);
  if (!id) return NoRun(run_id);
  return *id;
}

void ReadEnvironment(SQLite::Database& database, int64_t run, v1::RunDetail* detail) {
  Query query(database,
              "SELECT message FROM run JOIN environment ON environment.id = run.environment "
              "WHERE run.id = ?",
              run);
  if (query.Step() && !detail->mutable_environment()->ParseFromString(query.Text(0))) {
    throw Damage("environment.message is not an Environment");
  }
}

void ReadReadings(SQLite::Database& database, int64_t run, v1::RunDetail* detail) {
  Query query(database,
              "SELECT load_average, temperature_celsius, message FROM reading WHERE run_id = ?",
              run);
  if (!query.Step()) return;
  v1::Readings* readings = detail->mutable_readings();
  if (!query.IsNull(2)) {
    if (readings->ParseFromString(query.Text(2))) return;
    throw Damage("reading.message is not a Readings");
  }
  // A row of schema 1.
  if (!query.IsNull(0)) readings->set_load_average(query.Real(0));
  if (!query.IsNull(1)) readings->set_temperature_celsius(query.Real(1));
}

void ReadSamples(SQLite::Database& database, int64_t run, v1::SampleBlock* samples) {
  Query query(database, "SELECT steps, format FROM sample WHERE run_id = ?", run);
  if (!query.Step()) return;
  if (query.Int(1) != 1 || !samples->ParseFromString(query.Text(0))) {
    throw Damage("sample.steps is not of a format that this program knows");
  }
}

// The newest three runs of each workload, so that a long history costs no more than a short one.
constexpr char kBestSibling[] =
    "SELECT job_id || '.' || number, flops_per_s FROM run WHERE id IN ("
    "  SELECT recent.id FROM workload JOIN run AS recent ON recent.id IN ("
    "    SELECT id FROM run WHERE asked_workload_id = workload.id AND outcome = 1 "
    "    AND invalid_reason IS NULL AND actual_measure_steps >= ? AND (? = 0 OR owner_id = ?) "
    "    ORDER BY started_at_ns DESC LIMIT 3) "
    "  WHERE workload.pass_type = ? AND workload.precision = ? AND workload.attention = ? "
    "  AND ifnull(workload.optimizer, 0) = ?) "
    "AND device_id IN (SELECT id FROM device WHERE uuid = ?) AND timing = ? AND purpose = 1 "
    "AND flops_per_s * step_mean_ns <= ? ORDER BY flops_per_s DESC LIMIT 1";

// What it goes on with: kOwnFaultSql and the order.
constexpr char kFitRuns[] =
    "SELECT run.job_id || '.' || run.number, run.outcome, run.batch_size, run.context_length "
    "FROM run JOIN device ON device.id = run.device_id "
    "JOIN workload AS asked ON asked.id = run.asked_workload_id "
    "WHERE device.uuid = ? AND run.purpose = 3 AND run.outcome IN (1, 2) "
    "AND run.invalid_reason IS NULL "
    "AND (? = 0 OR run.owner_id = ?) AND asked.vocab_size = ? AND asked.d_model = ? "
    "AND asked.d_ff = ? AND asked.layers = ? AND asked.heads = ? AND asked.pass_type = ? "
    "AND asked.precision = ? AND asked.attention = ? AND ifnull(asked.optimizer, 0) = ? "
    "AND run.batch_size <= ? AND run.context_length <= ? AND ";

void TakeFitRun(const Query& row, RunStore::Frontier* frontier) {
  const auto batch_size = static_cast<uint32_t>(row.Int(2));
  const auto context_length = static_cast<uint32_t>(row.Int(3));
  if (row.Int(1) == v1::OUTCOME_OUT_OF_MEMORY) {
    frontier->too_big_run_id = row.Text(0);
    frontier->too_big_batch_size = batch_size;
    frontier->too_big_context_length = context_length;
    return;
  }
  const uint64_t tokens = uint64_t{batch_size} * context_length;
  if (tokens < uint64_t{frontier->batch_size} * frontier->context_length) return;
  frontier->batch_size = batch_size;
  frontier->context_length = context_length;
}

}  // namespace

RunStore::RunStore(const Database* database, History history)
    : database_(database), history_(history) {}

absl::StatusOr<RunPage> RunStore::List(const v1::RunFilter& filter, const JobFilter& selected,
                                       bool ascending, uint32_t page_size,
                                       const std::string& page_token) const {
  if (absl::Status limits = CheckLimits(filter); !limits.ok()) return limits;
  const absl::StatusOr<std::optional<RunPlace>> after = ParseToken(page_token);
  if (!after.ok()) return after.status();
  const uint32_t size = std::min(page_size, kMostPerPage);
  RunPage page;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    auto labels = StoredLabels(database, filter, selected.only_owner);
    if (!labels.ok()) return labels.status();
    const RunQuery query(database, filter, selected, *std::move(labels));
    std::vector<RunPlace> places = query.ByStart(ascending, *after, size + 1);
    if (places.size() > size) {
      places.resize(size);
      page.next_page_token = TokenOf(places.back());
    }
    return LoadRows(database, places, &page.runs, &page.unreadable);
  });
  if (!status.ok()) return status;
  return page;
}

absl::StatusOr<std::vector<Label>> RunStore::LabelsOf(const v1::RunFilter& filter,
                                                      const JobFilter& selected) const {
  absl::StatusOr<std::vector<Label>> labels = std::vector<Label>();
  if (filter.labels().empty()) return labels;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    labels = StoredLabels(database, filter, selected.only_owner);
    return labels.status();
  });
  if (!status.ok()) return status;
  return labels;
}

template <typename Batch, typename Load>
absl::Status RunStore::ForEachBatch(const v1::RunFilter& filter, const JobFilter& selected,
                                    bool with_unfinished, const Load& load,
                                    const std::function<absl::Status(Batch)>& consume,
                                    uint64_t* unreadable) const {
  if (absl::Status limits = CheckLimits(filter); !limits.ok()) return limits;
  const absl::StatusOr<std::vector<Label>> labels = LabelsOf(filter, selected);
  if (!labels.ok()) return labels.status();
  RunPlace last;
  while (true) {
    std::vector<RunPlace> places;
    Batch batch;
    absl::Status status = database_->Read([&](SQLite::Database& database) {
      places =
          RunQuery(database, filter, selected, *labels).ByJob(last, kExportBatch, with_unfinished);
      return load(database, places, &batch, unreadable);
    });
    if (!status.ok() || places.empty()) return status;
    last = places.back();
    if (absl::Status consumed = consume(std::move(batch)); !consumed.ok()) return consumed;
    if (places.size() < kExportBatch) return absl::OkStatus();
  }
}

absl::Status RunStore::Export(const v1::RunFilter& filter, const JobFilter& selected,
                              bool with_unfinished,
                              const std::function<absl::Status(RunRows)>& consume,
                              uint64_t* unreadable) const {
  uint64_t not_told = 0;
  return ForEachBatch<RunRows>(filter, selected, with_unfinished, LoadRows, consume,
                               unreadable == nullptr ? &not_told : unreadable);
}

absl::Status RunStore::ExportEncoded(
    const v1::RunFilter& filter, const JobFilter& selected, bool with_unfinished, RunParts parts,
    const std::function<absl::Status(v1::ExportRunsResponse)>& consume) const {
  uint64_t in_all = 0;  // each message has its own
  const auto encode = [parts](SQLite::Database& database, const std::vector<RunPlace>& places,
                              v1::ExportRunsResponse* message, uint64_t* unreadable) {
    return EncodeRows(database, places, parts, message, unreadable);
  };
  return ForEachBatch<v1::ExportRunsResponse>(filter, selected, with_unfinished, encode, consume,
                                              &in_all);
}

absl::StatusOr<v1::RunDetail> RunStore::Get(const std::string& run_id) const {
  v1::RunDetail detail;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    const absl::StatusOr<int64_t> id = Find(database, run_id);
    if (!id.ok()) return id.status();
    absl::StatusOr<v1::Run> run = LoadRun(database, *id);
    if (!run.ok()) return run.status();
    *detail.mutable_run() = *std::move(run);
    ReadEnvironment(database, *id, &detail);
    ReadReadings(database, *id, &detail);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return detail;
}

absl::Status RunStore::CheckMaySee(const std::string& run_id, const Caller& caller) const {
  return database_->Read(
      [&](SQLite::Database& database) { return CheckMaySeeRun(database, run_id, caller); });
}

int64_t RunStore::OwnerToCompareWith(SQLite::Database& database, const v1::Run& run) const {
  constexpr int64_t kNobody = -1;
  if (history_ == History::kEverybodys) return 0;
  const std::optional<RunKey> key = ParseRunId(run.run_id());
  if (!key) return kNobody;
  return SelectInt(database, "SELECT owner_id FROM run WHERE job_id = ? AND number = ?",
                   key->job_id, key->number)
      .value_or(kNobody);
}

absl::StatusOr<std::optional<v1::Run>> RunStore::LatestCalibration(
    const std::string& device_uuid) const {
  std::optional<v1::Run> found;
  absl::Status status = database_->Read([&](SQLite::Database& database) -> absl::Status {
    const std::optional<int64_t> id =
        SelectInt(database,
                  "SELECT max(calibration.run_id) FROM calibration "
                  "JOIN device ON device.id = calibration.device_id "
                  "JOIN run ON run.id = calibration.run_id "
                  "WHERE device.uuid = ? AND run.validity IS NOT ? "
                  "AND run.invalid_reason IS NULL",
                  device_uuid, static_cast<int>(v1::VALIDITY_CONTAMINATED));
    if (!id) return absl::OkStatus();
    absl::StatusOr<v1::Run> run = LoadRun(database, *id);
    if (!run.ok()) return run.status();
    found = *std::move(run);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return found;
}

absl::StatusOr<std::optional<int64_t>> RunStore::LatestCanaryNs(
    const std::string& device_uuid) const {
  std::optional<int64_t> began_ns;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    // A device has a row for each name and model that it had. The partial index is used only where
    // its own condition is said; and SQLite forgets that a purpose is a single one beside `> 1`,
    // unless it is said as a range.
    Query newest(database,
                 "SELECT started_at_ns FROM run WHERE id = (SELECT max(("
                 "SELECT id FROM run AS canary INDEXED BY run_by_purpose "
                 "WHERE device_id = device.id AND purpose BETWEEN ?1 AND ?1 "
                 "AND outcome IS NOT NULL AND purpose > 1 "
                 "ORDER BY purpose DESC, id DESC LIMIT 1)) FROM device WHERE uuid = ?2)",
                 static_cast<int>(v1::PURPOSE_CANARY), device_uuid);
    if (newest.Step()) began_ns = newest.Int(0);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return began_ns;
}

absl::StatusOr<std::optional<RunStore::Sibling>> RunStore::BestSibling(
    const v1::Run& run, uint32_t fewest_steps) const {
  const v1::TransformerLm& model = run.workload().transformer_lm();
  // Rates are rounded; the same FLOPs are no more.
  const double most_flops = run.flops_per_s() * run.step().mean_ns() * (1 + 1e-9);
  std::optional<Sibling> best;
  absl::Status status = database_->Read([&](SQLite::Database& database) -> absl::Status {
    const int64_t owner = OwnerToCompareWith(database, run);
    Query query(database, kBestSibling, fewest_steps, owner, owner, model.pass_type(),
                model.precision(), model.attention(), static_cast<int>(model.optimizer()),
                run.device_uuid(), run.plan().timing(), most_flops);
    if (query.Step() && !query.IsNull(1)) best = Sibling{query.Text(0), query.Real(1)};
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return best;
}

absl::StatusOr<std::optional<RunStore::Frontier>> RunStore::FindFrontier(const v1::Run& run) const {
  const v1::TransformerLm& model = run.workload().transformer_lm();
  Frontier frontier;
  absl::Status status = database_->Read([&](SQLite::Database& database) -> absl::Status {
    const int64_t owner = OwnerToCompareWith(database, run);
    Query query(database, absl::StrCat(kFitRuns, kOwnFaultSql, " ORDER BY run.id"),
                run.device_uuid(), owner, owner, model.vocab_size(), model.d_model(), model.d_ff(),
                model.layers(), model.heads(), model.pass_type(), model.precision(),
                model.attention(), static_cast<int>(model.optimizer()), model.batch_size(),
                model.context_length());
    while (query.Step()) TakeFitRun(query, &frontier);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  if (frontier.too_big_run_id.empty() || frontier.batch_size == 0) return std::nullopt;
  return frontier;
}

absl::StatusOr<v1::SampleBlock> RunStore::Samples(const std::string& run_id) const {
  v1::SampleBlock samples;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    const absl::StatusOr<int64_t> id = Find(database, run_id);
    if (!id.ok()) return id.status();
    ReadSamples(database, *id, &samples);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return samples;
}

}  // namespace torchlap::storage
