#include "server/measure/launch_runs.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "server/measure/advice.h"
#include "server/measure/summary.h"

namespace torchlap::measure {
namespace {

bool IsMeasured(const v1::Run& run) {
  return run.outcome() == v1::OUTCOME_OK && run.purpose() != v1::PURPOSE_TRACE;
}

const v1::Run& LastOf(const std::vector<v1::Run>& runs) {
  return *std::max_element(runs.begin(), runs.end(), [](const v1::Run& a, const v1::Run& b) {
    return a.number() < b.number();
  });
}

// Equal for the same computation. Messages of one program, so that the order of bytes is one.
std::string ComputationOf(const v1::Run& run) { return run.workload().SerializeAsString(); }

// Those of the computation that most of them made.
std::vector<v1::Run> OfOneSize(const std::vector<v1::Run>& launches) {
  std::map<std::string, size_t> counts;
  for (const v1::Run& run : launches) ++counts[ComputationOf(run)];
  const auto most =
      std::max_element(launches.begin(), launches.end(), [&](const v1::Run& a, const v1::Run& b) {
        return counts[ComputationOf(a)] < counts[ComputationOf(b)];
      });
  std::vector<v1::Run> same;
  for (const v1::Run& run : launches) {
    if (ComputationOf(run) == ComputationOf(*most)) same.push_back(run);
  }
  return same;
}

}  // namespace

std::vector<v1::Run> ValidRuns(std::vector<v1::Run> runs, const std::set<std::string>& kept) {
  const auto is_invalid = [&kept](const v1::Run& run) {
    return !run.invalid_reason().empty() && kept.count(run.run_id()) == 0;
  };
  if (std::none_of(runs.begin(), runs.end(), is_invalid)) return runs;
  std::set<uint32_t> struck;
  for (const v1::Run& result : LaunchRuns(runs)) {
    if (is_invalid(result) && result.purpose() != v1::PURPOSE_FIT) struck.insert(result.launch());
  }
  const auto is_out = [&](const v1::Run& run) {
    return is_invalid(run) || struck.count(run.launch()) > 0;
  };
  runs.erase(std::remove_if(runs.begin(), runs.end(), is_out), runs.end());
  return runs;
}

std::vector<v1::Run> LaunchRuns(const std::vector<v1::Run>& runs) {
  std::map<uint32_t, const v1::Run*> by_launch;
  for (const v1::Run& run : runs) {
    if (!IsMeasured(run)) continue;
    const v1::Run*& last = by_launch[run.launch()];
    if (last == nullptr || last->number() < run.number()) last = &run;
  }
  std::vector<v1::Run> chosen;
  for (const auto& [launch, run] : by_launch) chosen.push_back(*run);
  return chosen;
}

v1::Run CellOf(const std::vector<v1::Run>& runs) {
  const std::vector<v1::Run> launches = LaunchRuns(runs);
  if (launches.empty()) return LastOf(runs);
  const std::vector<v1::Run> same = OfOneSize(launches);
  v1::Run row = PoolLaunches(same);
  AdviseOnLaunches(same, &row);
  return row;
}

std::optional<v1::Run> QuietCellOf(const std::vector<v1::Run>& runs) {
  std::vector<v1::Run> quiet;
  std::copy_if(runs.begin(), runs.end(), std::back_inserter(quiet),
               [](const v1::Run& run) { return run.validity() != v1::VALIDITY_CONTAMINATED; });
  if (quiet.empty() || (LaunchRuns(quiet).empty() && !LaunchRuns(runs).empty())) {
    return std::nullopt;
  }
  return CellOf(quiet);
}

v1::Run OneOf(const std::vector<v1::Run>& runs) {
  const std::vector<v1::Run> launches = LaunchRuns(runs);
  return launches.empty() ? LastOf(runs) : launches.back();
}

}  // namespace torchlap::measure
