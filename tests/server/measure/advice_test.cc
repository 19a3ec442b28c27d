#include "server/measure/advice.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "server/measure/launch_runs.h"
#include "server/measure/presets.h"
#include "server/measure/statistics.h"
#include "server/measure/summary.h"
#include "server/measure/validity.h"
#include "tests/server/measure/made_up_times.h"

namespace torchlap::measure {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

v1::Run RunOf(const std::string& preset, v1::PassType pass, uint32_t batch, uint32_t context) {
  v1::Run run;
  v1::TransformerLm& model = *run.mutable_workload()->mutable_transformer_lm();
  model.set_preset(preset);
  EXPECT_TRUE(ResolveShape(&model).ok());
  model.set_pass_type(pass);
  model.set_batch_size(batch);
  model.set_context_length(context);
  run.set_purpose(v1::PURPOSE_MEASURE);
  run.set_outcome(v1::OUTCOME_OK);
  return run;
}

const AdviceContext kCpu{.is_calibrated = true};

// Codes of the advice, in order.
std::vector<v1::AdviceCode> Codes(const v1::Run& run) {
  std::vector<v1::AdviceCode> codes;
  for (const v1::Advice& advice : run.assessment().advice()) codes.push_back(advice.code());
  return codes;
}

using Expected = std::vector<v1::AdviceCode>;

// Undisturbed steps with these times in ms, the first `warmup` of them warm-up.
v1::SampleBlock Steps(const std::vector<double>& times_ms, uint32_t warmup) {
  v1::SampleBlock samples;
  samples.set_warmup_steps(warmup);
  int64_t start = 0;
  for (const double time : times_ms) {
    samples.add_start_ns(start);
    samples.add_step_ns(std::llround(time * 1e6));
    samples.add_foreign_cpu_ns(0);
    samples.add_run_delay_ns(0);
    start += std::llround(time * 1e6);
  }
  return samples;
}

v1::Run Advised(const v1::SampleBlock& samples, const AdviceContext& context = kCpu,
                const Surroundings& around = {}) {
  v1::Run run = RunOf("small", v1::PASS_TYPE_FORWARD_BACKWARD, 4, 256);
  SummariseRun(samples, &run);
  Judge(samples, around, &run);
  Advise(samples, context, &run);
  return run;
}

TEST(Advise, SaysNothingAboutASteadyRun) {
  EXPECT_EQ(Codes(Advised(Steps(MadeUpTimes(1).Normal(20, 100, 1), 5))), Expected{});
}

TEST(Advise, AsksForMoreWarmUpAfterAColdStart) {
  std::vector<double> times = MadeUpTimes(1).Normal(20, 100, 1);
  times[0] = 900;
  times[1] = times[2] = 160;
  const v1::Run run = Advised(Steps(times, 1));
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_MORE_WARMUP});
  EXPECT_EQ(run.assessment().advice(0).number(), 3U);
}

TEST(Advise, AsksForLaunchesAgainstDrift) {
  std::vector<double> times = MadeUpTimes(1).Normal(30, 100, 1);
  for (size_t i = 0; i < times.size(); ++i) times[i] += 2 * static_cast<double>(i);
  const v1::Run run = Advised(Steps(times, 5));
  // Its CV is above 10 % too, but more steps would not help.
  ASSERT_TRUE(run.validity_reasons().find("noise") != std::string::npos);
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_DRIFT});
  EXPECT_EQ(run.assessment().advice(0).number(), 7U);
}

TEST(Advise, PointsAtTwoModes) {
  EXPECT_EQ(Codes(Advised(Steps(MadeUpTimes(5).Bimodal(40, 100, 140, 0.4, 1), 5))),
            Expected{v1::ADVICE_TWO_MODES});
}

// Noise without a trend, modes or correlation, of a CV of 26 %.
std::vector<double> Noisy() {
  std::vector<double> times;
  for (int i = 0; i < 33; ++i) times.push_back(100 + 8 * (i * 7 % 11 - 5));
  return times;
}

