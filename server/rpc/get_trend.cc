#include "server/rpc/get_trend.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "proto/words.h"
#include "server/measure/change_points.h"
#include "server/measure/comparison.h"
#include "server/measure/environment_changes.h"
#include "server/measure/statistics.h"
#include "server/rpc/job_choice.h"
#include "server/rpc/series_subject.h"
#include "server/rpc/text_check.h"
#include "storage/baseline_store.h"
#include "storage/environments.h"
#include "storage/visibility.h"

namespace torchlap::rpc {
namespace {

constexpr size_t kMostSeries = 200;

using Points = std::vector<storage::SeriesPoint>;
using Baselines = std::map<int64_t, std::vector<storage::BaselineRun>>;

std::string WordOrNumber(v1::Phase phase) {
  const std::string word(Word(phase));
  return word.empty() ? std::to_string(static_cast<int>(phase)) : word;
}

absl::Status CheckPhase(v1::Phase phase) {
  switch (phase) {
    case v1::PHASE_UNSPECIFIED:
    case v1::PHASE_FORWARD:
    case v1::PHASE_LOSS:
    case v1::PHASE_BACKWARD:
    case v1::PHASE_OPTIMIZER:
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError(
          fmt::format("phase is {}, must be forward, loss, backward or optimizer, or unset for the "
                      "step",
                      WordOrNumber(phase)));
  }
}

absl::Status Check(const v1::GetTrendRequest& request) {
  if (absl::Status texts = CheckTexts(request); !texts.ok()) return texts;
  if (absl::Status phase = CheckPhase(request.phase()); !phase.ok()) return phase;
  if (request.min_effect() >= 0 && request.min_effect() <= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("min_effect is {}, must be 0 to 1", request.min_effect()));
}

absl::Status TooManySeries(size_t series) {
  return absl::ResourceExhaustedError(
      fmt::format("{} series match, must be at most {}: narrow them by job, sweep, model size, "
                  "precision, attention, device, user or label",
                  series, kMostSeries));
}

// Each by start; that whose newest run is the newest comes first.
std::vector<Points> BySeries(Points points) {
  std::map<int64_t, Points> by_series;
  for (storage::SeriesPoint& point : points) by_series[point.series].push_back(std::move(point));
  std::vector<Points> all;
  for (auto& [series, of_series] : by_series) all.push_back(std::move(of_series));
  std::sort(all.begin(), all.end(), [](const Points& a, const Points& b) {
    return std::tie(a.back().started_at_ns, a.back().run) >
           std::tie(b.back().started_at_ns, b.back().run);
  });
  return all;
}

bool IsContaminated(const storage::SeriesPoint& point) {
  return point.validity == v1::VALIDITY_CONTAMINATED;
}

bool LeavesOutContaminated(const v1::GetTrendRequest& request) {
  return !request.include_contaminated() || request.filter().exclude_contaminated();
}

std::vector<double> Medians(const Points& points) {
  std::vector<double> medians;
  medians.reserve(points.size());
  for (const storage::SeriesPoint& point : points) medians.push_back(point.median_ns);
  return medians;
}

void AddPoints(const Points& points, v1::TrendSeries* series) {
  for (const storage::SeriesPoint& point : points) {
    v1::TrendPoint& shown = *series->add_points();
    shown.set_run_id(point.run_id);
    shown.set_started_at_ns(point.started_at_ns);
    shown.set_median_ns(point.median_ns);
    shown.set_validity(point.validity);
  }
}

void SetMinEffect(const v1::GetTrendRequest& request, const std::vector<double>& medians,
                  v1::TrendSeries* series) {
  series->set_min_effect(request.min_effect() > 0 ? request.min_effect()
                                                  : measure::kDefaultMinEffect);
  if (!request.learn_min_effect()) return;
  const auto learned = measure::LearnedMinEffect(measure::OverTheirLevels(medians));
  if (!learned) return;
  series->set_min_effect(*learned);
  series->set_min_effect_launches(static_cast<uint32_t>(medians.size()));
}

void AddSteps(const std::vector<double>& medians, v1::TrendSeries* series) {
  for (const measure::ChangePoint& found :
       measure::FindChangePoints(medians, series->min_effect())) {
    v1::TrendStep& step = *series->add_steps();
    step.set_point(static_cast<uint32_t>(found.point));
    step.set_before_ns(found.before);
    step.set_after_ns(found.after);
  }
}

void SetBaselineOf(const std::vector<storage::BaselineRun>& runs, v1::TrendSeries* series) {
  std::vector<double> medians;
  for (const storage::BaselineRun& run : runs) {
    medians.push_back(run.point.median_ns);
    series->add_baseline_run_ids(run.point.run_id);
  }
  if (const auto median = measure::Median(std::move(medians))) series->set_baseline_ns(*median);
}

absl::StatusOr<Baselines> BaselinesOf(storage::Database* database, const storage::Caller& caller,
                                      v1::Phase phase) {
  auto runs =
      storage::BaselineStore(database).List(caller.principal, storage::OnlyOwner(caller), phase);
  if (!runs.ok()) return runs.status();
  Baselines by_series;
  for (storage::BaselineRun& run : *runs) by_series[run.point.series].push_back(std::move(run));
  return by_series;
}

std::set<std::string> EnvironmentsAt(const v1::TrendSeries& series, const Points& points) {
  std::set<std::string> hashes;
  for (const v1::TrendStep& step : series.steps()) {
    hashes.insert(points[step.point() - 1].environment_hash);
    hashes.insert(points[step.point()].environment_hash);
  }
  return hashes;
}

}  // namespace

absl::Status GetTrend::AddEnvironmentChanges(const Points& points, v1::TrendSeries* series) const {
  if (series->steps().empty()) return absl::OkStatus();
  const auto environments = storage::ReadEnvironments(*database_, EnvironmentsAt(*series, points));
  if (!environments.ok()) return environments.status();
  const auto of_point = [&](size_t point) {
    std::vector<const v1::Environment*> known;
    const auto found = environments->find(points[point].environment_hash);
    if (found != environments->end()) known.push_back(&found->second);
    return known;
  };
  for (v1::TrendStep& step : *series->mutable_steps()) {
    const auto before = of_point(step.point() - 1);
    const auto after = of_point(step.point());
    for (v1::EnvironmentChange& change : measure::EnvironmentChanges(before, after)) {
      *step.add_changes() = std::move(change);
    }
  }
  return absl::OkStatus();
}

absl::Status GetTrend::AddSeries(const v1::GetTrendRequest& request, Points points,
                                 v1::GetTrendResponse* response) const {
  uint64_t unreadable = 0;
  auto subject = NewestRun(*runs_, &points, &unreadable);
  if (!subject.ok()) return subject.status();
  response->set_unreadable_runs(response->unreadable_runs() + unreadable);
  if (!*subject) return absl::OkStatus();
  v1::TrendSeries& series = *response->add_series();
  *series.mutable_subject() = **std::move(subject);
  if (LeavesOutContaminated(request)) {
    series.set_contaminated_runs(static_cast<uint32_t>(std::erase_if(points, IsContaminated)));
  }
  AddPoints(points, &series);
  const std::vector<double> medians = Medians(points);
  SetMinEffect(request, medians, &series);
  AddSteps(medians, &series);
  return AddEnvironmentChanges(points, &series);
}

absl::Status GetTrend::Answer(const storage::Caller& caller, const v1::GetTrendRequest& request,
                              v1::GetTrendResponse* response) const {
  if (absl::Status status = Check(request); !status.ok()) return status;
  const auto selected = ChosenOrAll(*jobs_, caller, request.filter().selector());
  if (!selected.ok()) return selected.status();
  v1::RunFilter filter = request.filter();
  // Those that are left out are counted.
  filter.clear_exclude_contaminated();
  auto read = storage::ReadSeriesPoints(*database_, filter, *selected, request.phase());
  if (!read.ok()) return read.status();
  const auto baselines = BaselinesOf(database_, caller, request.phase());
  if (!baselines.ok()) return baselines.status();
  std::vector<Points> all = BySeries(std::move(read->points));
  if (all.size() > kMostSeries) return TooManySeries(all.size());
  response->set_method_version(measure::kChangePointsVersion);
  response->set_unreadable_runs(read->unreadable);
  for (Points& points : all) {
    const int64_t id = points.front().series;
    const int before = response->series_size();
    absl::Status status = AddSeries(request, std::move(points), response);
    if (!status.ok()) return status;
    const auto baseline = baselines->find(id);
    if (baseline == baselines->end() || response->series_size() == before) continue;
    SetBaselineOf(baseline->second, response->mutable_series(before));
  }
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
