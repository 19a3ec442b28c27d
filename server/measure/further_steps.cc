#include "server/measure/further_steps.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "proto/ranges.h"
#include "server/measure/statistics.h"

namespace torchlap::measure {
namespace {

constexpr double kTargets[] = {0.01, 0.02, 0.05, 0.1};
constexpr double kHourNs = 3.6e12;

// What a launch would need for a target of 1: the half width falls with the square root of the
// number of steps.
double NeedOf(const v1::Run& launch) {
  const v1::PhaseSummary& step = launch.step();
  if (!step.has_std_ns() || !(step.mean_ns() > 0)) return 0;
  std::optional<double> lag1;
  if (step.has_lag1()) lag1 = step.lag1();
  const uint32_t steps = launch.actual_measure_steps();
  const double share = MeanHalfWidth(steps, step.std_ns(), lag1).value_or(0) / step.mean_ns();
  return steps * share * share;
}

uint64_t StepsFor(double target, double need) {
  return static_cast<uint64_t>(std::ceil(need / (target * target)));
}

// The most steps that are worth their time.
double MostSteps(const v1::Run& launch) {
  const double in_an_hour = kHourNs / launch.step().mean_ns();
  if (launch.plan().has_target_precision()) return in_an_hour;
  return std::min(in_an_hour, DefaultOf<v1::Plan>(v1::Plan::kMaxStepsFieldNumber));
}

double TargetOf(const v1::Plan& plan, double need, double most) {
  if (plan.has_target_precision()) return plan.target_precision();
  for (const double target : kTargets) {
    if (static_cast<double>(StepsFor(target, need)) <= most) return target;
  }
  return *std::rbegin(kTargets);
}

}  // namespace

std::optional<FurtherSteps> StepsForTarget(const std::vector<v1::Run>& launches) {
  double need = 0;
  const v1::Run* noisiest = nullptr;
  for (const v1::Run& launch : launches) {
    if (!(NeedOf(launch) > need)) continue;
    need = NeedOf(launch);
    noisiest = &launch;
  }
  if (noisiest == nullptr) return std::nullopt;
  const double most = MostSteps(*noisiest);
  const double target = TargetOf(noisiest->plan(), need, most);
  const uint64_t steps = StepsFor(target, need);
  if (steps <= noisiest->actual_measure_steps()) return std::nullopt;
  return FurtherSteps{steps, target, static_cast<double>(steps) > most};
}

}  // namespace torchlap::measure