TEST(Advise, CountsTheStepsThatPlainNoiseNeeds) {
  const v1::Run run = Advised(Steps(Noisy(), 0));
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_MORE_STEPS});
  // Within 1 % it would take some 2600 steps. Standard deviation 8 sqrt(10 x 33 / 32),
  // t(0.975, 32) = 2.036933.
  const v1::Advice& advice = run.assessment().advice(0);
  EXPECT_EQ(advice.ratio(), 0.02);
  EXPECT_NEAR(static_cast<double>(advice.number()),
              std::pow(2.036933 * 0.08 / 0.02, 2) * 10 * 33 / 32, 1.1);
}

TEST(Advise, TakesThePlansTargetForTheSteps) {
  v1::Run run = RunOf("small", v1::PASS_TYPE_FORWARD_BACKWARD, 4, 256);
  run.mutable_plan()->set_target_precision(0.03);
  const v1::SampleBlock samples = Steps(Noisy(), 0);
  SummariseRun(samples, &run);
  Judge(samples, {}, &run);
  Advise(samples, kCpu, &run);
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_MORE_STEPS});
  EXPECT_EQ(run.assessment().advice(0).ratio(), 0.03);
}

TEST(Advise, NamesTheNeighbourOnce) {
  Surroundings around;
  around.readings.set_neighbour_pid(812);
  around.readings.set_neighbour_process("stress-ng");
  around.readings.set_neighbour_user("ann");
  around.readings.set_neighbour_cpu_ns(400'000'000);
  v1::SampleBlock samples = Steps(MadeUpTimes(1).Normal(20, 400, 1), 5);
  // Twice; the worse of them counts.
  samples.set_foreign_cpu_ns(7, 100'000'000);
  samples.set_foreign_cpu_ns(12, 200'000'000);
  const v1::Run run = Advised(samples, kCpu, around);
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_NEIGHBOUR});
  EXPECT_EQ(run.assessment().advice(0).text(), "stress-ng (pid 812, ann)");
  EXPECT_NEAR(run.assessment().advice(0).ratio(), 0.5, 0.02);
}

TEST(Advise, NamesNobodyWhereThoseWhoComputedHaveEnded) {
  v1::SampleBlock samples = Steps(MadeUpTimes(1).Normal(20, 400, 1), 5);
  samples.set_foreign_cpu_ns(7, 200'000'000);
  const v1::Run run = Advised(samples);
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_NEIGHBOUR});
  EXPECT_EQ(run.assessment().advice(0).text(), "");
}

TEST(Advise, SaysWhyTheClockWasThrottled) {
  Surroundings around;
  around.is_cuda = true;
  for (const int64_t at_ms : {-10, 1000, 1500, 3000}) {
    v1::DeviceReading* reading = around.readings.add_device();
    reading->set_at_ns(at_ms * 1'000'000);
    reading->set_throttle_reasons(at_ms == 1000 ? 0xC8 : 0);
  }
  const v1::Run run = Advised(Steps(MadeUpTimes(1).Normal(20, 100, 1), 5), kCpu, around);
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_THROTTLED});
  EXPECT_EQ(run.assessment().advice(0).text(), "thermal, power-brake");
}

TEST(Advise, PointsAtPrecisionsThatTheDeviceHas) {
  const v1::SampleBlock samples = Steps(MadeUpTimes(1).Normal(20, 100, 1), 5);
  AdviceContext ampere{.is_cuda = true, .has_tf32 = true, .has_bf16 = true, .is_calibrated = true};
  Surroundings around;
  EXPECT_EQ(Codes(Advised(samples, ampere)), (Expected{v1::ADVICE_USE_TF32, v1::ADVICE_USE_BF16}));
  ampere.is_cuda = false;
  EXPECT_EQ(Codes(Advised(samples, ampere)), Expected{});
  EXPECT_EQ(Codes(Advised(samples, {})), Expected{v1::ADVICE_CALIBRATE});
}

