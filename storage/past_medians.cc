#include "storage/past_medians.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "storage/run_row.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

constexpr int kMostOfAKind = 2000;

// By the automatic index of run_kind's UNIQUE. 1: OUTCOME_OK, 4: VALIDITY_CONTAMINATED, 1:
// PURPOSE_MEASURE.
constexpr char kKinds[] =
    "SELECT id FROM run_kind WHERE asked_workload_id = ?1 AND timing = ?2 AND outcome = 1 "
    "AND validity <> 4 AND purpose = 1 "
    "AND (?3 = '' OR owner_id IN (SELECT id FROM principal WHERE principal = ?3))";

constexpr char kOfKind[] =
    "SELECT started_at_ns, step_median_ns, forward_median_ns, loss_median_ns, backward_median_ns, "
    "optimizer_median_ns, series FROM run INDEXED BY run_by_kind WHERE kind_id = ? "
    "AND started_at_ns < ? AND invalid_reason IS NULL ORDER BY started_at_ns DESC LIMIT ?";
constexpr int kSeriesColumn = 6;

constexpr std::array<v1::Phase, 5> kInOrder = {v1::PHASE_UNSPECIFIED, v1::PHASE_FORWARD,
                                               v1::PHASE_LOSS, v1::PHASE_BACKWARD,
                                               v1::PHASE_OPTIMIZER};

struct PastRun {
  int64_t started_at_ns = 0;
  std::array<std::optional<double>, kInOrder.size()> medians_ns;
};

PastRun RunOf(const Query& row) {
  PastRun run;
  run.started_at_ns = row.Int(0);
  for (size_t i = 0; i < kInOrder.size(); ++i) {
    const int column = static_cast<int>(i) + 1;
    if (!row.IsNull(column) && row.Real(column) > 0) run.medians_ns[i] = row.Real(column);
  }
  return run;
}

struct Series {
  int64_t id = 0;
  int64_t asked_workload = 0;
  int64_t timing = 0;
};

std::optional<Series> SeriesOf(SQLite::Database& database, const std::string& run_id) {
  const std::optional<RunKey> key = ParseRunId(run_id);
  if (!key) return std::nullopt;
  Query query(database,
              "SELECT series, asked_workload_id, ifnull(timing, 0) FROM run INDEXED BY run_by_job "
              "WHERE job_id = ? AND number = ?",
              key->job_id, key->number);
  if (!query.Step() || query.IsNull(0)) return std::nullopt;
  return Series{query.Int(0), query.Int(1), query.Int(2)};
}

void AppendOfKind(SQLite::Database& database, int64_t kind, const Series& series, int64_t before_ns,
                  std::vector<PastRun>* runs) {
  Query query(database, kOfKind, kind, before_ns, kMostOfAKind);
  const size_t enough = runs->size() + kMostPastLaunches;
  while (runs->size() < enough && query.Step()) {
    if (query.Int(kSeriesColumn) == series.id) runs->push_back(RunOf(query));
  }
}

std::vector<PastRun> RunsBefore(SQLite::Database& database, const Series& series, int64_t before_ns,
                                const std::string& only_owner) {
  std::vector<PastRun> runs;
  Query kinds(database, kKinds, series.asked_workload, series.timing, only_owner);
  while (kinds.Step()) AppendOfKind(database, kinds.Int(0), series, before_ns, &runs);
  std::sort(runs.begin(), runs.end(),
            [](const PastRun& a, const PastRun& b) { return a.started_at_ns > b.started_at_ns; });
  if (runs.size() > kMostPastLaunches) runs.resize(kMostPastLaunches);
  return runs;
}

}  // namespace

absl::StatusOr<PastMedians> ReadPastMedians(const Database& database, const std::string& run_id,
                                            int64_t before_ns, const std::string& only_owner) {
  PastMedians past;
  absl::Status status = database.Read([&](SQLite::Database& connection) {
    const std::optional<Series> series = SeriesOf(connection, run_id);
    if (!series) return absl::OkStatus();
    for (const PastRun& run : RunsBefore(connection, *series, before_ns, only_owner)) {
      for (size_t i = 0; i < kInOrder.size(); ++i) {
        if (run.medians_ns[i]) past[kInOrder[i]].push_back(*run.medians_ns[i]);
      }
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return past;
}

}  // namespace torchlap::storage
