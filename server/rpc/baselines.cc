#include "server/rpc/baselines.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "proto/base/visible_text.h"
#include "server/measure/statistics.h"
#include "server/rpc/job_choice.h"
#include "server/rpc/series_subject.h"
#include "server/rpc/text_check.h"
#include "storage/baseline_store.h"
#include "storage/visibility.h"

namespace torchlap::rpc {
namespace {

constexpr size_t kMostReason = 500;

absl::Status CheckReason(const std::string& reason) {
  const size_t chars = CharsOf(reason);
  const bool is_blank = reason.find_first_not_of(' ') == std::string::npos;
  if (!is_blank && chars <= kMostReason) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("reason has {} characters, must say in 1 to {} why these runs are the baseline",
                  chars, kMostReason));
}

// Whose baseline is asked for.
absl::StatusOr<std::string> OwnerAsked(const storage::Caller& caller, const std::string& user) {
  if (user.empty() || user == caller.name || user == caller.principal) return caller.principal;
  if (caller.sees_all) return user;
  return absl::PermissionDeniedError(
      fmt::format("the baseline belongs to {}; only its owner or an admin may see it, as this "
                  "daemon is private",
                  Named(user)));
}

// What is told of one series.
struct Series {
  std::vector<storage::SeriesPoint> points;
  std::string reason;
  int64_t set_at_ns = 0;
};

std::vector<Series> NewestFirst(std::vector<storage::BaselineRun> runs) {
  std::map<int64_t, Series> by_series;
  for (storage::BaselineRun& run : runs) {
    Series& series = by_series[run.point.series];
    series.reason = std::move(run.reason);
    series.set_at_ns = run.set_at_ns;
    series.points.push_back(std::move(run.point));
  }
  std::vector<Series> all;
  for (auto& [id, series] : by_series) all.push_back(std::move(series));
  std::sort(all.begin(), all.end(), [](const Series& a, const Series& b) {
    return std::tie(a.points.back().started_at_ns, a.points.back().run) >
           std::tie(b.points.back().started_at_ns, b.points.back().run);
  });
  return all;
}

v1::BaselineSeries Shown(v1::Run subject, const Series& series) {
  v1::BaselineSeries shown;
  *shown.mutable_subject() = std::move(subject);
  std::vector<double> medians;
  for (const storage::SeriesPoint& point : series.points) {
    shown.add_run_ids(point.run_id);
    medians.push_back(point.median_ns);
  }
  shown.set_step_median_ns(measure::Median(std::move(medians)).value_or(0));
  shown.set_reason(series.reason);
  shown.set_set_at_ns(series.set_at_ns);
  return shown;
}

absl::StatusOr<uint32_t> Clear(const storage::JobStore& jobs, const storage::Caller& caller,
                               const v1::ClearBaselineRequest& request,
                               storage::BaselineStore baselines) {
  if (!request.has_filter()) return baselines.ClearAll(caller);
  const auto selected = ChosenOrAll(jobs, caller, request.filter().selector());
  if (!selected.ok()) return selected.status();
  return baselines.Clear(caller, request.filter(), *selected);
}

}  // namespace

absl::Status SetBaseline::Answer(const storage::Caller& caller,
                                 const v1::SetBaselineRequest& request,
                                 v1::SetBaselineResponse* response) const {
  if (absl::Status texts = CheckTexts(request); !texts.ok()) return texts;
  if (absl::Status reason = CheckReason(request.reason()); !reason.ok()) return reason;
  const auto selected = ChosenOrAll(*jobs_, caller, request.filter().selector());
  if (!selected.ok()) return selected.status();
  const auto set = storage::BaselineStore(database_).Replace(caller, request.filter(), *selected,
                                                             request.reason(), clock_->WallNs());
  if (!set.ok()) return set.status();
  response->set_series(set->series);
  response->set_runs(set->runs);
  response->set_replaced_series(set->replaced_series);
  spdlog::info("{} set a baseline of {} runs in {} series", caller.name, set->runs, set->series);
  return absl::OkStatus();
}

absl::Status ListBaselines::Answer(const storage::Caller& caller,
                                   const v1::ListBaselinesRequest& request,
                                   v1::ListBaselinesResponse* response) const {
  if (absl::Status user = CheckText("user", request.user()); !user.ok()) return user;
  const auto owner = OwnerAsked(caller, request.user());
  if (!owner.ok()) return owner.status();
  auto runs = storage::BaselineStore(database_).List(*owner, storage::OnlyOwner(caller),
                                                     v1::PHASE_UNSPECIFIED);
  if (!runs.ok()) return runs.status();
  for (Series& series : NewestFirst(*std::move(runs))) {
    uint64_t unreadable = 0;
    auto subject = NewestRun(*runs_, &series.points, &unreadable);
    if (!subject.ok()) return subject.status();
    if (*subject) *response->add_series() = Shown(**std::move(subject), series);
  }
  return absl::OkStatus();
}

absl::Status ClearBaseline::Answer(const storage::Caller& caller,
                                   const v1::ClearBaselineRequest& request,
                                   v1::ClearBaselineResponse* response) const {
  if (absl::Status texts = CheckTexts(request); !texts.ok()) return texts;
  const auto cleared = Clear(*jobs_, caller, request, storage::BaselineStore(database_));
  if (!cleared.ok()) return cleared.status();
  if (*cleared == 0) {
    return absl::FailedPreconditionError(
        request.has_filter() ? "you have no baseline of the series of these runs"
                             : "you have no baseline, set one with torchlap baseline set");
  }
  response->set_series(*cleared);
  spdlog::info("{} cleared the baseline of {} series", caller.name, *cleared);
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
