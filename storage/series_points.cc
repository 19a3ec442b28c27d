#include "storage/series_points.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "storage/filter_limits.h"
#include "storage/id_list.h"
#include "storage/shown_label.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

std::string MedianColumn(v1::Phase phase) {
  switch (phase) {
    case v1::PHASE_FORWARD:
      return "forward_median_ns";
    case v1::PHASE_LOSS:
      return "loss_median_ns";
    case v1::PHASE_BACKWARD:
      return "backward_median_ns";
    case v1::PHASE_OPTIMIZER:
      return "optimizer_median_ns";
    case v1::PHASE_BUILD:
      return "NULL";
    default:
      return "step_median_ns";
  }
}

std::string SelectPoints(v1::Phase phase) {
  return absl::StrCat("SELECT id, series, job_id || '.' || number, started_at_ns, ",
                      MedianColumn(phase),
                      ", validity, (SELECT environment_hash FROM environment "
                      "WHERE environment.id = run.environment) FROM run WHERE id IN (",
                      kListed, ")");
}

SeriesPoint PointOf(const Query& row) {
  SeriesPoint point;
  point.run = row.Int(0);
  point.series = row.Int(1);
  point.run_id = row.Text(2);
  point.started_at_ns = row.Int(3);
  point.median_ns = row.Real(4);
  point.validity = static_cast<v1::Validity>(row.Int(5));
  point.environment_hash = row.Text(6);
  return point;
}

// Of a run that belongs to no series, or has no time of the phase, there is nothing to show.
bool IsPoint(const Query& row) { return !row.IsNull(1) && !row.IsNull(4) && row.Real(4) > 0; }

absl::Status TooManyPoints() {
  return absl::ResourceExhaustedError(
      absl::StrCat("more than ", kMostPoints, " runs match, must be at most ", kMostPoints,
                   ": narrow them by job, sweep, model size, device, user, label or time"));
}

}  // namespace

OkRuns OkRunsOf(const v1::RunFilter& filter) {
  OkRuns runs{filter, false};
  const auto& outcomes = filter.outcomes();
  runs.nothing = !outcomes.empty() &&
                 std::find(outcomes.begin(), outcomes.end(), v1::OUTCOME_OK) == outcomes.end();
  runs.filter.clear_outcomes();
  runs.filter.add_outcomes(v1::OUTCOME_OK);
  if (runs.filter.purposes().empty()) runs.filter.add_purposes(v1::PURPOSE_MEASURE);
  return runs;
}

SeriesPoints PointsOf(SQLite::Database& database, const std::vector<RunPlace>& places,
                      v1::Phase phase) {
  std::unordered_map<int64_t, std::optional<SeriesPoint>> by_run;
  std::vector<int64_t> ids;
  ids.reserve(places.size());
  for (const RunPlace& place : places) ids.push_back(place.id);
  Query row(database, SelectPoints(phase), IdList(ids));
  while (row.Step()) {
    auto& point = by_run[row.Int(0)];
    if (IsPoint(row)) point = PointOf(row);
  }
  SeriesPoints read;
  for (const RunPlace& place : places) {
    const auto found = by_run.find(place.id);
    if (found == by_run.end()) {
      ++read.unreadable;
    } else if (found->second) {
      read.points.push_back(*std::move(found->second));
    }
  }
  return read;
}

absl::StatusOr<SeriesPoints> ReadSeriesPoints(const Database& database, const v1::RunFilter& filter,
                                              const JobFilter& selected, v1::Phase phase) {
  if (absl::Status limits = CheckLimits(filter); !limits.ok()) return limits;
  SeriesPoints read;
  const OkRuns runs = OkRunsOf(filter);
  if (runs.nothing) return read;
  absl::Status status = database.Read([&](SQLite::Database& connection) {
    auto labels = StoredLabels(connection, runs.filter, selected.only_owner);
    if (!labels.ok()) return labels.status();
    const RunQuery query(connection, runs.filter, selected, *std::move(labels));
    const std::vector<RunPlace> places = query.ByStart(true, std::nullopt, kMostPoints + 1);
    if (places.size() > kMostPoints) return TooManyPoints();
    read = PointsOf(connection, places, phase);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return read;
}

}  // namespace torchlap::storage