TEST(Advise, IsNotGivenToExperimentsAndOtherEnds) {
  for (const v1::Purpose purpose : {v1::PURPOSE_CALIBRATE, v1::PURPOSE_TRACE}) {
    v1::Run run = RunOf("small", v1::PASS_TYPE_FORWARD, 1, 128);
    run.set_purpose(purpose);
    Advise({}, {}, &run);
    EXPECT_FALSE(run.has_assessment());
  }
  v1::Run run = RunOf("small", v1::PASS_TYPE_FORWARD, 1, 128);
  run.set_outcome(v1::OUTCOME_TIMED_OUT);
  Advise({}, {}, &run);
  EXPECT_FALSE(run.has_assessment());
}

TEST(Advise, SaysThatNothingFitsAndThatHalfTheBytesWould) {
  v1::Run run = RunOf("2.7B", v1::PASS_TYPE_FORWARD_BACKWARD, 1, 128);
  run.set_outcome(v1::OUTCOME_SKIPPED);
  AdviceContext context{.device_memory_bytes = 16 * kGiB};
  Advise({}, context, &run);
  ASSERT_EQ(Codes(run), (Expected{v1::ADVICE_NOTHING_FITS, v1::ADVICE_BF16_WEIGHTS_FIT}));
  // 3,406,809,600 parameters, 4 bytes, twice: 25.4 GiB.
  EXPECT_EQ(run.assessment().advice(0).bytes(), 3406809600ULL * 8);
  EXPECT_EQ(run.assessment().advice(0).bytes2(), 16 * kGiB);
  EXPECT_EQ(run.assessment().advice(1).bytes(), 3406809600ULL * 4);
  EXPECT_EQ(run.assessment().memory().weights_bytes(), 3406809600ULL * 4);
  EXPECT_FALSE(run.assessment().memory().has_activations_bytes());
  // Weights of 6.3 GiB in bf16.
  context.device_memory_bytes = 6 * kGiB;
  Advise({}, context, &run);
  EXPECT_EQ(Codes(run), Expected{v1::ADVICE_NOTHING_FITS});
}

TEST(Advise, SaysThatAForwardInBf16WouldFitWhereNothingElseDoes) {
  const struct {
    const char* preset;
    v1::PassType pass;
    uint64_t device_bytes;
    Expected codes;
  } cases[] = {
      // medium, 423,183,360 parameters: 1.58 GiB of weights in fp32, 0.79 in bf16.
      {"medium",
       v1::PASS_TYPE_FORWARD_BACKWARD,
       kGiB * 117 / 100,
       {v1::ADVICE_NOTHING_FITS, v1::ADVICE_FORWARD_BF16_WEIGHTS_FIT}},
      {"medium",
       v1::PASS_TYPE_TRAIN_STEP,
       kGiB,
       {v1::ADVICE_NOTHING_FITS, v1::ADVICE_FORWARD_BF16_WEIGHTS_FIT}},
      {"medium",
       v1::PASS_TYPE_FORWARD,
       kGiB,
       {v1::ADVICE_NOTHING_FITS, v1::ADVICE_BF16_WEIGHTS_FIT}},
      {"medium", v1::PASS_TYPE_FORWARD_BACKWARD, kGiB * 7 / 10, {v1::ADVICE_NOTHING_FITS}},
      // A forward in fp32 fits, which NOTHING_FITS says.
      {"medium", v1::PASS_TYPE_TRAIN_STEP, 2 * kGiB, {v1::ADVICE_NOTHING_FITS}},
  };
  for (const auto& each : cases) {
    v1::Run run = RunOf(each.preset, each.pass, 1, 32);
    run.set_outcome(v1::OUTCOME_SKIPPED);
    Advise({}, {.device_memory_bytes = each.device_bytes}, &run);
    EXPECT_EQ(Codes(run), each.codes) << each.preset << " on " << each.device_bytes;
    const v1::Advice& last = *run.assessment().advice().rbegin();
    if (last.code() != v1::ADVICE_FORWARD_BF16_WEIGHTS_FIT) continue;
    EXPECT_EQ(last.bytes(), 423183360ULL * 2);
    EXPECT_EQ(last.bytes2(), each.device_bytes);
  }
}

