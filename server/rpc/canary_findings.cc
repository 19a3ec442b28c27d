#include "server/rpc/canary_findings.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "proto/base/visible_text.h"
#include "server/measure/change_points.h"
#include "server/measure/comparison.h"
#include "server/measure/environment_changes.h"

namespace torchlap::rpc {
namespace {

using Points = std::vector<storage::SeriesPoint>;

// Returns how many they were.
size_t LeaveOutDisturbed(Points* points) {
  return std::erase_if(*points, [](const storage::SeriesPoint& point) {
    return point.validity == v1::VALIDITY_CONTAMINATED;
  });
}

void LeaveOutOtherSeries(Points* points) {
  if (points->empty()) return;
  const int64_t series = points->back().series;
  std::erase_if(*points,
                [series](const storage::SeriesPoint& point) { return point.series != series; });
}

std::string OrUnknown(const std::string& value) { return value.empty() ? "unknown" : value; }

// `driver 580.65 -> 580.82, kernel 6.1 -> 6.12`; empty: nothing that is known.
std::string ChangesText(const storage::SeriesPoint& before, const storage::SeriesPoint& after,
                        const EnvironmentsOf& environments_of) {
  const storage::EnvironmentsByHash known =
      environments_of({before.environment_hash, after.environment_hash});
  const auto of = [&known](const storage::SeriesPoint& point) {
    std::vector<const v1::Environment*> environments;
    const auto found = known.find(point.environment_hash);
    if (found != known.end()) environments.push_back(&found->second);
    return environments;
  };
  std::string text;
  for (const v1::EnvironmentChange& change : measure::EnvironmentChanges(of(before), of(after))) {
    text += fmt::format("{}{} {} -> {}", text.empty() ? "" : ", ", change.name(),
                        OrUnknown(change.before()), OrUnknown(change.after()));
  }
  return Visible(text);
}

v1::Finding Steady(const Points& points) {
  v1::Finding finding;
  finding.set_severity(v1::SEVERITY_OK);
  finding.set_code(v1::FINDING_CANARY);
  finding.set_runs(static_cast<uint32_t>(points.size()));
  finding.set_at_ns(points.front().started_at_ns);
  return finding;
}

// `detail`: how many were disturbed, empty: none.
v1::Finding TooFew(size_t undisturbed, size_t disturbed, int64_t newest_ns) {
  v1::Finding finding;
  finding.set_severity(v1::SEVERITY_NOTE);
  finding.set_code(v1::FINDING_CANARY);
  finding.set_runs(static_cast<uint32_t>(undisturbed));
  finding.set_expected(std::to_string(kFewestCanaries));
  finding.set_at_ns(newest_ns);
  if (disturbed > 0) finding.set_detail(std::to_string(disturbed));
  return finding;
}

v1::Finding Stepped(const Points& points, const measure::ChangePoint& step,
                    const EnvironmentsOf& environments_of) {
  const storage::SeriesPoint& first = points[step.point];
  v1::Finding finding;
  finding.set_severity(v1::SEVERITY_NOTE);
  finding.set_code(v1::FINDING_CANARY_STEP);
  finding.set_ratio(step.after / step.before);
  finding.set_at_ns(first.started_at_ns);
  finding.set_run_id(first.run_id);
  finding.set_detail(ChangesText(points[step.point - 1], first, environments_of));
  return finding;
}

v1::RunFilter CanariesOf(const std::string& device_uuid, int64_t since_ns) {
  v1::RunFilter filter;
  filter.add_purposes(v1::PURPOSE_CANARY);
  filter.add_devices(device_uuid);
  filter.set_since_ns(since_ns);
  return filter;
}

// Whoever set the key is told of canaries that fail.
absl::StatusOr<std::optional<v1::Finding>> NoneEndedWell(const storage::RunStore& runs,
                                                         const std::string& device_uuid,
                                                         int64_t since_ns) {
  const auto newest_ns = runs.LatestCanaryNs(device_uuid);
  if (!newest_ns.ok()) return newest_ns.status();
  if (!*newest_ns || **newest_ns < since_ns) return std::nullopt;
  return TooFew(0, 0, **newest_ns);
}

}  // namespace

std::optional<v1::Finding> JudgeCanaries(Points points, const EnvironmentsOf& environments_of) {
  if (points.empty()) return std::nullopt;
  const int64_t newest_ns = points.back().started_at_ns;
  const size_t disturbed = LeaveOutDisturbed(&points);
  LeaveOutOtherSeries(&points);
  if (points.size() < kFewestCanaries) return TooFew(points.size(), disturbed, newest_ns);
  std::vector<double> times;
  times.reserve(points.size());
  for (const storage::SeriesPoint& point : points) times.push_back(point.median_ns);
  const auto steps = measure::FindChangePoints(times, measure::kDefaultMinEffect);
  return steps.empty() ? Steady(points) : Stepped(points, steps.back(), environments_of);
}

absl::StatusOr<std::optional<v1::Finding>> CanaryFinding(const storage::Database& database,
                                                         const storage::RunStore& runs,
                                                         const std::string& device_uuid,
                                                         int64_t now_ns) {
  auto read = storage::ReadSeriesPoints(database, CanariesOf(device_uuid, now_ns - kCanaryNewsNs),
                                        {}, v1::PHASE_UNSPECIFIED);
  if (!read.ok()) return read.status();
  if (read->points.empty()) return NoneEndedWell(runs, device_uuid, now_ns - kCanaryNewsNs);
  return JudgeCanaries(std::move(read->points), [&database](const std::set<std::string>& hashes) {
    auto environments = storage::ReadEnvironments(database, hashes);
    return environments.ok() ? *std::move(environments) : storage::EnvironmentsByHash();
  });
}

}  // namespace torchlap::rpc
