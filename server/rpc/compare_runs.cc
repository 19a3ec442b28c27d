#include "server/rpc/compare_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/measure/launch_runs.h"
#include "server/rpc/job_choice.h"
#include "server/rpc/text_check.h"
#include "storage/environments.h"
#include "storage/past_medians.h"
#include "storage/visibility.h"

namespace torchlap::rpc {
namespace {

using Side = measure::ComparedRuns::Side;

constexpr double kLeastRate = 0.0001;
constexpr double kMostRate = 0.5;

bool IsWithin(double value, double least, double most) { return value >= least && value <= most; }

absl::Status CheckNumbers(const v1::CompareRunsRequest& request) {
  if (!IsWithin(request.min_effect(), 0, 1)) {
    return absl::InvalidArgumentError(
        fmt::format("min_effect is {}, must be above 0 and at most 1, or 0 for {}",
                    request.min_effect(), measure::kDefaultMinEffect));
  }
  const double rate = request.false_alarm_rate();
  if (rate != 0 && !IsWithin(rate, kLeastRate, kMostRate)) {
    return absl::InvalidArgumentError(
        fmt::format("false_alarm_rate is {}, must be {} to {}, or 0 for {}", rate, kLeastRate,
                    kMostRate, measure::kDefaultFalseAlarmRate));
  }
  return absl::OkStatus();
}

bool IsEmpty(const v1::RunFilter& filter) { return filter.ByteSizeLong() == 0; }

absl::Status CheckSides(const v1::CompareRunsRequest& request) {
  if (IsEmpty(request.a())) {
    return absl::InvalidArgumentError("a is empty, must select or filter runs");
  }
  if (request.by().empty() && IsEmpty(request.b())) {
    return absl::InvalidArgumentError("b is empty, must select or filter runs where by is not set");
  }
  if (!request.by().empty() && request.has_b()) {
    return absl::InvalidArgumentError(
        fmt::format("by is {} and b is set, must be one of them", Named(request.by())));
  }
  if (request.by().empty() && !request.reference().empty()) {
    return absl::InvalidArgumentError(
        fmt::format("reference is {} without by, must be a value of what runs are compared by",
                    Named(request.reference())));
  }
  return absl::OkStatus();
}

absl::Status Check(const v1::CompareRunsRequest& request) {
  absl::Status status = CheckTexts(request);
  status.Update(CheckSides(request));
  status.Update(CheckNumbers(request));
  return status;
}

// What is left out of the launches is told, so that they are asked for.
v1::RunFilter FilterOf(const v1::CompareRunsRequest& request, Side side) {
  v1::RunFilter filter = side == Side::kA ? request.a() : request.b();
  if (filter.purposes().empty()) filter.add_purposes(v1::PURPOSE_MEASURE);
  filter.set_since_ns(std::max(filter.since_ns(), request.since_ns()));
  if (!request.include_contaminated()) filter.clear_exclude_contaminated();
  return filter;
}

// Runs come by job: adds those of one job when the next one begins, without what was declared
// invalid and what such a result leaves of its launch.
class ByJob {
 public:
  ByJob(const v1::RunFilter& filter, Side side, measure::ComparedRuns* collected)
      : keeps_all_(filter.include_invalid()), side_(side), collected_(collected) {
    if (filter.selector().all()) return;
    named_.insert(filter.selector().run_ids().begin(), filter.selector().run_ids().end());
  }

  absl::Status Take(const v1::Run& run) {
    absl::Status status;
    if (!runs_.empty() && runs_.back().job_id() != run.job_id()) status = Flush();
    runs_.push_back(run);
    return status;
  }
  absl::Status Flush() {
    std::vector<v1::Run> runs = std::exchange(runs_, {});
    if (!keeps_all_) runs = measure::ValidRuns(std::move(runs), named_);
    for (const v1::Run& run : runs) {
      if (absl::Status added = collected_->Add(side_, run); !added.ok()) return added;
    }
    return absl::OkStatus();
  }

 private:
  const bool keeps_all_;
  std::set<std::string> named_;
  const Side side_;
  measure::ComparedRuns* const collected_;
  std::vector<v1::Run> runs_;
};

measure::CellSetting SettingOf(const v1::CompareRunsRequest& request) {
  measure::CellSetting setting;
  if (request.min_effect() != 0) setting.compare.min_effect = request.min_effect();
  if (request.false_alarm_rate() != 0) {
    setting.compare.false_alarm_rate = request.false_alarm_rate();
  }
  setting.include_contaminated = request.include_contaminated();
  setting.reference = request.reference();
  return setting;
}

}  // namespace

absl::Status CompareRuns::Collect(const storage::Caller& caller,
                                  const v1::CompareRunsRequest& request, Side side,
                                  measure::ComparedRuns* collected, uint64_t* unreadable) const {
  v1::RunFilter filter = FilterOf(request, side);
  const auto selected = ChosenOrAll(*jobs_, caller, filter.selector());
  if (!selected.ok()) return selected.status();
  ByJob by_job(filter, side, collected);
  // As in a cell of an export: else a try before the invalid result would be the launch.
  filter.set_include_invalid(true);
  absl::Status status = runs_->Export(
      filter, *selected, /*with_unfinished=*/false,
      [&](const storage::RunRows& runs) {
        for (const v1::Run& run : runs) {
          if (absl::Status taken = by_job.Take(run); !taken.ok()) return taken;
        }
        return absl::OkStatus();
      },
      unreadable);
  return status.ok() ? by_job.Flush() : status;
}

absl::StatusOr<measure::ComparedRuns> CompareRuns::CollectAll(const storage::Caller& caller,
                                                              const v1::CompareRunsRequest& request,
                                                              uint64_t* unreadable) const {
  const bool is_by_axis = !request.by().empty();
  absl::StatusOr<measure::CompareAxis> axis = measure::CompareAxis();
  if (is_by_axis) axis = measure::ParseCompareAxis(request.by());
  if (!axis.ok()) return axis.status();
  measure::ComparedRuns collected(*std::move(axis));
  absl::Status status = Collect(caller, request, Side::kA, &collected, unreadable);
  if (status.ok() && !is_by_axis) {
    status = Collect(caller, request, Side::kB, &collected, unreadable);
  }
  if (!status.ok()) return status;
  return collected;
}

absl::Status CompareRuns::Answer(const storage::Caller& caller,
                                 const v1::CompareRunsRequest& request,
                                 v1::CompareRunsResponse* response) const {
  if (absl::Status status = Check(request); !status.ok()) return status;
  uint64_t unreadable = 0;
  const auto collected = CollectAll(caller, request, &unreadable);
  if (!collected.ok()) return collected.status();
  const auto environments = storage::ReadEnvironments(*database_, collected->EnvironmentHashes());
  if (!environments.ok()) return environments.status();
  measure::CellSetting setting = SettingOf(request);
  if (request.learn_min_effect()) {
    setting.past = [&](const std::string& run_id, int64_t before_ns) {
      return storage::ReadPastMedians(*database_, run_id, before_ns, storage::OnlyOwner(caller));
    };
  }
  auto cells = collected->Compare(*environments, setting);
  if (!cells.ok()) return cells.status();
  for (v1::ComparedCell& cell : *cells) *response->add_cells() = std::move(cell);
  response->set_unreadable_runs(unreadable);
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