TEST(Advise, OfWhatWasSkippedGoesByTheBytesThatRuledItOut) {
  v1::Run run = RunOf("medium", v1::PASS_TYPE_FORWARD_BACKWARD, 4, 256);
  run.set_outcome(v1::OUTCOME_SKIPPED);
  // 3.15 GiB of 3.5, of which an idle display has a half.
  run.mutable_failure()->set_asked_bytes(423183360ULL * 8);
  run.mutable_failure()->set_free_bytes(3 * kGiB);
  run.mutable_failure()->set_total_bytes(3 * kGiB);
  Advise({}, {.device_memory_bytes = kGiB * 7 / 2}, &run);
  EXPECT_EQ(Codes(run), (Expected{v1::ADVICE_NOTHING_FITS, v1::ADVICE_BF16_WEIGHTS_FIT}));
  EXPECT_EQ(run.assessment().advice(0).bytes2(), 3 * kGiB);
}

v1::Run OutOfMemory(v1::PassType pass, uint32_t batch, uint32_t context, v1::Phase phase) {
  v1::Run run = RunOf("small", pass, batch, context);
  run.set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
  run.mutable_failure()->set_phase(phase);
  run.mutable_failure()->set_allocated_bytes(3 * kGiB);
  run.mutable_failure()->set_asked_bytes(kGiB / 4);
  return run;
}

// What gradients and activations need together at a smaller size cannot be told from a failure:
// half of the activations beside all of the gradients was more than such a run takes.
TEST(Advise, LetsFitLookForTheSizeInsteadOfPromisingOne) {
  for (const v1::Phase phase : {v1::PHASE_FORWARD, v1::PHASE_BACKWARD, v1::PHASE_OPTIMIZER}) {
    v1::Run run = OutOfMemory(v1::PASS_TYPE_TRAIN_STEP, 8, 256, phase);
    Advise({}, {.device_memory_bytes = 3 * kGiB}, &run);
    ASSERT_EQ(Codes(run), Expected{v1::ADVICE_FIT});
    const v1::Advice& advice = run.assessment().advice(0);
    EXPECT_EQ(advice.number(), 8U);
    EXPECT_EQ(advice.number2(), 256U);
    EXPECT_EQ(advice.bytes(), 128625408ULL * 16);
    EXPECT_EQ(advice.bytes2(), 3 * kGiB);
  }
}

TEST(Advise, DoesNotSendATryOfFitToFit) {
  v1::Run run = OutOfMemory(v1::PASS_TYPE_TRAIN_STEP, 8, 256, v1::PHASE_BACKWARD);
  run.set_purpose(v1::PURPOSE_FIT);
  Advise({}, {.device_memory_bytes = 3 * kGiB}, &run);
  EXPECT_EQ(Codes(run), Expected{});
}

TEST(Advise, HasNoSizeToLookForBelowTheSmallest) {
  v1::Run run = OutOfMemory(v1::PASS_TYPE_FORWARD, 1, 1, v1::PHASE_FORWARD);
  Advise({}, {.device_memory_bytes = 3 * kGiB}, &run);
  EXPECT_EQ(Codes(run), Expected{});
  run = OutOfMemory(v1::PASS_TYPE_FORWARD, 1, 2, v1::PHASE_FORWARD);
  Advise({}, {.device_memory_bytes = 3 * kGiB}, &run);
  EXPECT_EQ(Codes(run), Expected{v1::ADVICE_FIT});
}

