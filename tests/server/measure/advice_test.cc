#include "server/measure/advice.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

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
  v1::SampleBlock samples = Steps(MadeUpTimes(1).Normal(20, 400, 1), 5);
  samples.set_foreign_cpu_ns(7, 200'000'000);
  samples.set_foreign_cpu_ns(12, 200'000'000);
  const v1::Run run = Advised(samples, kCpu, around);
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_NEIGHBOUR});
  EXPECT_EQ(run.assessment().advice(0).text(), "stress-ng (pid 812, ann)");
  EXPECT_NEAR(run.assessment().advice(0).ratio(), 0.5, 0.02);
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
  context.device_memory_bytes = 8 * kGiB;
  Advise({}, context, &run);
  EXPECT_EQ(Codes(run), Expected{v1::ADVICE_NOTHING_FITS});
}

TEST(Advise, FindsTheSizeThatFitsByWhatWasSeen) {
  v1::Run run = RunOf("small", v1::PASS_TYPE_FORWARD_BACKWARD, 8, 256);
  run.set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
  run.mutable_failure()->set_phase(v1::PHASE_BACKWARD);
  run.mutable_failure()->set_allocated_bytes(3 * kGiB);
  run.mutable_failure()->set_asked_bytes(kGiB / 4);
  Advise({}, {.device_memory_bytes = 2 * kGiB}, &run);
  ASSERT_EQ(Codes(run), Expected{v1::ADVICE_SMALLER_FITS});
  const v1::MemoryParts& parts = run.assessment().memory();
  const uint64_t weights = 128625408ULL * 4;
  EXPECT_EQ(parts.gradients_bytes(), weights);
  EXPECT_EQ(parts.optimizer_bytes(), 0U);
  EXPECT_EQ(parts.activations_bytes(), 3 * kGiB + kGiB / 4 - 2 * weights);
  const v1::Advice& advice = run.assessment().advice(0);
  // 0.96 GiB and 2.29 GiB x 2 / 8 = 1.53 GiB; at batch 4 it would be 2.1 GiB.
  EXPECT_EQ(advice.number(), 2U);
  EXPECT_EQ(advice.number2(), 256U);
  EXPECT_EQ(advice.bytes(), 2 * weights + parts.activations_bytes() / 4);
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

TEST(Forecast, ScalesWithTheBatchAndFasterWithTheContextOfExplicitAttention) {
  v1::Workload workload = RunOf("small", v1::PASS_TYPE_FORWARD, 4, 256).workload();
  v1::MemoryParts parts;
  EXPECT_EQ(ForecastBytes(workload, parts, {2, 256}), std::nullopt);
  parts.set_weights_bytes(1000);
  parts.set_activations_bytes(800'000);
  EXPECT_EQ(ForecastBytes(workload, parts, {4, 256}), 801'000U);
  EXPECT_EQ(ForecastBytes(workload, parts, {2, 256}), 401'000U);
  const uint64_t explicit_half = *ForecastBytes(workload, parts, {4, 128}) - 1000;
  EXPECT_LT(explicit_half, 400'000U);
  EXPECT_GT(explicit_half, 200'000U);
  workload.mutable_transformer_lm()->set_attention(v1::ATTENTION_SDPA);
  EXPECT_EQ(ForecastBytes(workload, parts, {4, 128}), 401'000U);
}

TEST(Forecast, ShrinksTheContextOnceTheBatchIsOne) {
  v1::Workload workload = RunOf("small", v1::PASS_TYPE_FORWARD, 2, 256).workload();
  workload.mutable_transformer_lm()->set_attention(v1::ATTENTION_SDPA);
  v1::MemoryParts parts;
  parts.set_weights_bytes(1000);
  parts.set_activations_bytes(8000);
  const auto size = FindSizeThatFits(workload, parts, 2500);
  ASSERT_TRUE(size);
  EXPECT_EQ(size->size.batch_size, 1U);
  EXPECT_EQ(size->size.context_length, 64U);
  EXPECT_EQ(size->bytes, 2000U);
  EXPECT_FALSE(FindSizeThatFits(workload, parts, 1000));
}

}  // namespace
}  // namespace torchlap::measure
