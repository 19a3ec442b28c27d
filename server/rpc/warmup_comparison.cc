#include "server/rpc/warmup_comparison.h"

#include <algorithm>

#include "server/measure/launch_runs.h"
#include "server/measure/warmup_effect.h"

namespace torchlap::rpc {
namespace {

v1::WarmupFinding::Code CodeOf(measure::WarmupClause clause) {
  switch (clause) {
    case measure::WarmupClause::kMeanInflated:
      return v1::WarmupFinding::CODE_MEAN_INFLATED;
    case measure::WarmupClause::kStdInflated:
      return v1::WarmupFinding::CODE_STD_INFLATED;
    case measure::WarmupClause::kFirstStepSlow:
      return v1::WarmupFinding::CODE_FIRST_STEP_SLOW;
    case measure::WarmupClause::kSettles:
      return v1::WarmupFinding::CODE_SETTLES;
    case measure::WarmupClause::kNeverSettles:
      return v1::WarmupFinding::CODE_NEVER_SETTLES;
    case measure::WarmupClause::kEnoughWarmup:
      return v1::WarmupFinding::CODE_ENOUGH_WARMUP;
    case measure::WarmupClause::kNoDifference:
      break;
  }
  return v1::WarmupFinding::CODE_NO_DIFFERENCE;
}

// `runs` by job.
std::vector<v1::Run> OneOfEachJob(const std::vector<v1::Run>& runs) {
  std::vector<v1::Run> chosen;
  for (auto begin = runs.begin(); begin != runs.end();) {
    const auto end = std::find_if(
        begin, runs.end(), [&](const v1::Run& run) { return run.job_id() != begin->job_id(); });
    const std::vector<v1::Run> valid = measure::ValidRuns({begin, end}, {});
    if (!valid.empty()) chosen.push_back(measure::OneOf(valid));
    begin = end;
  }
  return chosen;
}

}  // namespace

v1::CompareWarmupsResponse DescribeWarmups(const std::vector<v1::Run>& runs) {
  std::vector<v1::Run> rows = OneOfEachJob(runs);
  std::stable_sort(rows.begin(), rows.end(), [](const v1::Run& a, const v1::Run& b) {
    return a.plan().warmup_steps() < b.plan().warmup_steps();
  });
  std::vector<v1::Run> ok;
  v1::CompareWarmupsResponse response;
  for (const v1::Run& run : rows) {
    if (run.outcome() == v1::OUTCOME_OK) ok.push_back(run);
    *response.add_runs() = run;
  }
  for (const measure::WarmupFinding& found : measure::CompareWarmups(ok)) {
    v1::WarmupFinding* finding = response.add_findings();
    finding->set_code(CodeOf(found.clause));
    finding->set_value(found.value);
    finding->set_threshold(found.threshold);
    finding->set_steps(found.steps);
    finding->set_count(found.count);
    finding->set_of(found.of);
    finding->set_contaminated(found.contaminated);
    if (!found.interval) continue;
    finding->set_low(found.interval->low);
    finding->set_high(found.interval->high);
  }
  return response;
}

}  // namespace torchlap::rpc