TEST(MemoryParts, OfAnOutOfMemoryCountOnlyWhatWasThere) {
  v1::Run run = RunOf("small", v1::PASS_TYPE_TRAIN_STEP, 8, 256);
  run.set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
  run.mutable_failure()->set_allocated_bytes(4 * kGiB);
  const uint64_t weights = 128625408ULL * 4;
  run.mutable_failure()->set_phase(v1::PHASE_FORWARD);
  EXPECT_EQ(PartsOfMemory(run, false).activations_bytes(), 4 * kGiB - weights);
  EXPECT_EQ(PartsOfMemory(run, true).activations_bytes(), 4 * kGiB - 3 * weights);
  run.mutable_failure()->set_phase(v1::PHASE_BACKWARD);
  EXPECT_EQ(PartsOfMemory(run, false).activations_bytes(), 4 * kGiB - 2 * weights);
  run.mutable_failure()->set_allocated_bytes(kGiB / 8);
  EXPECT_EQ(PartsOfMemory(run, false).activations_bytes(), 0U);
  run.mutable_failure()->clear_allocated_bytes();
  EXPECT_FALSE(PartsOfMemory(run, false).has_activations_bytes());
}

TEST(MemoryParts, OfASuccessComeFromTheLargestPeak) {
  v1::Run run = RunOf("small", v1::PASS_TYPE_FORWARD, 1, 128);
  EXPECT_FALSE(PartsOfMemory(run, true).has_activations_bytes());
  run.mutable_memory()->set_peak_allocated_bytes(kGiB);
  run.mutable_memory()->set_first_step_peak_allocated_bytes(2 * kGiB);
  const v1::MemoryParts parts = PartsOfMemory(run, true);
  EXPECT_EQ(parts.gradients_bytes(), 0U);
  EXPECT_EQ(parts.activations_bytes(), 2 * kGiB - 128625408ULL * 4);
}

// Contaminated throughout, after `tries` that were so too.
v1::Run StillDisturbed(uint32_t tries, uint32_t allowed) {
  v1::SampleBlock samples = Steps(MadeUpTimes(1).Normal(20, 400, 1), 5);
  for (int i = 5; i < 20; ++i) samples.set_foreign_cpu_ns(i, 200'000'000);
  v1::Run run = RunOf("small", v1::PASS_TYPE_FORWARD_BACKWARD, 4, 256);
  run.mutable_plan()->set_retry_contaminated(allowed);
  run.set_contaminated_tries(tries);
  SummariseRun(samples, &run);
  Judge(samples, {}, &run);
  Advise(samples, kCpu, &run);
  return run;
}

TEST(Advise, WantsAQuietDeviceOnceAllTriesWereContaminated) {
  const v1::Run run = StillDisturbed(3, 3);
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_QUIET_DEVICE});
  EXPECT_EQ(run.assessment().advice(0).number(), 4U);
  EXPECT_EQ(run.assessment().advice(0).number2(), 4U);
  EXPECT_NEAR(run.assessment().advice(0).ratio(), 0.5, 0.02);
  EXPECT_EQ(Codes(StillDisturbed(2, 3)), Expected{v1::ADVICE_NEIGHBOUR});
  EXPECT_EQ(Codes(StillDisturbed(0, 0)), Expected{v1::ADVICE_NEIGHBOUR});
}

TEST(Advise, CountsTheStepsThatTheCountersNeed) {
  // 10 steps of 2 ms are 20 ms; 200 ms are 100, and a fifth more is 120.
  v1::Run run = Advised(Steps(std::vector<double>(15, 2), 5));
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_LONGER_WINDOW});
  EXPECT_EQ(run.assessment().advice(0).number(), 120U);
  // Two steps would do, but five are the least that a verdict takes.
  run = Advised(Steps({150, 150}, 1));
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_LONGER_WINDOW});
  EXPECT_EQ(run.assessment().advice(0).number(), 5U);
  EXPECT_EQ(Codes(Advised(Steps(std::vector<double>(15, 21), 5))), Expected{});
}

