// Every threshold in the table of verdicts in server/measure/README.md: what lies just below it,
// and what just above.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "server/measure/noise_cause.h"
#include "server/measure/presets.h"
#include "server/measure/summary.h"
#include "server/measure/validity.h"
#include "server/measure/workload_kind.h"

namespace torchlap::measure {
namespace {

using testing::HasSubstr;
using T = ValidityThresholds;

constexpr double kNsPerMs = 1e6;

// A run of one warm-up step and then these, in ms, one after the other.
struct Made {
  explicit Made(const std::vector<double>& times_ms) {
    run.set_outcome(v1::OUTCOME_OK);
    run.set_purpose(v1::PURPOSE_MEASURE);
    v1::TransformerLm& model = *run.mutable_workload()->mutable_transformer_lm();
    model.set_preset("small");
    EXPECT_TRUE(ResolveShape(&model).ok());
    model.set_batch_size(1);
    model.set_context_length(128);
    samples.set_warmup_steps(1);
    Add(times_ms.front());
    for (const double time_ms : times_ms) Add(time_ms);
  }

  void Add(double time_ms) {
    samples.add_start_ns(next_ns);
    samples.add_step_ns(std::llround(time_ms * kNsPerMs));
    samples.add_foreign_cpu_ns(0);
    samples.add_run_delay_ns(0);
    next_ns += std::llround(time_ms * kNsPerMs);
  }

  // Of the `step`th measured one.
  Made& Foreign(int step, double ms) {
    samples.set_foreign_cpu_ns(step + 1, std::llround(ms * kNsPerMs));
    return *this;
  }

  Made& Waited(int step, double ms) {
    samples.set_run_delay_ns(step + 1, std::llround(ms * kNsPerMs));
    return *this;
  }

  Made& AddReading(double at_ms, uint32_t sm_mhz, uint64_t thermal_ns) {
    v1::DeviceReading* reading = around.readings.add_device();
    reading->set_at_ns(std::llround(at_ms * kNsPerMs));
    reading->set_sm_mhz(sm_mhz);
    reading->set_throttle_reasons(0);
    reading->set_thermal_violation_ns(thermal_ns);
    return *this;
  }

  v1::Run Judged() {
    SummariseRun(samples, &run);
    Judge(samples, around, &run);
    return run;
  }

  std::string Reasons() { return Judged().validity_reasons(); }

