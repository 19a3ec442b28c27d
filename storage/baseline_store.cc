#include "storage/baseline_store.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "storage/filter_limits.h"
#include "storage/id_list.h"
#include "storage/run_query.h"
#include "storage/shown_label.h"
#include "storage/sqlite_connection.h"
#include "storage/stored_once.h"

namespace torchlap::storage {
namespace {

// Runs whose series are looked up in one transaction.
constexpr uint32_t kBatch = 5'000;

absl::Status NoRunsToHoldAgainst() {
  return absl::FailedPreconditionError(
      "none of the chosen runs can be a baseline, must be finished OK runs of a measurement that "
      "were "
      "not declared invalid");
}

absl::Status TooManyRuns() {
  return absl::InvalidArgumentError(
      absl::StrCat("more than ", kMostBaselineRuns, " runs are chosen, must be at most ",
                   kMostBaselineRuns, ": narrow them by job, sweep, model size, label or time"));
}

std::optional<int64_t> OwnerId(SQLite::Database& database, const Caller& caller) {
  return SelectInt(database, "SELECT id FROM principal WHERE principal = ?", caller.principal);
}

using PointsBySeries = std::map<int64_t, std::vector<SeriesPoint>>;

bool IsContaminated(const SeriesPoint& point) {
  return point.validity == v1::VALIDITY_CONTAMINATED;
}

// Each series without its contaminated runs, unless it has no others.
PointsBySeries QuietPoints(std::vector<SeriesPoint> points) {
  PointsBySeries by_series;
  for (SeriesPoint& point : points) by_series[point.series].push_back(std::move(point));
  for (auto& [series, of_series] : by_series) {
    if (std::all_of(of_series.begin(), of_series.end(), IsContaminated)) continue;
    std::erase_if(of_series, IsContaminated);
  }
  return by_series;
}

bool TakesMeasurements(const v1::RunFilter& filter) {
  const auto& purposes = filter.purposes();
  return std::find(purposes.begin(), purposes.end(), v1::PURPOSE_MEASURE) != purposes.end();
}

// Also of those that are named by run id, which other lists show all the same.
void LeaveOutInvalid(SQLite::Database& database, std::vector<RunPlace>* places) {
  std::vector<int64_t> ids;
  ids.reserve(places->size());
  for (const RunPlace& place : *places) ids.push_back(place.id);
  std::set<int64_t> invalid;
  Query row(database,
            absl::StrCat("SELECT id FROM run INDEXED BY run_invalid "
                         "WHERE invalid_reason IS NOT NULL AND id IN (",
                         kListed, ")"),
            IdList(ids));
  while (row.Step()) invalid.insert(row.Int(0));
  std::erase_if(*places, [&](const RunPlace& place) { return invalid.count(place.id) > 0; });
}

absl::StatusOr<std::vector<SeriesPoint>> ChosenPoints(SQLite::Database& database,
                                                      const v1::RunFilter& filter,
                                                      const JobFilter& selected) {
  const OkRuns runs = OkRunsOf(filter);
  if (runs.nothing || !TakesMeasurements(runs.filter)) return NoRunsToHoldAgainst();
  auto labels = StoredLabels(database, runs.filter, selected.only_owner);
  if (!labels.ok()) return labels.status();
  v1::RunFilter measured = runs.filter;
  measured.clear_purposes();
  measured.add_purposes(v1::PURPOSE_MEASURE);
  const RunQuery query(database, measured, selected, *std::move(labels));
  auto places = query.ByStart(true, std::nullopt, kMostBaselineRuns + 1);
  if (places.size() > kMostBaselineRuns) return TooManyRuns();
  LeaveOutInvalid(database, &places);
  SeriesPoints read = PointsOf(database, places, v1::PHASE_UNSPECIFIED);
  if (read.points.empty()) return NoRunsToHoldAgainst();
  return std::move(read.points);
}

// Whether there was one.
bool ForgetSeries(SQLite::Database& database, int64_t owner, int64_t series) {
  return Execute(database, "DELETE FROM baseline WHERE owner_id = ? AND series_id = ?", owner,
                 series) > 0;
}

uint32_t ForgetAll(SQLite::Database& database, int64_t owner) {
  const int64_t series = SelectOne(
      database, "SELECT count(DISTINCT series_id) FROM baseline WHERE owner_id = ?", owner);
  Execute(database, "DELETE FROM baseline WHERE owner_id = ?", owner);
  return static_cast<uint32_t>(series);
}

void AddSeriesOf(SQLite::Database& database, const std::vector<RunPlace>& places,
                 std::set<int64_t>* series) {
  std::vector<int64_t> ids;
  ids.reserve(places.size());
  for (const RunPlace& place : places) ids.push_back(place.id);
  Query row(database,
            absl::StrCat("SELECT DISTINCT series FROM run WHERE series IS NOT NULL AND id IN (",
                         kListed, ")"),
            IdList(ids));
  while (row.Step()) series->insert(row.Int(0));
}

// What the baseline says of a run, by run.id.
struct Words {
  std::string reason;
  int64_t set_at_ns = 0;
};

std::unordered_map<int64_t, Words> WordsOf(SQLite::Database& database, const std::string& owner) {
  Query row(database,
            "SELECT run_id, reason, set_at_ns FROM baseline WHERE owner_id = "
            "(SELECT id FROM principal WHERE principal = ?)",
            owner);
  std::unordered_map<int64_t, Words> words;
  while (row.Step()) words[row.Int(0)] = {row.Text(1), row.Int(2)};
  return words;
}

// An account name may have had several principals: the one that has a baseline, else any.
std::string PrincipalOf(SQLite::Database& database, const std::string& user) {
  Query row(database,
            "SELECT principal FROM principal WHERE principal = ?1 OR name = ?1 "
            "ORDER BY principal = ?1 DESC, "
            "EXISTS (SELECT 1 FROM baseline WHERE owner_id = principal.id) DESC LIMIT 1",
            user);
  return row.Step() ? row.Text(0) : "";
}

}  // namespace

absl::StatusOr<BaselineStore::Set> BaselineStore::Replace(const Caller& caller,
                                                          const v1::RunFilter& filter,
                                                          const JobFilter& selected,
                                                          const std::string& reason,
                                                          int64_t now_ns) {
  if (absl::Status limits = CheckLimits(filter); !limits.ok()) return limits;
  Set set;
  absl::Status status = database_->Write([&](SQLite::Database& database) -> absl::Status {
    auto chosen = ChosenPoints(database, filter, selected);
    if (!chosen.ok()) return chosen.status();
    const PointsBySeries by_series = QuietPoints(*std::move(chosen));
    const int64_t owner = StorePrincipal(database, caller);
    for (const auto& [series, points] : by_series) {
      ++set.series;
      if (ForgetSeries(database, owner, series)) ++set.replaced_series;
      for (const SeriesPoint& point : points) {
        Execute(database,
                "INSERT INTO baseline (owner_id, series_id, run_id, set_at_ns, reason) "
                "VALUES (?, ?, ?, ?, ?)",
                owner, series, point.run, now_ns, reason);
        ++set.runs;
      }
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return set;
}

absl::StatusOr<std::vector<BaselineRun>> BaselineStore::List(const std::string& user,
                                                             const std::string& only_owner,
                                                             v1::Phase phase) const {
  std::vector<BaselineRun> runs;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    JobFilter selected;
    selected.only_owner = only_owner;
    selected.baseline_of = PrincipalOf(database, user);
    if (selected.baseline_of.empty()) return absl::OkStatus();
    auto words = WordsOf(database, selected.baseline_of);
    // As many as there are, so that no limit of a page cuts them.
    const RunQuery query(database, v1::RunFilter(), selected, {});
    const auto places = query.ByStart(true, std::nullopt, static_cast<uint32_t>(words.size()));
    for (SeriesPoint& point : PointsOf(database, places, phase).points) {
      Words& of_run = words[point.run];
      runs.push_back({std::move(point), std::move(of_run.reason), of_run.set_at_ns});
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  std::stable_sort(runs.begin(), runs.end(), [](const BaselineRun& a, const BaselineRun& b) {
    return a.point.series < b.point.series;
  });
  return runs;
}

absl::StatusOr<std::set<int64_t>> BaselineStore::SeriesOf(const v1::RunFilter& filter,
                                                          const JobFilter& selected) const {
  std::set<int64_t> series;
  std::optional<std::vector<Label>> labels;
  std::optional<RunPlace> last;
  // Batch by batch, so that a long history keeps no reader open.
  do {
    absl::Status status = database_->Read([&](SQLite::Database& database) {
      if (!labels) {
        auto stored = StoredLabels(database, filter, selected.only_owner);
        if (!stored.ok()) return stored.status();
        labels = *std::move(stored);
      }
      const auto places = RunQuery(database, filter, selected, *labels).ByStart(true, last, kBatch);
      AddSeriesOf(database, places, &series);
      last = places.size() < kBatch ? std::nullopt : std::make_optional(places.back());
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
  } while (last);
  return series;
}

absl::StatusOr<uint32_t> BaselineStore::Clear(const Caller& caller, const v1::RunFilter& filter,
                                              const JobFilter& selected) {
  if (absl::Status limits = CheckLimits(filter); !limits.ok()) return limits;
  const auto series = SeriesOf(filter, selected);
  if (!series.ok()) return series.status();
  uint32_t forgotten = 0;
  absl::Status status = database_->Write([&](SQLite::Database& database) {
    const std::optional<int64_t> owner = OwnerId(database, caller);
    if (!owner) return absl::OkStatus();
    for (const int64_t id : *series) forgotten += ForgetSeries(database, *owner, id) ? 1 : 0;
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return forgotten;
}

absl::StatusOr<uint32_t> BaselineStore::ClearAll(const Caller& caller) {
  uint32_t forgotten = 0;
  absl::Status status = database_->Write([&](SQLite::Database& database) {
    const std::optional<int64_t> owner = OwnerId(database, caller);
    if (owner) forgotten = ForgetAll(database, *owner);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return forgotten;
}

}  // namespace torchlap::storage