TEST(Advise, NamesOneNumberOfStepsWhereNoiseAndCountersBothWantMore) {
  // 33 steps of some 2 ms: too short, and noisy.
  std::vector<double> times = Noisy();
  for (double& time : times) time /= 50;
  const v1::Run run = Advised(Steps(times, 1));
  EXPECT_EQ(run.validity_reasons(), "noise,short-window");
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_MORE_STEPS});
  EXPECT_GE(run.assessment().advice(0).number(), 120U);
}

TEST(Advise, DoesNotLengthenExperiments) {
  for (const v1::Purpose purpose : {v1::PURPOSE_FIT, v1::PURPOSE_WARMUP}) {
    v1::Run run = RunOf("small", v1::PASS_TYPE_FORWARD, 1, 128);
    run.set_purpose(purpose);
    const v1::SampleBlock samples = Steps(std::vector<double>(15, 2), 5);
    SummariseRun(samples, &run);
    Judge(samples, {}, &run);
    Advise(samples, kCpu, &run);
    EXPECT_EQ(run.validity_reasons(), "short-window");
    EXPECT_EQ(Codes(run), Expected{});
  }
}

// After a warm-up step 5 of a CV of 170 %: 2,200 would bring the mean to ± 10 %.
v1::Run FiveNoisySteps(double scale) {
  v1::Run run = RunOf("small", v1::PASS_TYPE_FORWARD, 1, 128);
  const v1::SampleBlock samples =
      Steps({10 * scale, 5 * scale, 10 * scale, 6 * scale, 8 * scale, 120 * scale}, 1);
  SummariseRun(samples, &run);
  Judge(samples, {}, &run);
  Advise(samples, kCpu, &run);
  return run;
}

TEST(Advise, AsksForNoStepsThatWouldTakeForEver) {
  // 1.49 s: the counters saw all of it.
  const v1::Run run = FiveNoisySteps(10);
  ASSERT_EQ(run.validity_reasons(), "noise");
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_NOISE_REMAINS});
  EXPECT_GT(run.assessment().advice(0).number(), 1000U);
  EXPECT_EQ(run.assessment().advice(0).ratio(), 0.1);
}

TEST(Advise, WantsALongerWindowFirstWhereTheNoiseOfAShortOneIsTooMuch) {
  for (const double scale : {0.1, 0.5, 1.0}) {
    const v1::Run run = FiveNoisySteps(scale);
    ASSERT_EQ(run.validity_reasons(), "noise,short-window");
    ASSERT_EQ(Codes(run), Expected{v1::ADVICE_LONGER_WINDOW});
    EXPECT_LT(run.assessment().advice(0).number(), 100U);
  }
}

TEST(Advise, AsksForNoMoreThanAnHourOfSteps) {
  // 1, 2, 5 and 10 % would take some 2550, 640, 100 and 26 steps; there are 32.
  const auto steps_of = [](double seconds) {
    std::vector<double> times = Noisy();
    for (double& time : times) time *= 10 * seconds;
    return Steps(times, 1);
  };
  const v1::Run quick = Advised(steps_of(0.1));
  ASSERT_EQ(Codes(quick), Expected{v1::ADVICE_MORE_STEPS});
  EXPECT_EQ(quick.assessment().advice(0).ratio(), 0.02);
  const v1::Run slower = Advised(steps_of(10));
  ASSERT_EQ(Codes(slower), Expected{v1::ADVICE_MORE_STEPS});
  EXPECT_EQ(slower.assessment().advice(0).ratio(), 0.05);
  EXPECT_EQ(Codes(Advised(steps_of(40))), Expected{});
}

