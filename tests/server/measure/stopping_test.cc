#include "server/measure/stopping.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "server/measure/statistics.h"
#include "tests/server/measure/made_up_times.h"

namespace torchlap::measure {
namespace {

constexpr double kMean = 1e6;

int64_t Ns(double time) { return std::max<int64_t>(1, std::llround(time)); }

v1::Plan SettledPlan(uint32_t warmup_steps, int64_t min_ns) {
  v1::Plan plan;
  plan.set_warmup_steps(warmup_steps);
  plan.set_warmup_until_settled(true);
  plan.set_min_warmup_ns(min_ns);
  return plan;
}

// Warm-up steps that a rule takes of `times`; all of them if it is not done by then.
size_t WarmupSteps(const v1::Plan& plan, const std::vector<double>& times) {
  WarmupRule rule(plan);
  size_t steps = 0;
  while (!rule.done() && steps < times.size()) rule.Add(Ns(times[steps++]));
  return steps;
}

TEST(WarmupRule, TakesExactlyTheStepsThatWereAskedFor) {
  v1::Plan plan;
  plan.set_warmup_steps(3);
  // Only of use beside warmup_until_settled.
  plan.set_min_warmup_ns(int64_t{1} << 60);
  EXPECT_EQ(WarmupSteps(plan, std::vector<double>(50, kMean)), 3U);
  plan.set_warmup_steps(0);
  EXPECT_TRUE(WarmupRule(plan).done());
}

TEST(WarmupRule, EndsAsSoonAsTimesHaveSettled) {
  std::vector<double> times(50, kMean);
  EXPECT_EQ(WarmupSteps(SettledPlan(5, 0), times), 6U);
  times[0] = 40 * kMean;
  EXPECT_EQ(WarmupSteps(SettledPlan(5, 0), times), 6U);
  times[1] = 3 * kMean;
  EXPECT_EQ(WarmupSteps(SettledPlan(5, 0), times), 7U);
}

TEST(WarmupRule, WaitsWhileTimesFall) {
  std::vector<double> times;
  for (int i = 0; i < 100; ++i) times.push_back(kMean * (1 + std::exp(-i / 6.0)));
  const size_t steps = WarmupSteps(SettledPlan(5, 0), times);
  // The rest of the fall is below 3 % by then.
  EXPECT_GT(steps, 18U);
  EXPECT_LT(steps, 35U);
}

TEST(WarmupRule, KeepsTheLeastNumberAndTheLeastTime) {
  const std::vector<double> times(5000, kMean);
  EXPECT_EQ(WarmupSteps(SettledPlan(20, 0), times), 20U);
  EXPECT_EQ(WarmupSteps(SettledPlan(5, 30 * 1000000), times), 30U);
  // Beyond the number of steps that it waits for times to settle.
  EXPECT_EQ(WarmupSteps(SettledPlan(5, int64_t{3000} * 1000000), times), 3000U);
}

TEST(WarmupRule, GivesUpOnTimesThatNeverSettle) {
  std::vector<double> times;
  for (int i = 0; i < 1000; ++i) times.push_back(kMean * std::pow(1.05, i));
  EXPECT_EQ(WarmupSteps(SettledPlan(5, 0), times), 150U);
}

TEST(WarmupRule, NoiseDoesNotKeepItWaitingForLong) {
  size_t steps = 0;
  for (int i = 0; i < 200; ++i) {
    steps += WarmupSteps(SettledPlan(5, 0), MadeUpTimes(i).Normal(200, kMean, 0.1 * kMean));
  }
  EXPECT_LT(steps / 200.0, 10);
}

v1::Plan PrecisionPlan(double target) {
  v1::Plan plan;
  plan.set_measure_steps(10);
  plan.set_target_precision(target);
  return plan;
}

struct Stopped {
  v1::StopReason reason = v1::STOP_REASON_UNSPECIFIED;
  std::vector<double> times;
};

Stopped MeasureUntilStopped(const v1::Plan& plan, const std::function<double(size_t)>& time) {
  StoppingRule rule(plan);
  Stopped stopped;
  while (stopped.reason == v1::STOP_REASON_UNSPECIFIED) {
    stopped.times.push_back(time(stopped.times.size()));
    stopped.reason = rule.Add(Ns(stopped.times.back()));
  }
  return stopped;
}

Stopped MeasureSeries(const v1::Plan& plan, const std::vector<double>& times) {
  return MeasureUntilStopped(plan, [&](size_t i) { return times.at(i); });
}

TEST(StoppingRule, WithoutATargetStopsAfterExactlyTheStepsOfThePlan) {
  v1::Plan plan;
  plan.set_measure_steps(7);
  plan.set_max_steps(3);  // without a target, without meaning
  const Stopped stopped = MeasureUntilStopped(plan, [](size_t i) { return kMean * (1.0 + i); });
  EXPECT_EQ(stopped.reason, v1::STOP_REASON_COUNT);
  EXPECT_EQ(stopped.times.size(), 7U);
}

TEST(StoppingRule, StopsAtTheFewestStepsWhenTheyAgree) {
  const Stopped stopped = MeasureUntilStopped(PrecisionPlan(0.01), [](size_t) { return kMean; });
  EXPECT_EQ(stopped.reason, v1::STOP_REASON_REACHED);
  EXPECT_EQ(stopped.times.size(), 10U);
  v1::Plan more = PrecisionPlan(0.01);
  more.set_measure_steps(25);
  EXPECT_EQ(MeasureUntilStopped(more, [](size_t) { return kMean; }).times.size(), 25U);
  v1::Plan fewer = PrecisionPlan(0.01);
  fewer.set_measure_steps(2);
  EXPECT_EQ(MeasureUntilStopped(fewer, [](size_t) { return kMean; }).times.size(), 10U);
}

TEST(StoppingRule, ReachesTheTargetThatItSays) {
  const Stopped stopped =
      MeasureSeries(PrecisionPlan(0.01), MadeUpTimes(1).Normal(1001, kMean, 0.05 * kMean));
  ASSERT_EQ(stopped.reason, v1::STOP_REASON_REACHED);
  EXPECT_LE(*MeanHalfWidth(stopped.times) / *Mean(stopped.times), 0.01);
  // (1.96 x 5)^2 = 96 steps.
  EXPECT_NEAR(static_cast<double>(stopped.times.size()), 100, 50);
}

TEST(StoppingRule, GivesUpEarlyOnNoiseThatMoreStepsCannotBeat) {
  // (1.96 x 50)^2 = 9600 steps.
  const Stopped stopped =
      MeasureSeries(PrecisionPlan(0.01), MadeUpTimes(2).LogNormal(1001, kMean, 0.5 * kMean));
  EXPECT_EQ(stopped.reason, v1::STOP_REASON_SETTLED);
  EXPECT_GE(stopped.times.size(), 30U);
  EXPECT_LT(stopped.times.size(), 60U);
}

TEST(StoppingRule, DoesNotGiveUpBecauseOfOneFarOutlier) {
  // Without it some 400 steps are enough.
  std::vector<double> times = MadeUpTimes(6).Normal(1001, kMean, 0.1 * kMean);
  times[3] = 2 * kMean;
  const Stopped stopped = MeasureSeries(PrecisionPlan(0.01), times);
  EXPECT_EQ(stopped.reason, v1::STOP_REASON_REACHED);
  EXPECT_GT(stopped.times.size(), 300U);
}

TEST(StoppingRule, StopsAtEitherLimit) {
  v1::Plan steps = PrecisionPlan(0.001);
  steps.set_max_steps(20);
  Stopped stopped = MeasureSeries(steps, MadeUpTimes(3).Normal(100, kMean, 0.1 * kMean));
  EXPECT_EQ(stopped.reason, v1::STOP_REASON_LIMIT);
  EXPECT_EQ(stopped.times.size(), 20U);

  v1::Plan time = PrecisionPlan(0.001);
  time.set_max_measure_ns(static_cast<int64_t>(4.5 * kMean));
  stopped = MeasureUntilStopped(time, [](size_t) { return kMean; });
  EXPECT_EQ(stopped.reason, v1::STOP_REASON_LIMIT);
  EXPECT_EQ(stopped.times.size(), 5U);
}

TEST(StoppingRule, HasTheDocumentedLimitsWhereThePlanHasNone) {
  v1::Plan plan = PrecisionPlan(0.0001);
  // Alternating by this CV needs 1050 steps: out of reach, but not far enough to say so early.
  Stopped stopped = MeasureUntilStopped(
      plan, [](size_t i) { return 1e8 * (1 + (i % 2 == 0 ? 0.001653 : -0.001653)); });
  EXPECT_EQ(stopped.times.size(), 1000U);
  EXPECT_EQ(stopped.reason, v1::STOP_REASON_LIMIT);
  stopped = MeasureUntilStopped(plan, [](size_t i) { return 40e9 * (i % 2 == 0 ? 1 : 1.01); });
  EXPECT_EQ(stopped.times.size(), 8U);
  EXPECT_EQ(stopped.reason, v1::STOP_REASON_LIMIT);
}

TEST(StoppingRule, SaysReachedWhenTheLastStepReachesTheTarget) {
  v1::Plan plan = PrecisionPlan(0.01);
  plan.set_max_steps(10);
  EXPECT_EQ(MeasureUntilStopped(plan, [](size_t) { return kMean; }).reason,
            v1::STOP_REASON_REACHED);
}

// How the 95 % interval of the mean fares when its width decides when to stop. README.md of
// server/measure has this table.
struct SeriesKind {
  const char* name;
  double truth;
  std::function<std::vector<double>(uint64_t seed)> draw;
  double least_coverage;
};

std::vector<SeriesKind> Kinds(double cv) {
  const double std = cv * kMean;
  const size_t most = 1000;
  return {
      {"normal", kMean, [=](uint64_t s) { return MadeUpTimes(s).Normal(most, kMean, std); }, 0.93},
      {"lognormal", kMean, [=](uint64_t s) { return MadeUpTimes(s).LogNormal(most, kMean, std); },
       0.93},
      {"AR(1), rho 0.5", kMean,
       [=](uint64_t s) { return MadeUpTimes(s).Autoregressive(most, kMean, std, 0.5); }, 0.87},
      {"two modes, 30 % at +2.2 std", kMean,
       [=](uint64_t s) {
         return MadeUpTimes(s).Bimodal(most, kMean - 0.64 * std, kMean + 1.5 * std, 0.3, 0.2 * std);
       },
       0.91},
      {"normal and one step at +10 std", kMean,
       [=](uint64_t s) {
         std::vector<double> times = MadeUpTimes(s).Normal(most, kMean, std);
         times[3] += 10 * std;
         return times;
       },
       0.95},
  };
}

struct Tally {
  double coverage = 0;
  double steps = 0;
  double reached = 0;
};

Tally Simulate(const SeriesKind& kind, double target, int series) {
  Tally tally;
  for (int i = 0; i < series; ++i) {
    const Stopped stopped = MeasureSeries(PrecisionPlan(target), kind.draw(i));
    const double off = std::abs(*Mean(stopped.times) - kind.truth);
    tally.coverage += (off <= *MeanHalfWidth(stopped.times)) / double(series);
    tally.steps += static_cast<double>(stopped.times.size()) / series;
    tally.reached += (stopped.reason == v1::STOP_REASON_REACHED) / double(series);
  }
  return tally;
}

TEST(StoppingRule, LeavesTheIntervalsCoverageNearlyWhatItSays) {
  for (const double cv : {0.01, 0.03, 0.1}) {
    for (const SeriesKind& kind : Kinds(cv)) {
      const Tally tally = Simulate(kind, 0.01, 300);
      const std::string what = std::string(kind.name) + ", CV " + std::to_string(cv);
      RecordProperty(what, std::to_string(tally.coverage) + " of intervals after " +
                               std::to_string(tally.steps) + " steps");
      // Three standard errors of 300 series.
      EXPECT_GT(tally.coverage, kind.least_coverage - 0.04) << what;
    }
  }
}

TEST(StoppingRule, CannotMakeADriftSteady) {
  // Reached or not, the causes of noise have to say that the machine drifts; the interval does not.
  const Stopped stopped = MeasureUntilStopped(
      PrecisionPlan(0.01), [](size_t i) { return kMean * (1 + 0.002 * static_cast<double>(i)); });
  EXPECT_NE(stopped.reason, v1::STOP_REASON_UNSPECIFIED);
  EXPECT_LE(stopped.times.size(), 1000U);
}

}  // namespace
}  // namespace torchlap::measure