  int64_t next_ns = 0;
  v1::SampleBlock samples;
  Surroundings around;
  v1::Run run;
};

std::vector<double> Times(size_t count, double ms) { return std::vector<double>(count, ms); }

// `low`, `high`, `low`, ...
std::vector<double> Alternating(size_t count, double low, double high) {
  std::vector<double> times;
  for (size_t i = 0; i < count; ++i) times.push_back(i % 2 == 0 ? low : high);
  return times;
}

// At work at these ms, by questions that began half a second before.
ForeignUse Neighbour(const std::vector<double>& at_ms, double sm_ratio) {
  ForeignUse use{102, "python", "eve", true, {}};
  for (const double ms : at_ms) {
    use.stretches.push_back(
        {std::llround((ms - 500) * kNsPerMs), std::llround(ms * kNsPerMs), sm_ratio});
  }
  return use;
}

Made OnGpu(const std::vector<double>& times_ms) {
  Made made(times_ms);
  made.around.is_cuda = true;
  made.around.gpu.tells_use = true;
  made.around.gpu.has_own_pids = true;
  made.around.gpu.has_worker = true;
  made.around.gpu.of_worker = {{std::llround(times_ms.front() * kNsPerMs), made.next_ns, 0.9}};
  made.around.gpu.looks = {{0, 1, 0}};
  made.AddReading(-1, 1000, 0);
  return made;
}

TEST(Threshold, OfForeignCpuIsAShareOfTheCoresTime) {
  EXPECT_EQ(Made(Times(10, 1000)).Foreign(4, 50).Reasons(), "");
  EXPECT_EQ(Made(Times(10, 1000)).Foreign(4, 51).Reasons(), "foreign-cpu");
  // Half a core of 20.
  Made many = Made(Times(10, 1000)).Foreign(4, 500);
  many.around.cores = 20;
  EXPECT_EQ(many.Reasons(), "");
  EXPECT_EQ(many.Foreign(4, 501).Reasons(), "foreign-cpu");
  // One percent of 200.
  many.around.cores = 200;
  EXPECT_EQ(many.Foreign(4, 2000).Reasons(), "");
  EXPECT_EQ(many.Foreign(4, 2001).Reasons(), "foreign-cpu");
}

TEST(Threshold, OfForeignCpuIsThreeTicksUnlessTheWorkerWaited) {
  EXPECT_EQ(Made(Times(10, 300)).Foreign(4, 29.9).Reasons(), "");
  EXPECT_EQ(Made(Times(10, 300)).Foreign(4, 30).Reasons(), "foreign-cpu");
  EXPECT_EQ(Made(Times(10, 300)).Foreign(4, 16).Waited(4, 15).Reasons(), "");
  EXPECT_EQ(Made(Times(10, 300)).Foreign(4, 16).Waited(4, 15.1).Reasons(), "foreign-cpu");
}

// A tick of 10 ms a core, or two, says nothing about a window of 10 ms.
TEST(Threshold, OfForeignCpuIsAskedOfWindowsOf200Ms) {
  for (const double foreign_ms : {10.0, 30.0, 1000.0}) {
    Made made = Made(Times(10, 1)).Foreign(9, foreign_ms).Waited(9, 1);
    EXPECT_EQ(made.Reasons(), "short-window") << foreign_ms;
    made = Made(Times(10, 19.9)).Foreign(9, foreign_ms).Waited(9, 19);
    EXPECT_EQ(made.Reasons(), "short-window") << foreign_ms;
  }
  EXPECT_EQ(Made(Times(10, 20)).Foreign(9, 30).Reasons(), "foreign-cpu");
}

TEST(Threshold, IsPassedByNoShareAboveOne) {
  for (const double foreign_ms : {200.0, 210.0, 5000.0}) {
    const v1::Run run = Made(Times(10, 20)).Foreign(9, foreign_ms).Judged();
    ASSERT_EQ(run.assessment().evidence_size(), 1);
    EXPECT_EQ(run.assessment().evidence(0).value(), 1);
  }
  // Of several threads that waited at once.
  const v1::Run waited = OnGpu(Times(10, 1000)).AddReading(1e5, 1000, 0).Waited(4, 4000).Judged();
  ASSERT_EQ(waited.assessment().evidence_size(), 1);
  EXPECT_EQ(waited.assessment().evidence(0).value(), 1);
  Made gpu = OnGpu(Times(10, 1000)).AddReading(1e5, 1000, 0);
  gpu.around.gpu.foreign = {Neighbour({2000, 3000}, 1.3)};
  EXPECT_EQ(gpu.Judged().assessment().evidence(0).value(), 1);
}

TEST(Threshold, OfAHostThatKeepsAGpuWaiting) {
  EXPECT_EQ(OnGpu(Times(10, 1000)).AddReading(1e5, 1000, 0).Waited(4, 50).Reasons(), "");
  EXPECT_EQ(OnGpu(Times(10, 1000)).AddReading(1e5, 1000, 0).Waited(4, 51).Reasons(), "foreign-cpu");
  EXPECT_EQ(OnGpu(Times(10, 1)).AddReading(1e5, 1000, 0).Waited(4, 1).Reasons(), "short-window");
}

TEST(Threshold, OfForeignWorkOnAGpuIsAStretchAboveAShare) {
  Made made = OnGpu(Times(10, 1000)).AddReading(1e5, 1000, 0);
  made.around.gpu.foreign = {Neighbour({2000, 3000}, 0.05)};
  EXPECT_EQ(made.Reasons(), "");
  made.around.gpu.foreign = {Neighbour({2000}, 0.051)};
  EXPECT_EQ(made.Reasons(), "foreign-gpu");
  // Measured from 1000 ms on: 0.4 s of the half second may have been before that.
  made.around.gpu.foreign = {Neighbour({1100}, 0.809)};
  EXPECT_EQ(made.Reasons(), "");
  made.around.gpu.foreign = {Neighbour({1100}, 0.811)};
  EXPECT_EQ(made.Reasons(), "foreign-gpu");
}

TEST(Threshold, OfForeignWorkOfWhoOnlyDrawsIsTwoStretchesAndATenthOfTheTime) {
  Made made = OnGpu(Times(10, 1000)).AddReading(1e5, 1000, 0);  // measured from 1000 to 11,000 ms
  const auto reasons = [&](ForeignUse desktop) {
    desktop.computes = false;
    made.around.gpu.foreign = {std::move(desktop)};
    return made.Reasons();
  };
  EXPECT_EQ(reasons(Neighbour({2000, 3000, 4000}, 0.66)), "");
  EXPECT_EQ(reasons(Neighbour({2000, 3000, 4000}, 0.67)), "foreign-gpu");
  ForeignUse once = Neighbour({9000}, 0.9);
  once.stretches[0].from_ns = 1000 * 1'000'000LL;
  EXPECT_EQ(reasons(once), "");
}

TEST(Threshold, OfALookIsHalfOfAStretch) {
  Made made = OnGpu(Times(10, 1000)).AddReading(1e5, 1000, 0);  // measured from 1000 to 11,000 ms
  const auto reasons = [&](double from_ms, double until_ms) {
    made.around.gpu.of_worker = {
        {std::llround(from_ms * kNsPerMs), std::llround(until_ms * kNsPerMs), 0.9}};
    return made.Reasons();
  };
  EXPECT_EQ(reasons(500, 1500), "");
  EXPECT_EQ(reasons(499, 1500), "no-counters");
  EXPECT_EQ(reasons(10'500, 11'500), "");
  EXPECT_EQ(reasons(10'500, 11'501), "no-counters");
}

TEST(Threshold, OfListsThatAreReadAtTheEndIs50Ms) {
  Made made = OnGpu(Times(10, 1000)).AddReading(1e5, 1000, 0);  // measured from 1000 to 11,000 ms
  made.around.gpu.of_worker.clear();
  made.around.gpu.looks = {{11'050 * 1'000'000LL, 1, 0}};
  EXPECT_EQ(made.Reasons(), "");
  made.around.gpu.looks = {{11'051 * 1'000'000LL, 1, 0}};
  EXPECT_EQ(made.Reasons(), "no-counters");
}

TEST(Threshold, OfHiddenMemoryIsThatOfTheSmallestContext) {
  Made made = OnGpu(Times(10, 1000)).AddReading(1e5, 1000, 0);
  made.around.gpu.has_own_pids = false;
  made.around.gpu.looks = {{2000 * 1'000'000LL, 1, uint64_t{64} << 20}};
  EXPECT_EQ(made.Reasons(), "");
  made.around.gpu.looks = {{2000 * 1'000'000LL, 1, (uint64_t{64} << 20) + 1}};
  EXPECT_EQ(made.Reasons(), "pids-not-translated");
}

TEST(Threshold, OfASlowedDeviceIsOnePercentOfTheTime) {
  EXPECT_EQ(OnGpu(Times(10, 1000)).AddReading(9999, 1000, 99'000'000).Reasons(), "");
  EXPECT_EQ(OnGpu(Times(10, 1000)).AddReading(9999, 1000, 101'000'000).Reasons(), "thermal");
}

TEST(Threshold, OfTheClockIsThreeQuartersOfTheFirstReading) {
  EXPECT_EQ(OnGpu(Times(10, 1000)).AddReading(2000, 1000, 0).AddReading(5000, 750, 0).Reasons(),
            "");
  EXPECT_EQ(OnGpu(Times(10, 1000)).AddReading(2000, 1000, 0).AddReading(5000, 749, 0).Reasons(),
            "clock-drop");
}

TEST(Threshold, OfAColdStart) {
  std::vector<double> times = Times(6, 1000);
  times[0] = 1050;
  EXPECT_EQ(Made(times).Reasons(), "");
  times[0] = 1051;
  EXPECT_EQ(Made(times).Reasons(), "cold-start");
  times.pop_back();
  EXPECT_EQ(Made(times).Reasons(), "") << "of five steps it is not told";
  // Differences of 10 are a standard deviation of 10 x 1.4826 / sqrt(2); the median is 1005.
  times = Alternating(12, 1000, 1010);
  times[0] = 1005 + 6 * 10 * 1.4826 / std::sqrt(2) - 1;
  EXPECT_EQ(Made(times).Reasons(), "");
  times[0] += 2;
  EXPECT_EQ(Made(times).Reasons(), "cold-start");
  times[9] = times[0];
  EXPECT_EQ(Made(times).Reasons(), "") << "a later step is as slow";
}

TEST(Threshold, OfDrift) {
  const auto halves = [](size_t of_each, double first, double second) {
    std::vector<double> times = Times(of_each, first);
    times.insert(times.end(), of_each, second);
    return times;
  };
  EXPECT_THAT(Made(halves(5, 1000, 1010)).Reasons(), "");
  EXPECT_THAT(Made(halves(5, 1000, 1011)).Reasons(), "drift");
  EXPECT_THAT(Made(halves(4, 1000, 1015)).Reasons(), "") << "of eight steps it is not told";
}

TEST(Threshold, OfTwoModes) {
  EXPECT_EQ(Made(Alternating(10, 1000, 1020)).Reasons(), "");
  EXPECT_EQ(Made(Alternating(10, 1000, 1021)).Reasons(), "two-modes");
  EXPECT_EQ(Made(Alternating(9, 1000, 1040)).Reasons(), "") << "of nine steps it is not told";
  // Three on a side at least.
  std::vector<double> times = Times(10, 1000);
  times[2] = times[7] = 1040;
  EXPECT_EQ(Made(times).Reasons(), "");
  times[5] = 1040;
  EXPECT_EQ(Made(times).Reasons(), "two-modes");
}

TEST(Threshold, OfNoiseIsACvOfTenPercent) {
  // Standard deviation of such steps: half their distance x sqrt(20 / 19).
  EXPECT_THAT(Made(Alternating(20, 903, 1097)).Reasons(), testing::Not(HasSubstr("noise")));
  EXPECT_THAT(Made(Alternating(20, 902, 1098)).Reasons(), HasSubstr("noise"));
  EXPECT_EQ(Made({900, 1100}).Reasons(), "noise,few-steps");
}

TEST(Threshold, OfASiblingsEfficiencyIsHalfAndTenSteps) {
  Made made(Times(10, 1000));
  const double flops_per_s = made.Judged().flops_per_s();
  made.around.sibling = {flops_per_s / 0.5, "4.1"};
  EXPECT_EQ(made.Reasons(), "");
  made.around.sibling = {flops_per_s / 0.499, "4.1"};
  EXPECT_EQ(made.Reasons(), "low-efficiency");
  Made short_of_one(Times(9, 1000));
  short_of_one.around = made.around;
  EXPECT_EQ(short_of_one.Reasons(), "");
  Made one(Times(1, 5000));
  one.around = made.around;
  EXPECT_EQ(one.Reasons(), "few-steps");
}

TEST(Threshold, OfThePeakIsATwentiethForStepsThatTakeATenthOfASecondAtIt) {
  const auto reasons = [](double at_peak_s, double share, size_t steps) {
    Made made(Times(steps, at_peak_s / share * 1000));
    const double flops = KindOf(made.run.workload()).StepFlops(made.run.workload());
    made.around.calibration = {flops / at_peak_s, "2.1"};
    return made.Reasons();
  };
  EXPECT_EQ(reasons(0.2, 0.0501, 10), "");
  EXPECT_EQ(reasons(0.2, 0.0499, 10), "low-efficiency");
  EXPECT_EQ(reasons(0.2, 0.0499, 9), "");
  EXPECT_EQ(reasons(0.101, 0.04, 10), "low-efficiency");
  EXPECT_EQ(reasons(0.099, 0.04, 10), "");
}

TEST(Threshold, OfTheMeasuredTimeIs200Ms) {
  EXPECT_EQ(Made(Times(10, 19.99)).Reasons(), "short-window");
  EXPECT_EQ(Made(Times(10, 20)).Reasons(), "");
}

TEST(Threshold, OfCleanIsFiveMeasuredSteps) {
  EXPECT_EQ(Made(Times(5, 1000)).Judged().validity(), v1::VALIDITY_CLEAN);
  for (size_t steps = 1; steps < 5; ++steps) {
    const v1::Run run = Made(Times(steps, 1000)).Judged();
    EXPECT_EQ(run.validity(), v1::VALIDITY_UNVERIFIED);
    EXPECT_EQ(run.validity_reasons(), "few-steps");
    EXPECT_EQ(run.assessment().evidence(0).value(), static_cast<double>(steps));
    EXPECT_EQ(run.assessment().evidence(0).threshold(), 5);
  }
}

TEST(Threshold, OfCleanIsSomeWarmUpOutsideOfWarmUpComparisons) {
  Made made(Times(10, 1000));
  made.samples.set_warmup_steps(0);
  EXPECT_EQ(made.Judged().validity(), v1::VALIDITY_UNVERIFIED);
  EXPECT_EQ(made.Reasons(), "no-warmup");
  made.run.set_purpose(v1::PURPOSE_FIT);
  EXPECT_EQ(made.Reasons(), "no-warmup");
  made.run.set_purpose(v1::PURPOSE_WARMUP);
  EXPECT_EQ(made.Judged().validity(), v1::VALIDITY_CLEAN);
}

TEST(Threshold, OfReadingsOnAGpuIsOneAmongTheStepsOrOneOnEachSideWithCounters) {
  EXPECT_EQ(OnGpu(Times(10, 1000)).Reasons(), "no-counters");
  EXPECT_EQ(OnGpu(Times(10, 1000)).AddReading(1e5, 1000, 0).Reasons(), "");
  EXPECT_EQ(OnGpu(Times(10, 1000)).AddReading(999, 1000, 0).Reasons(), "no-counters");
  EXPECT_EQ(OnGpu(Times(10, 1000)).AddReading(1000, 1000, 0).Reasons(), "");
}

TEST(Threshold, OfACalibrationIsOnlyWhatDisturbedIt) {
  // Products in three formats: drift, modes and noise of a series that is none.
  std::vector<double> times = Times(10, 40);
  times.insert(times.end(), 10, 400);
  times.insert(times.end(), 10, 4);
  Made made(times);
  made.samples.set_warmup_steps(0);
  made.run.set_purpose(v1::PURPOSE_CALIBRATE);
  *made.run.mutable_workload() = v1::Workload();
  made.run.mutable_workload()->mutable_calibration();
  EXPECT_EQ(made.Judged().validity(), v1::VALIDITY_CLEAN);
  EXPECT_EQ(made.Foreign(15, 100).Reasons(), "foreign-cpu");
}

TEST(Threshold, OfTheSteadyBandIsNoWiderThanNoiseMayBe) {
  // Noise of 60 %: three standard deviations hold everything, a first step of 2.7 times the rest
  // too.
  std::vector<double> times = {271, 250, 180, 100, 171, 60, 100, 180, 50, 100, 40, 160};
  EXPECT_LE(FindSteadyBand(times)->tolerance, 0.3 * FindSteadyBand(times)->median);
  EXPECT_FALSE(FindSteadyBand(times)->Holds(times[0]));
  EXPECT_NE(FindSettling(times), 0U);
}

std::string PageRow(const std::string& reason) {
  std::ifstream page(TORCHLAP_MEASURE_PAGE);
  for (std::string line; std::getline(page, line);) {
    if (line.rfind("| " + reason, 0) == 0) return line;
  }
  return "";
}

std::string PercentOf(double share) {
  std::ostringstream text;
  text << share * 100 << " %";
  return text.str();
}

TEST(Threshold, StandsOnThePageAsInTheCode) {
  EXPECT_THAT(PageRow("foreign-cpu (CPU)"), HasSubstr(PercentOf(T::kForeignCpuShare)));
  EXPECT_THAT(PageRow("foreign-cpu (CPU)"), HasSubstr(PercentOf(T::kForeignCpuLeastShare)));
  EXPECT_THAT(PageRow("foreign-cpu (CPU)"),
              HasSubstr("at least " + std::to_string(T::kWindowNs / 1'000'000) + " ms"));
  EXPECT_THAT(PageRow("foreign-cpu (CUDA)"), HasSubstr(PercentOf(T::kRunDelayShare)));
  EXPECT_THAT(PageRow("foreign-gpu"), HasSubstr(PercentOf(T::kForeignSmShare)));
  static_assert(T::kFewestDrawnStretches == 2);
  EXPECT_THAT(PageRow("foreign-gpu"), HasSubstr("two stretches"));
  EXPECT_THAT(PageRow("pids-not-translated"),
              HasSubstr(std::to_string(T::kHiddenBytes >> 20U) + " MiB"));
  EXPECT_THAT(PageRow("thermal"), HasSubstr(PercentOf(T::kSlowedShare)));
  EXPECT_THAT(PageRow("clock-drop"), HasSubstr(PercentOf(T::kClockFloor)));
  EXPECT_THAT(PageRow("low-efficiency"), HasSubstr(PercentOf(T::kPeakShare)));
  EXPECT_THAT(PageRow("low-efficiency"),
              HasSubstr(std::to_string(T::kFewestForEfficiency) + " measured steps"));
  EXPECT_THAT(PageRow("short-window"), HasSubstr(std::to_string(T::kShortNs / 1'000'000) + " ms"));
  EXPECT_THAT(PageRow("few-steps"),
              HasSubstr("fewer than " + std::to_string(T::kFewestSteps) + " measured steps"));
  EXPECT_THAT(PageRow("no-warmup"), HasSubstr("no warm-up"));
}

}  // namespace
}  // namespace torchlap::measure