TEST(Advise, TakesAPlansTargetThatAnHourIsEnoughFor) {
  for (const double factor : {1, 400}) {
    std::vector<double> times = Noisy();
    for (double& time : times) time *= factor;
    const v1::SampleBlock samples = Steps(times, 1);
    v1::Run run = RunOf("small", v1::PASS_TYPE_FORWARD, 1, 128);
    run.mutable_plan()->set_target_precision(0.01);
    SummariseRun(samples, &run);
    Judge(samples, {}, &run);
    Advise(samples, kCpu, &run);
    ASSERT_EQ(Codes(run), Expected{factor == 1 ? v1::ADVICE_MORE_STEPS : v1::ADVICE_NOISE_REMAINS});
    EXPECT_GT(run.assessment().advice(0).number(), 2000U);
    EXPECT_EQ(run.assessment().advice(0).ratio(), 0.01);
  }
}

TEST(Advise, LeavesTheTimesOfATryOfFitAlone) {
  for (const uint32_t measured : {1U, 10U}) {
    v1::Run run = RunOf("small", v1::PASS_TYPE_FORWARD, 1, 128);
    run.set_purpose(v1::PURPOSE_FIT);
    v1::SampleBlock samples = Steps(std::vector<double>(measured + 1, 400), 1);
    for (uint32_t i = 1; i <= measured; ++i) {
      samples.set_foreign_cpu_ns(static_cast<int>(i), 200'000'000);
    }
    SummariseRun(samples, &run);
    Judge(samples, {}, &run);
    ASSERT_EQ(run.validity(), v1::VALIDITY_CONTAMINATED);
    Advise(samples, {}, &run);
    // The verification has the whole plan.
    EXPECT_EQ(Codes(run),
              measured == 1 ? Expected{} : (Expected{v1::ADVICE_NEIGHBOUR, v1::ADVICE_CALIBRATE}));
  }
}

TEST(Advise, DistrustsAPeakThatARunExceeds) {
  v1::Run run = RunOf("small", v1::PASS_TYPE_FORWARD, 1, 128);
  run.set_matmul_peak_ratio(1.14);
  run.set_calibration_run_id("4.1");
  Advise({}, {.is_calibrated = true, .calibration_load = 7.7}, &run);
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_CALIBRATE_AGAIN});
  EXPECT_EQ(run.assessment().advice(0).text(), "4.1");
  EXPECT_EQ(run.assessment().advice(0).ratio(), 7.7);
  run.set_matmul_peak_ratio(1);
  Advise({}, {.is_calibrated = true, .calibration_load = 7.7}, &run);
  EXPECT_EQ(Codes(run), Expected{});
}

v1::Run NoisyLaunch(uint32_t launch, double spread, uint32_t launches = 3) {
  std::vector<double> times;
  for (int i = 0; i < 33; ++i) times.push_back(100 + spread * (i * 7 % 11 - 5));
  const v1::SampleBlock samples = Steps(times, 1);
  v1::Run run = RunOf("small", v1::PASS_TYPE_FORWARD_BACKWARD, 4, 256);
  run.set_launch(launch);
  run.set_number(launch);
  run.mutable_plan()->set_launches(launches);
  SummariseRun(samples, &run);
  Judge(samples, {}, &run);
  Advise(samples, kCpu, &run);
  return run;
}

TEST(Advise, OnACellIsOneNumberOfStepsForAllItsLaunches) {
  // Of each launch alone another number.
  EXPECT_NE(NoisyLaunch(1, 6, 1).assessment().advice(0).number(),
            NoisyLaunch(1, 8, 1).assessment().advice(0).number());
  const std::vector<v1::Run> launches = {NoisyLaunch(1, 6), NoisyLaunch(2, 8), NoisyLaunch(3, 5)};
  for (const v1::Run& launch : launches) EXPECT_EQ(Codes(launch), Expected{});
  const v1::Run cell = CellOf(launches);
  ASSERT_EQ(Codes(cell), Expected{v1::ADVICE_MORE_STEPS});
  // That of the noisiest.
  EXPECT_EQ(cell.assessment().advice(0).number(),
            NoisyLaunch(1, 8, 1).assessment().advice(0).number());
  // Also where it is the only one yet.
  EXPECT_EQ(Codes(CellOf({NoisyLaunch(1, 8)})), Expected{v1::ADVICE_MORE_STEPS});
}

TEST(Advise, PointsAtADeviceThatWaitsForTheHost) {
  const v1::SampleBlock steady = Steps(MadeUpTimes(1).Normal(20, 100, 1), 5);
  AdviceContext gpu{.is_cuda = true, .is_calibrated = true};
  for (const double busy : {0.05, 0.4, 0.79}) {
    gpu.device_busy_ratio = busy;
    const v1::Run run = Advised(steady, gpu);
    ASSERT_EQ(Codes(run), Expected{v1::ADVICE_HOST_BOUND}) << busy;
    EXPECT_EQ(run.assessment().advice(0).ratio(), busy);
    EXPECT_EQ(run.assessment().advice(0).number(), 8U) << "twice the batch";
  }
  gpu.device_busy_ratio = 0.8;
  EXPECT_EQ(Codes(Advised(steady, gpu)), Expected{});
  gpu.device_busy_ratio.reset();
  EXPECT_EQ(Codes(Advised(steady, gpu)), Expected{});
  AdviceContext cpu = kCpu;
  cpu.device_busy_ratio = 0.1;
  EXPECT_EQ(Codes(Advised(steady, cpu)), Expected{});
}

TEST(Advise, NearTheLimitCountsWhatWasFreeAtTheStart) {
  const auto advised = [](uint64_t free_bytes, std::optional<uint64_t> foreign_bytes) {
    v1::Run run = RunOf("large", v1::PASS_TYPE_TRAIN_STEP, 4, 256);  // holds 14.4 GiB
    run.set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
    if (free_bytes > 0) run.mutable_memory()->set_device_free_bytes(free_bytes);
    if (foreign_bytes) run.mutable_memory()->set_device_foreign_bytes(*foreign_bytes);
    Advise({}, {.is_cuda = true, .is_calibrated = true, .device_memory_bytes = 15 * kGiB}, &run);
    return run;
  };
  EXPECT_EQ(Codes(advised(0, std::nullopt)), Expected{v1::ADVICE_FIT});
  const v1::Run tight = advised(14 * kGiB, kGiB / 2);
  EXPECT_EQ(Codes(tight)[0], v1::ADVICE_NOTHING_FITS) << "a display stays";
  EXPECT_EQ(tight.assessment().advice(0).bytes2(), 14 * kGiB);
  const v1::Run neighbour = advised(10 * kGiB, 5 * kGiB - kGiB / 4);
  EXPECT_EQ(Codes(neighbour), Expected{v1::ADVICE_FIT}) << "it may give back what it holds";
}

// An eighth of it, not 1 GiB: as storage/own_fault.h judges whose fault it was.
TEST(Advise, OfASmallDeviceTakesForIdleWhatIsIdleElsewhere) {
  const auto advised = [](uint64_t foreign_bytes) {
    v1::Run run = RunOf("medium", v1::PASS_TYPE_FORWARD_BACKWARD, 4, 256);  // holds 3.15 GiB
    run.set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
    run.mutable_memory()->set_device_total_bytes(4 * kGiB);
    run.mutable_memory()->set_device_free_bytes(3 * kGiB);
    run.mutable_memory()->set_device_foreign_bytes(foreign_bytes);
    Advise({}, {.is_cuda = true, .is_calibrated = true}, &run);
    return run;
  };
  EXPECT_EQ(Codes(advised(kGiB / 2))[0], v1::ADVICE_NOTHING_FITS) << "a display";
  const v1::Run neighbour = advised(kGiB * 3 / 4);
  ASSERT_EQ(Codes(neighbour), Expected{v1::ADVICE_FIT});
  EXPECT_EQ(neighbour.assessment().advice(0).bytes2(), kGiB * 15 / 4);
}

}  // namespace
}  // namespace torchlap::measure
