#include "server/measure/validity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/measure/presets.h"
#include "server/measure/summary.h"
#include "server/measure/workload_kind.h"

namespace torchlap::measure {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kStart = 5'000'000'000;

// Steps of `step_ms` one after the other from kStart, none of them disturbed.
v1::SampleBlock Steps(size_t steps, uint32_t warmup, int64_t step_ms) {
  v1::SampleBlock samples;
  samples.set_warmup_steps(warmup);
  for (size_t i = 0; i < steps; ++i) {
    samples.add_start_ns(kStart + static_cast<int64_t>(i) * step_ms * kMs);
    // Hardly noisy: equal times would have no spread at all.
    samples.add_step_ns(step_ms * kMs - static_cast<int64_t>(i % 3) * 1000);
    samples.add_foreign_cpu_ns(0);
    samples.add_run_delay_ns(0);
  }
  return samples;
}

v1::Run OkRun() {
  v1::Run run;
  v1::TransformerLm& model = *run.mutable_workload()->mutable_transformer_lm();
  model.set_preset("small");
  model.set_batch_size(1);
  model.set_context_length(128);
  model.set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
  EXPECT_TRUE(ResolveShape(&model).ok());
  run.set_outcome(v1::OUTCOME_OK);
  run.set_purpose(v1::PURPOSE_MEASURE);
  return run;
}

v1::Run Judged(const v1::SampleBlock& samples, const Surroundings& around = {}) {
  v1::Run run = OkRun();
  SummariseRun(samples, &run);
  Judge(samples, around, &run);
  return run;
}

// A block whose steps from..to (both included) had `ms` of foreign CPU time each.
v1::SampleBlock Disturbed(v1::SampleBlock samples, int from, int to, int64_t ms) {
  for (int i = from; i <= to; ++i) samples.set_foreign_cpu_ns(i, ms * kMs);
  return samples;
}

TEST(Judge, FindsAnUndisturbedRunClean) {
  const v1::Run run = Judged(Steps(15, 5, 100));
  EXPECT_EQ(run.validity(), v1::VALIDITY_CLEAN);
  EXPECT_EQ(run.validity_reasons(), "");
  EXPECT_EQ(run.assessment().evidence_size(), 0);
}

TEST(Judge, GivesNoVerdictOnWhatWasNotMeasured) {
  const v1::SampleBlock samples = Steps(15, 5, 100);
  for (const v1::Outcome outcome : {v1::OUTCOME_OUT_OF_MEMORY, v1::OUTCOME_CANCELLED}) {
    v1::Run run = OkRun();
    run.set_outcome(outcome);
    Judge(samples, {}, &run);
    EXPECT_EQ(run.validity(), v1::VALIDITY_UNSPECIFIED);
  }
  EXPECT_EQ(Judged(Steps(5, 5, 100)).validity(), v1::VALIDITY_UNSPECIFIED);
  v1::Run trace = OkRun();
  trace.set_purpose(v1::PURPOSE_TRACE);
  Judge(samples, {}, &trace);
  EXPECT_EQ(trace.validity(), v1::VALIDITY_UNSPECIFIED);
}

TEST(Judge, HowADeviceWasBeforeIsANoteAndComesFirst) {
  Surroundings around;
  for (const v1::Reason reason :
       {v1::REASON_SETTLED, v1::REASON_NOT_SETTLED, v1::REASON_SETTINGS_MISSING}) {
    around.before.emplace_back().set_reason(reason);
  }
  v1::Run run = Judged(Steps(15, 5, 100), around);
  EXPECT_EQ(run.validity(), v1::VALIDITY_CLEAN);
  EXPECT_EQ(run.validity_reasons(), "");
  EXPECT_EQ(run.assessment().evidence_size(), 3);
  run = Judged(Disturbed(Steps(15, 5, 300), 8, 9, 150), around);
  EXPECT_EQ(run.validity_reasons(), "foreign-cpu");
  EXPECT_EQ(run.assessment().evidence(0).reason(), v1::REASON_SETTLED);
}

TEST(Judge, ReplacesAnOlderVerdict) {
  const v1::SampleBlock quiet = Steps(15, 5, 300);
  v1::Run run = Judged(Disturbed(quiet, 8, 9, 150));
  Judge(quiet, {}, &run);
  EXPECT_EQ(run.validity(), v1::VALIDITY_CLEAN);
  EXPECT_EQ(run.validity_reasons(), "");
  EXPECT_EQ(run.assessment().evidence_size(), 0);
}

TEST(Judge, MarksTheStepsOfANeighbourOnTheCoresAndNamesIt) {
  Surroundings around;
  around.readings.set_neighbour_pid(812);
  around.readings.set_neighbour_process("stress-ng");
  around.readings.set_neighbour_user("ann");
  around.readings.set_neighbour_cpu_ns(450 * kMs);
  const v1::Run run = Judged(Disturbed(Steps(15, 5, 300), 8, 10, 150), around);
  EXPECT_EQ(run.validity(), v1::VALIDITY_CONTAMINATED);
  EXPECT_EQ(run.validity_reasons(), "foreign-cpu");
  ASSERT_EQ(run.assessment().evidence_size(), 1);
  const v1::Evidence& evidence = run.assessment().evidence(0);
  EXPECT_EQ(evidence.first_step(), 8U);
  EXPECT_EQ(evidence.last_step(), 10U);
  EXPECT_NEAR(evidence.value(), 0.5, 1e-9);
  EXPECT_EQ(evidence.threshold(), 0.05);
  EXPECT_EQ(evidence.pid(), 812);
  EXPECT_EQ(evidence.process(), "stress-ng");
  EXPECT_EQ(evidence.user(), "ann");
  EXPECT_NEAR(evidence.process_value(), 0.5, 1e-9);
}

// 60 steps in which others had half of the core's time: 9 s in all, of which a process had these.
v1::Evidence BesideOthers(int64_t neighbour_ms, bool is_cuda = false) {
  Surroundings around;
  around.is_cuda = is_cuda;
  around.readings.set_neighbour_pid(31945);
  around.readings.set_neighbour_process("as");
  around.readings.set_neighbour_user("root");
  around.readings.set_neighbour_cpu_ns(neighbour_ms * kMs);
  v1::SampleBlock samples = Disturbed(Steps(62, 2, 300), 2, 61, 150);
  if (is_cuda) {
    for (int i = 2; i < 62; ++i) samples.set_run_delay_ns(i, 150 * kMs);
  }
  const v1::Run run = Judged(samples, around);
  EXPECT_GE(run.assessment().evidence_size(), 1);
  return run.assessment().evidence(0);
}

TEST(Judge, GivesAProcessItsOwnPartOfWhatOthersHad) {
  for (const int64_t ms : {540, 4500, 8100}) {
    const v1::Evidence evidence = BesideOthers(ms);
    EXPECT_NEAR(evidence.value(), 0.5, 1e-6);
    EXPECT_EQ(evidence.pid(), 31945) << ms;
    EXPECT_NEAR(evidence.process_value(), 0.5 * static_cast<double>(ms) / 9000, 1e-6) << ms;
  }
  // What it computed on other cores too is no part of it.
  EXPECT_NEAR(BesideOthers(60'000).process_value(), 0.5, 1e-6);
}

TEST(Judge, NamesNoProcessThatHadNoPartWorthNaming) {
  // From 1 % of the device's time on: 180 ms of 18 s.
  EXPECT_EQ(BesideOthers(181).pid(), 31945);
  for (const int64_t ms : {0, 10, 179}) {
    const v1::Evidence evidence = BesideOthers(ms);
    EXPECT_EQ(evidence.pid(), 0) << ms;
    EXPECT_EQ(evidence.process(), "");
    EXPECT_EQ(evidence.user(), "");
    EXPECT_TRUE(evidence.has_process_value());
    EXPECT_LT(evidence.process_value(), 0.01);
  }
}

TEST(JudgeOnAGpu, TakesTheNeighboursPartOfTheTimeThatThreadsWaited) {
  EXPECT_NEAR(BesideOthers(900, true).process_value(), 0.05, 1e-6);
  // Threads may wait for each other: that nobody is named does not mean that somebody has ended.
  EXPECT_EQ(BesideOthers(10, true).pid(), 0);
  EXPECT_FALSE(BesideOthers(10, true).has_process_value());
}

TEST(Judge, TellsTwoDisturbancesApart) {
  const v1::Run run = Judged(Disturbed(Disturbed(Steps(15, 5, 300), 6, 6, 100), 12, 14, 100));
  ASSERT_EQ(run.assessment().evidence_size(), 2);
  EXPECT_EQ(run.assessment().evidence(0).last_step(), 6U);
  EXPECT_EQ(run.assessment().evidence(1).first_step(), 12U);
  EXPECT_EQ(run.assessment().evidence(1).last_step(), 14U);
}

TEST(Judge, LetsTheWarmUpBeDisturbed) {
  EXPECT_EQ(Judged(Disturbed(Steps(15, 5, 300), 0, 4, 200)).validity(), v1::VALIDITY_CLEAN);
}

TEST(Judge, CountsStepsFromTheBlocksFirst) {
  v1::SampleBlock samples = Disturbed(Steps(10, 5, 300), 4, 4, 100);
  samples.set_first_step(2);
  const v1::Run run = Judged(samples);
  ASSERT_EQ(run.assessment().evidence_size(), 1);
  EXPECT_EQ(run.assessment().evidence(0).first_step(), 6U);
}

TEST(Judge, JudgesShortStepsTogetherBecauseTicksAreLong) {
  // One tick of 10 ms in each of a few steps of 20 ms: half of that step, but one tick.
  v1::SampleBlock ticks = Steps(105, 5, 20);
  for (const int step : {20, 60, 90}) ticks.set_foreign_cpu_ns(step, 10 * kMs);
  EXPECT_EQ(Judged(ticks).validity(), v1::VALIDITY_CLEAN);
  // Three in a row are no accident. Windows of 200 ms are ten steps, from step 5 on.
  const v1::Run run = Judged(Disturbed(ticks, 40, 42, 10));
  EXPECT_EQ(run.validity_reasons(), "foreign-cpu");
  EXPECT_EQ(run.assessment().evidence(0).first_step(), 35U);
  EXPECT_EQ(run.assessment().evidence(0).last_step(), 44U);
}

TEST(Judge, TakesTwoTicksForRealWhereTheWorkerWaitedToo) {
  v1::SampleBlock samples = Steps(105, 5, 20);
  samples.set_foreign_cpu_ns(50, 20 * kMs);
  EXPECT_EQ(Judged(samples).validity(), v1::VALIDITY_CLEAN);
  samples.set_run_delay_ns(50, 15 * kMs);
  EXPECT_EQ(Judged(samples).validity(), v1::VALIDITY_CONTAMINATED);
}

TEST(Judge, FindsAConstantNeighbourThatNoWindowShows) {
  // 8 % of each window of 200 ms is 16 ms, below three ticks; of the whole it is 8 %.
  v1::SampleBlock samples = Disturbed(Steps(25, 5, 200), 5, 24, 16);
  const v1::Run run = Judged(samples);
  ASSERT_EQ(run.assessment().evidence_size(), 1);
  EXPECT_EQ(run.assessment().evidence(0).first_step(), 5U);
  EXPECT_EQ(run.assessment().evidence(0).last_step(), 24U);
  EXPECT_NEAR(run.assessment().evidence(0).value(), 0.08, 1e-6);
  EXPECT_EQ(Judged(Disturbed(samples, 5, 24, 8)).validity(), v1::VALIDITY_CLEAN);
}

TEST(Judge, AllowsManyCoresALesserShareOfForeignTime) {
  Surroundings around;
  around.cores = 2;
  // Half a core of 2 is far above 5 %.
  v1::SampleBlock samples = Disturbed(Steps(15, 5, 300), 8, 9, 150);
  EXPECT_NEAR(Judged(samples, around).assessment().evidence(0).value(), 0.25, 1e-9);
  around.cores = 16;
  // One core of 16 is 6 %, above 0.5 / 16.
  samples = Disturbed(samples, 8, 9, 300);
  const v1::Run run = Judged(samples, around);
  ASSERT_EQ(run.assessment().evidence_size(), 1);
  EXPECT_NEAR(run.assessment().evidence(0).threshold(), 0.03125, 1e-9);
  around.cores = 200;
  EXPECT_EQ(Judged(samples, around).validity(), v1::VALIDITY_CLEAN);
}

TEST(Judge, CallsARunWithoutCountersUnverified) {
  v1::SampleBlock samples = Steps(15, 5, 100);
  samples.clear_foreign_cpu_ns();
  samples.clear_run_delay_ns();
  const v1::Run run = Judged(samples);
  EXPECT_EQ(run.validity(), v1::VALIDITY_UNVERIFIED);
  EXPECT_EQ(run.validity_reasons(), "no-counters");
}

TEST(Judge, CallsAShortRunUnverified) {
  const v1::Run run = Judged(Steps(15, 5, 19));
  EXPECT_EQ(run.validity(), v1::VALIDITY_UNVERIFIED);
  EXPECT_EQ(run.validity_reasons(), "short-window");
  EXPECT_NEAR(run.assessment().evidence(0).value(), 0.19, 1e-3);
  EXPECT_EQ(Judged(Steps(16, 5, 19)).validity(), v1::VALIDITY_CLEAN);
}

TEST(Judge, SuspectsWhatTheTimesSayAboutThemselves) {
  v1::SampleBlock samples = Steps(20, 5, 100);
  samples.set_step_ns(5, 400 * kMs);
  samples.set_step_ns(6, 150 * kMs);
  const v1::Run run = Judged(samples);
  EXPECT_EQ(run.validity(), v1::VALIDITY_SUSPECT);
  EXPECT_EQ(run.validity_reasons(), "cold-start,noise");
  EXPECT_EQ(run.assessment().evidence(0).first_step(), 5U);
  EXPECT_EQ(run.assessment().evidence(0).last_step(), 6U);
}

TEST(Judge, TakesTheWorstOfSeveralReasonsAndKeepsThemAll) {
  v1::SampleBlock samples = Disturbed(Steps(20, 5, 300), 12, 13, 150);
  samples.set_step_ns(5, 1200 * kMs);
  const v1::Run run = Judged(samples);
  EXPECT_EQ(run.validity(), v1::VALIDITY_CONTAMINATED);
  EXPECT_EQ(run.validity_reasons(), "foreign-cpu,cold-start,noise");
}

TEST(Judge, SuspectsHalfTheFlopsOfASmallerSibling) {
  const v1::SampleBlock samples = Steps(15, 5, 100);
  Surroundings around;
  around.sibling = {Judged(samples).flops_per_s() * 2.5, "4.1"};
  const v1::Run run = Judged(samples, around);
  EXPECT_EQ(run.validity(), v1::VALIDITY_SUSPECT);
  EXPECT_EQ(run.validity_reasons(), "low-efficiency");
  EXPECT_EQ(run.assessment().evidence(0).run_id(), "4.1");
  EXPECT_NEAR(run.assessment().evidence(0).value(), 0.4, 1e-9);
  around.sibling->flops_per_s /= 1.5;
  EXPECT_EQ(Judged(samples, around).validity(), v1::VALIDITY_CLEAN);
}

TEST(Judge, SuspectsAFractionOfTheMatmulPeakInLargeStepsOnly) {
  Surroundings around;
  const double flops = KindOf(OkRun().workload()).StepFlops(OkRun().workload());
  // At the peak the step would take 0.2 s; it takes 10 s.
  around.calibration = {flops / 0.2, "2.1"};
  EXPECT_EQ(Judged(Steps(15, 5, 10000), around).validity_reasons(), "low-efficiency");
  // 0.01 s and 0.5 s.
  around.calibration = {flops / 0.01, "2.1"};
  EXPECT_EQ(Judged(Steps(15, 5, 500), around).validity(), v1::VALIDITY_CLEAN);
}

// What the driver told of our worker at questions in this distance, from and until these ms after
// the first step began.
std::vector<UseStretch> Asked(int64_t from_ms, int64_t until_ms, int64_t every_ms = 10) {
  std::vector<UseStretch> told;
  for (int64_t ms = from_ms; ms < until_ms; ms += every_ms) {
    told.push_back({kStart + ms * kMs, kStart + (ms + every_ms) * kMs, 0.9});
  }
  return told;
}

// Surroundings of a GPU, with readings before, after and `during` (ms after the first step began).
// Others were looked for all the while, and nobody is there.
Surroundings Gpu(const std::vector<int64_t>& during) {
  Surroundings around;
  around.is_cuda = true;
  around.gpu.tells_use = true;
  around.gpu.has_own_pids = true;
  around.gpu.has_worker = true;
  around.gpu.of_worker = Asked(0, 2000);
  around.gpu.looks = {{kStart - 100 * kMs, 1, 0}};
  std::vector<int64_t> at = {-100};
  at.insert(at.end(), during.begin(), during.end());
  at.push_back(100000);
  for (const int64_t ms : at) {
    v1::DeviceReading* reading = around.readings.add_device();
    reading->set_at_ns(kStart + ms * kMs);
    reading->set_sm_mhz(1700);
    reading->set_throttle_reasons(0);
    reading->set_thermal_violation_ns(7000);
    reading->set_hardware_violation_ns(0);
    reading->set_power_violation_ns(0);
  }
  return around;
}

TEST(JudgeOnAGpu, FindsAnUndisturbedRunClean) {
  EXPECT_EQ(Judged(Steps(15, 5, 100), Gpu({600, 1000})).validity(), v1::VALIDITY_CLEAN);
}

TEST(JudgeOnAGpu, NeedsReadingsThatTellSomething) {
  Surroundings around;
  around.is_cuda = true;
  EXPECT_EQ(Judged(Steps(15, 5, 100), around).validity_reasons(), "no-counters");
  around = Gpu({600, 1000});
  for (v1::DeviceReading& reading : *around.readings.mutable_device()) {
    reading.clear_throttle_reasons();
    reading.clear_thermal_violation_ns();
  }
  EXPECT_EQ(Judged(Steps(15, 5, 100), around).validity_reasons(), "no-counters");
}

TEST(JudgeOnAGpu, NeedsSomebodyWhoLookedAtItsProcesses) {
  Surroundings around = Gpu({600, 1000});
  around.gpu = {};
  EXPECT_EQ(Judged(Steps(15, 5, 100), around).validity_reasons(), "no-counters");
}

// As of a driver that counts no slowdowns.
Surroundings WithoutCounters(Surroundings around) {
  for (v1::DeviceReading& reading : *around.readings.mutable_device()) {
    reading.clear_thermal_violation_ns();
    reading.clear_hardware_violation_ns();
    reading.clear_power_violation_ns();
  }
  return around;
}

TEST(JudgeOnAGpu, ShortRunsAreCleanOnlyWhereTheClockWasExplained) {
  for (const int64_t step_ms : {21, 35, 50}) {  // 210, 350, 500 ms after 5 warm-up steps
    const v1::SampleBlock steps = Steps(15, 5, step_ms);
    const int64_t begin_ms = 5 * step_ms;
    const int64_t end_ms = 15 * step_ms;
    // Readings before and after say nothing of what was between.
    EXPECT_EQ(Judged(steps, WithoutCounters(Gpu({}))).validity_reasons(), "no-counters");
    for (const int64_t outside_ms : {begin_ms / 2, begin_ms - 1, end_ms + 1, end_ms + 500}) {
      EXPECT_EQ(Judged(steps, WithoutCounters(Gpu({outside_ms}))).validity_reasons(), "no-counters")
          << outside_ms;
    }
    for (const int64_t inside_ms : {begin_ms, begin_ms + 70, end_ms - 1}) {
      EXPECT_EQ(Judged(steps, WithoutCounters(Gpu({inside_ms}))).validity(), v1::VALIDITY_CLEAN)
          << inside_ms;
    }
    // Counters that were read on both sides do.
    EXPECT_EQ(Judged(steps, Gpu({})).validity(), v1::VALIDITY_CLEAN);
  }
}

TEST(JudgeOnAGpu, ShortRunsAreCleanOnlyWhereOthersWereLookedFor) {
  for (const int64_t step_ms : {21, 35, 50}) {  // 210, 350, 500 ms after 5 warm-up steps
    const v1::SampleBlock steps = Steps(15, 5, step_ms);
    const int64_t begin_ms = 5 * step_ms;
    const int64_t end_ms = 15 * step_ms;
    Surroundings around = Gpu({begin_ms + 70});
    const auto reasons = [&] { return Judged(steps, around).validity_reasons(); };
    // That nothing slowed the clock says nothing of neighbours, nor do lists before and after.
    around.gpu.of_worker.clear();
    around.gpu.looks = {{kStart - 100 * kMs, 1, 0}, {kStart + (end_ms + 300) * kMs, 1, 0}};
    EXPECT_EQ(reasons(), "no-counters");
    // Of a second before the steps and their first moments it is not told what was when.
    around.gpu.of_worker = Asked(begin_ms - 1000, begin_ms + 50, 1050);
    EXPECT_EQ(reasons(), "no-counters");
    // One question about the steps, when they have ended; the newest stamp may be older.
    for (const int64_t until_ms : {begin_ms + 60, end_ms, end_ms + 5}) {
      around.gpu.of_worker = Asked(begin_ms, until_ms, until_ms - begin_ms);
      EXPECT_EQ(reasons(), "") << until_ms;
    }
    // It tells of anybody.
    around.gpu.foreign = {{102, "python", "eve", true, around.gpu.of_worker}};
    around.gpu.foreign[0].stretches[0].sm_ratio = 0.01;
    around.gpu.of_worker.clear();
    EXPECT_EQ(reasons(), "");
    around.gpu.foreign.clear();
    // Or lists, read during the steps or at once after them.
    for (const int64_t at_ms : {begin_ms, end_ms - 1, end_ms + 20}) {
      around.gpu.looks = {{kStart + at_ms * kMs, 1, 0}};
      EXPECT_EQ(reasons(), "") << at_ms;
    }
    // Somebody who is in them at the end may have computed.
    around.gpu.foreign = {{102, "python", "eve", true, {}}};
    EXPECT_EQ(reasons(), "no-counters");
    around.gpu.foreign[0].computes = false;
    EXPECT_EQ(reasons(), "");
  }
}

// That somebody is in the lists says nothing of what he did, and a driver that tells of nobody, not
// even of our worker, has told nothing (its stamps are late, or it has none: NVML_ERROR_NOT_FOUND).
TEST(JudgeOnAGpu, ANeighbourOfWhoseUseTheDriverToldNothingIsNotIdle) {
  Surroundings around = Gpu({600, 1000});
  around.gpu.of_worker.clear();
  around.gpu.looks = {{kStart + 600 * kMs, 2, 0}, {kStart + 1100 * kMs, 2, 0}};
  around.gpu.foreign = {{102, "python", "eve", true, {}}};
  const v1::SampleBlock steps = Steps(15, 5, 100);  // measured from 500 to 1500 ms
  EXPECT_EQ(Judged(steps, around).validity_reasons(), "no-counters");
  // It told of our worker: so it would have of others.
  around.gpu.of_worker = Asked(500, 900, 400);
  EXPECT_EQ(Judged(steps, around).validity(), v1::VALIDITY_CLEAN);
  // A desktop alone: the lists have everybody who could compute.
  around.gpu.of_worker.clear();
  around.gpu.foreign[0].computes = false;
  EXPECT_EQ(Judged(steps, around).validity(), v1::VALIDITY_CLEAN);
}

TEST(JudgeOnAGpu, ANeighbourInAShortRunIsSeen) {
  const v1::SampleBlock steps = Steps(15, 5, 30);  // measured from 150 to 450 ms
  const auto judged = [&](int64_t from_ms, int64_t at_ms, double sm_ratio) {
    Surroundings around = Gpu({});
    around.gpu.of_worker = Asked(150, 440, 290);
    around.gpu.foreign = {{102, "python", "eve", true, Asked(from_ms, at_ms, at_ms - from_ms)}};
    around.gpu.foreign[0].stretches[0].sm_ratio = sm_ratio;
    return Judged(steps, around);
  };
  const v1::Run run = judged(150, 430, 0.4);
  EXPECT_EQ(run.validity_reasons(), "foreign-gpu");
  EXPECT_NEAR(run.assessment().evidence(0).value(), 0.4, 1e-9);
  EXPECT_EQ(run.assessment().evidence(0).first_step(), 5U);
  EXPECT_EQ(run.assessment().evidence(0).last_step(), 14U);
  // It went on after the steps; the answer came a little late.
  EXPECT_EQ(judged(150, 465, 0.4).validity_reasons(), "foreign-gpu");
  // Gone before step 0 of the measured ones.
  EXPECT_EQ(judged(-500, 149, 0.9).validity_reasons(), "");
  // All of it may have been before them.
  EXPECT_EQ(judged(-500, 200, 0.9).validity_reasons(), "");
}

TEST(JudgeOnAGpu, CountersSayNothingUnlessTheyHoldAllSteps) {
  const v1::SampleBlock steps = Steps(15, 5, 30);  // measured from 150 to 450 ms
  const auto reasons = [&](const std::vector<int64_t>& read_at_ms) {
    Surroundings around = Gpu({});
    around.readings.clear_device();
    for (const int64_t ms : read_at_ms) {
      v1::DeviceReading* reading = around.readings.add_device();
      reading->set_at_ns(kStart + ms * kMs);
      reading->set_thermal_violation_ns(7);
    }
    return Judged(steps, around).validity_reasons();
  };
  EXPECT_EQ(reasons({}), "no-counters");
  EXPECT_EQ(reasons({-10, 100}), "no-counters");
  EXPECT_EQ(reasons({-10, 449}), "no-counters");
  EXPECT_EQ(reasons({151, 500}), "no-counters");
  EXPECT_EQ(reasons({200, 300, 400}), "no-counters");
  EXPECT_EQ(reasons({500, 900}), "no-counters");
  EXPECT_EQ(reasons({150, 450}), "");
  EXPECT_EQ(reasons({-10, 900}), "");
  // The board's limit alone is no news of heat.
  Surroundings around = WithoutCounters(Gpu({}));
  for (v1::DeviceReading& reading : *around.readings.mutable_device()) {
    reading.set_hardware_violation_ns(0);
    reading.set_power_violation_ns(0);
  }
  EXPECT_EQ(Judged(steps, around).validity_reasons(), "no-counters");
}

// At work at these ms after the first step began, with this share of the 140 ms before each.
ForeignUse Neighbour(const std::vector<int64_t>& at_ms, double sm_ratio) {
  ForeignUse use{102, "python", "eve", true, {}};
  for (const int64_t ms : at_ms) {
    use.stretches.push_back({kStart + (ms - 140) * kMs, kStart + ms * kMs, sm_ratio});
  }
  return use;
}

v1::Run JudgedBeside(const ForeignUse& neighbour, Surroundings around = Gpu({600})) {
  around.gpu.foreign = {neighbour};
  return Judged(Steps(15, 5, 100), around);  // measured from 500 to 1500 ms
}

TEST(JudgeOnAGpu, TellsForeignWorkFromMereResidence) {
  for (const double idle : {0.0, 0.01, 0.05}) {
    const v1::Run run = JudgedBeside(Neighbour({520, 660, 800, 940, 1080}, idle));
    EXPECT_EQ(run.validity(), v1::VALIDITY_CLEAN) << idle;
    ASSERT_EQ(run.assessment().evidence_size(), 1);
    EXPECT_EQ(run.assessment().evidence(0).reason(), v1::REASON_RESIDENT);
    EXPECT_EQ(run.assessment().evidence(0).value(), 0);
    EXPECT_FALSE(run.assessment().evidence(0).has_first_step());
  }
  for (const double busy : {0.06, 0.4, 1.0}) {
    const v1::Run run = JudgedBeside(Neighbour({520, 660, 800}, busy));
    EXPECT_EQ(run.validity(), v1::VALIDITY_CONTAMINATED) << busy;
    EXPECT_EQ(run.validity_reasons(), "foreign-gpu");
    ASSERT_EQ(run.assessment().evidence_size(), 1);
    const v1::Evidence& evidence = run.assessment().evidence(0);
    EXPECT_NEAR(evidence.value(), busy, 1e-12);
    EXPECT_EQ(evidence.pid(), 102);
    EXPECT_EQ(evidence.process(), "python");
    EXPECT_EQ(evidence.user(), "eve");
    EXPECT_EQ(evidence.first_step(), 5U);
    EXPECT_EQ(evidence.last_step(), 8U);
  }
}

TEST(JudgeOnAGpu, LeavesForeignWorkOutsideTheMeasuredStepsAlone) {
  // During the start of the worker, during the warm-up, and afterwards.
  for (const std::vector<int64_t>& at_ms : {std::vector<int64_t>{-9000, -5000, -140, -1},
                                            {0, 140, 280, 420, 499},
                                            {1640, 1780, 9000}}) {
    const v1::Run run = JudgedBeside(Neighbour(at_ms, 0.9));
    EXPECT_EQ(run.validity(), v1::VALIDITY_CLEAN) << at_ms.front();
    EXPECT_EQ(run.assessment().evidence(0).reason(), v1::REASON_RESIDENT);
  }
}

TEST(JudgeOnAGpu, OneStretchIsForeignWork) {
  EXPECT_EQ(JudgedBeside(Neighbour({700}, 0.9)).validity_reasons(), "foreign-gpu");
  // Idle ones beside it do not hide it.
  ForeignUse neighbour = Neighbour({510, 520, 530, 540}, 0);
  for (const UseStretch& stretch : Neighbour({740, 880}, 0.6).stretches) {
    neighbour.stretches.push_back(stretch);
  }
  const v1::Run run = JudgedBeside(neighbour);
  EXPECT_EQ(run.validity_reasons(), "foreign-gpu");
  EXPECT_NEAR(run.assessment().evidence(0).value(), 0.6, 1e-12);
  EXPECT_EQ(run.assessment().evidence(0).first_step(), 6U);
  EXPECT_EQ(run.assessment().evidence(0).last_step(), 8U);
}

TEST(JudgeOnAGpu, WhoOnlyDrawsMayHaveDrawnAWindowAnew) {
  ForeignUse desktop = Neighbour({700}, 0.9);
  desktop.computes = false;
  const v1::Run run = JudgedBeside(desktop);
  EXPECT_EQ(run.validity(), v1::VALIDITY_CLEAN);
  EXPECT_EQ(run.assessment().evidence(0).reason(), v1::REASON_RESIDENT);
  desktop.stretches = Neighbour({700, 900}, 0.9).stretches;
  EXPECT_EQ(JudgedBeside(desktop).validity_reasons(), "foreign-gpu");
}

// Every sample names one process, with all that everybody kept busy: a desktop that draws for 2 %
// of the time is the one in some, whoever else computes.
TEST(JudgeOnAGpu, ADesktopThatIsNamedNowAndThenIsNoForeignWork) {
  const v1::SampleBlock steps = Steps(905, 5, 100);  // measured from 500 to 90500 ms
  const auto judged = [&](int64_t every_ms, bool computes) {
    Surroundings around = Gpu({60'000});
    ForeignUse desktop{900, "Xorg", "root", computes, {}};
    for (int64_t ms = 1000; ms < 90'000; ms += every_ms) {
      desktop.stretches.push_back({kStart + ms * kMs, kStart + (ms + 500) * kMs, 0.25});
    }
    around.gpu.foreign = {desktop};
    return Judged(steps, around);
  };
  // A quarter of half a second, every six of them.
  const v1::Run run = judged(6000, /*computes=*/false);
  EXPECT_EQ(run.validity(), v1::VALIDITY_CLEAN);
  EXPECT_EQ(run.assessment().evidence(0).reason(), v1::REASON_RESIDENT);
  EXPECT_EQ(judged(6000, /*computes=*/true).validity_reasons(), "foreign-gpu");
  // All the while: a game.
  EXPECT_EQ(judged(500, /*computes=*/false).validity_reasons(), "foreign-gpu");
}

TEST(JudgeOnAGpu, AStretchAcrossTheFirstStepCountsByWhatMustHaveBeenAfterIt) {
  const auto judged = [](double sm_ratio) {
    ForeignUse use = Neighbour({}, 0);
    use.stretches = {{kStart + 200 * kMs, kStart + 700 * kMs, sm_ratio}};
    return JudgedBeside(use);  // 300 ms before the measured steps, 200 ms in them
  };
  EXPECT_EQ(judged(0.6).validity(), v1::VALIDITY_CLEAN) << "all of it may have been before";
  const v1::Run run = judged(0.8);
  EXPECT_EQ(run.validity_reasons(), "foreign-gpu");
  // 400 ms of work, 300 of them before at most.
  EXPECT_NEAR(run.assessment().evidence(0).value(), 0.5, 1e-9);
  EXPECT_EQ(run.assessment().evidence(0).first_step(), 5U);
  EXPECT_EQ(run.assessment().evidence(0).last_step(), 7U);
}

TEST(JudgeOnAGpu, AShortNeighbourInALongRunIsNotDilutedAway) {
  Surroundings around = Gpu({60'000});
  // 0.3 s of it, across two questions.
  around.gpu.foreign = {{102, "python", "eve", true, {}}};
  around.gpu.foreign[0].stretches = {
      {kStart + 69'650 * kMs, kStart + 70'140 * kMs, 0.2},
      {kStart + 70'140 * kMs, kStart + 70'280 * kMs, 0.7},
  };
  const v1::Run run = Judged(Steps(905, 5, 100), around);
  EXPECT_EQ(run.validity_reasons(), "foreign-gpu");
  EXPECT_EQ(run.assessment().evidence(0).first_step(), 696U);
  EXPECT_EQ(run.assessment().evidence(0).last_step(), 702U);
  EXPECT_NEAR(run.assessment().evidence(0).value(), (490 * 0.2 + 140 * 0.7) / 630, 1e-9);
}

TEST(JudgeOnAGpu, SaysNothingOfOthersWhereOurWorkerIsNotInTheList) {
  Surroundings around = Gpu({600});
  around.gpu.has_own_pids = false;
  around.gpu.has_worker = false;
  around.gpu.of_worker.clear();
  around.gpu.looks = {
      {kStart - 100 * kMs, 2, 0}, {kStart + 600 * kMs, 2, 0}, {kStart + 2000 * kMs, 2, 0}};
  for (const ForeignUse& use :
       {Neighbour({}, 0), Neighbour({520}, 0.9), Neighbour({520, 660, 800, 940}, 0.9)}) {
    const v1::Run run = JudgedBeside(use, around);
    EXPECT_EQ(run.validity(), v1::VALIDITY_UNVERIFIED);
    EXPECT_EQ(run.validity_reasons(), "pids-not-translated");
    EXPECT_EQ(run.assessment().evidence_size(), 1);
  }
  // Nobody at all is in it.
  EXPECT_EQ(Judged(Steps(15, 5, 100), around).validity_reasons(), "pids-not-translated");
  around.gpu.tells_use = false;
  EXPECT_EQ(Judged(Steps(15, 5, 100), around).validity_reasons(), "pids-not-translated");
  // It is: others are who they are.
  around.gpu.tells_use = true;
  around.gpu.has_worker = true;
  EXPECT_EQ(JudgedBeside(Neighbour({520, 660}, 0.9), around).validity_reasons(), "foreign-gpu");
}

TEST(JudgeOnAGpu, OutsideOfTheMeasuredStepsTheWorkerNeedNotBeInTheList) {
  Surroundings around = Gpu({600});
  around.gpu.has_worker = false;
  around.gpu.looks = {{kStart - 100 * kMs, 0, 0}, {kStart + 2000 * kMs, 0, 0}};
  EXPECT_EQ(Judged(Steps(15, 5, 100), around).validity(), v1::VALIDITY_CLEAN);
  EXPECT_EQ(JudgedBeside(Neighbour({520, 660}, 0.9), around).validity_reasons(), "foreign-gpu");
  // In a container the stretches may be our own.
  around.gpu.has_own_pids = false;
  EXPECT_EQ(JudgedBeside(Neighbour({520, 660}, 0.9), around).validity_reasons(),
            "pids-not-translated");
}

// In a pid namespace, where the driver lists our worker and nobody who is not of that namespace.
Surroundings Container(std::optional<uint64_t> hidden_bytes) {
  Surroundings around = Gpu({600});
  around.gpu.has_own_pids = false;
  around.gpu.looks = {{kStart - 100 * kMs, 0, 0},
                      {kStart + 600 * kMs, 1, hidden_bytes},
                      {kStart + 1100 * kMs, 1, 0}};
  return around;
}

TEST(JudgeOnAGpu, InAContainerAListWithoutOthersIsNotEnough) {
  const v1::SampleBlock steps = Steps(15, 5, 100);  // measured from 500 to 1500 ms
  // Somebody holds memory who is not listed, or it is not told.
  for (const std::optional<uint64_t> hidden_bytes :
       {std::optional<uint64_t>(300'000'000), std::optional<uint64_t>()}) {
    const v1::Run run = Judged(steps, Container(hidden_bytes));
    EXPECT_EQ(run.validity(), v1::VALIDITY_UNVERIFIED);
    EXPECT_EQ(run.validity_reasons(), "pids-not-translated");
  }
  // Nobody does.
  EXPECT_EQ(Judged(steps, Container(2'000'000)).validity(), v1::VALIDITY_CLEAN);
  // Nobody looked at that during the steps.
  Surroundings around = Container(0);
  around.gpu.looks = {{kStart - 100 * kMs, 0, 0}, {kStart + 2000 * kMs, 0, 0}};
  EXPECT_EQ(Judged(steps, around).validity_reasons(), "pids-not-translated");
  around.gpu.looks.push_back({kStart + 1510 * kMs, 1, 0});
  EXPECT_EQ(Judged(steps, around).validity(), v1::VALIDITY_CLEAN) << "at their end";
  // On the host all are listed, whatever else is in use.
  around = Container(300'000'000);
  around.gpu.has_own_pids = true;
  EXPECT_EQ(Judged(steps, around).validity(), v1::VALIDITY_CLEAN);
}

TEST(JudgeOnAGpu, InAContainerWhoIsListedAndComputesIsSeen) {
  EXPECT_EQ(JudgedBeside(Neighbour({700}, 0.9), Container(0)).validity_reasons(), "foreign-gpu");
  const v1::Run run = JudgedBeside(Neighbour({700}, 0.9), Container(300'000'000));
  EXPECT_EQ(run.validity(), v1::VALIDITY_CONTAMINATED);
  EXPECT_THAT(run.validity_reasons(), testing::HasSubstr("foreign-gpu"));
}

TEST(JudgeOnAGpu, InAContainerTheOnlyProcessIsOursByWhateverNumber) {
  Surroundings around = Container(0);
  around.gpu.has_worker = false;
  around.gpu.of_worker.clear();
  // It is told of under the host's number, and computes.
  ForeignUse ours = Neighbour({700, 840}, 0.9);
  const v1::Run run = JudgedBeside(ours, around);
  EXPECT_EQ(run.validity(), v1::VALIDITY_CLEAN);
  EXPECT_EQ(run.assessment().evidence_size(), 0);
  // Two of them: which one is ours?
  around.gpu.looks[1].processes = 2;
  EXPECT_EQ(JudgedBeside(ours, around).validity_reasons(), "pids-not-translated");
  // One, and memory that it does not hold: it may be another, and ours is hidden.
  around = Container(300'000'000);
  around.gpu.has_worker = false;
  EXPECT_EQ(JudgedBeside(ours, around).validity_reasons(), "pids-not-translated");
}

TEST(JudgeOnAGpu, SaysThatAMigInstanceTellsNoUse) {
  Surroundings around = Gpu({600});
  around.gpu.tells_use = false;
  v1::Run run = Judged(Steps(15, 5, 100), around);
  EXPECT_EQ(run.validity(), v1::VALIDITY_CLEAN);
  ASSERT_EQ(run.assessment().evidence_size(), 1);
  EXPECT_EQ(run.assessment().evidence(0).reason(), v1::REASON_NO_UTILISATION);
  EXPECT_FALSE(run.assessment().evidence(0).has_value());

  // What draws does not compute.
  around.gpu.foreign = {{100, "Xorg", "root", false, {}}};
  run = Judged(Steps(15, 5, 100), around);
  EXPECT_EQ(run.validity(), v1::VALIDITY_CLEAN);
  ASSERT_EQ(run.assessment().evidence_size(), 2);
  EXPECT_EQ(run.assessment().evidence(0).reason(), v1::REASON_RESIDENT);
  EXPECT_FALSE(run.assessment().evidence(0).has_value());

  around.gpu.foreign.push_back({101, "python", "bob", true, {}});
  run = Judged(Steps(15, 5, 100), around);
  EXPECT_EQ(run.validity(), v1::VALIDITY_UNVERIFIED);
  EXPECT_EQ(run.validity_reasons(), "no-utilisation");
  ASSERT_EQ(run.assessment().evidence_size(), 2);
  EXPECT_EQ(run.assessment().evidence(1).pid(), 101);
  EXPECT_EQ(run.assessment().evidence(1).user(), "bob");
}

TEST(JudgeOnAGpu, FindsSlowdownsByTheirCounters) {
  Surroundings around = Gpu({});
  // 100.1 s lie between the readings; 5 s of them were slowed.
  around.readings.mutable_device(1)->set_thermal_violation_ns(5'005'007'000);
  v1::Run run = Judged(Steps(15, 5, 100), around);
  EXPECT_EQ(run.validity_reasons(), "thermal");
  EXPECT_NEAR(run.assessment().evidence(0).value(), 0.05, 1e-6);
  EXPECT_FALSE(run.assessment().evidence(0).has_first_step());

  // Limits of power are notes.
  around = Gpu({});
  around.readings.mutable_device(1)->set_hardware_violation_ns(50'000'000'000);
  run = Judged(Steps(15, 5, 100), around);
  EXPECT_EQ(run.validity(), v1::VALIDITY_CLEAN);
  EXPECT_EQ(run.validity_reasons(), "");
  EXPECT_EQ(run.assessment().evidence(0).reason(), v1::REASON_BOARD_LIMIT);

  around = Gpu({});
  around.readings.mutable_device(1)->set_power_violation_ns(50'000'000'000);
  run = Judged(Steps(15, 5, 100), around);
  EXPECT_EQ(run.validity(), v1::VALIDITY_CLEAN);
  EXPECT_EQ(run.assessment().evidence(0).reason(), v1::REASON_POWER_CAP);

  // The driver was loaded anew in between.
  around = Gpu({});
  around.readings.mutable_device(1)->set_thermal_violation_ns(0);
  EXPECT_EQ(Judged(Steps(15, 5, 100), around).validity(), v1::VALIDITY_CLEAN);
}

// Readings at -100 ms, just before the measured steps, just after them, and at 100 s.
TEST(JudgeOnAGpu, CountsSlowdownsOverTheStretchThatHoldsTheSteps) {
  const v1::SampleBlock steps = Steps(15, 5, 100);
  const auto judged = [&](const std::vector<uint64_t>& slowed_ms) {
    Surroundings around = Gpu({490, 1510});
    for (int i = 0; i < 4; ++i) {
      around.readings.mutable_device(i)->set_thermal_violation_ns(slowed_ms[i] * kMs);
    }
    return Judged(steps, around);
  };
  // While the worker started, and long after.
  EXPECT_EQ(judged({0, 500, 500, 500}).validity(), v1::VALIDITY_CLEAN);
  EXPECT_EQ(judged({0, 0, 0, 90'000}).validity(), v1::VALIDITY_CLEAN);
  // A tenth of the steps' time is little of the whole.
  const v1::Run run = judged({0, 0, 102, 102});
  EXPECT_EQ(run.validity_reasons(), "thermal");
  EXPECT_NEAR(run.assessment().evidence(0).value(), 0.1, 1e-9);
}

TEST(JudgeOnAGpu, IgnoresACounterThatOneReadingLacks) {
  Surroundings around = Gpu({600});
  around.readings.mutable_device(0)->clear_thermal_violation_ns();
  around.readings.mutable_device(1)->clear_thermal_violation_ns();
  around.readings.mutable_device(2)->set_thermal_violation_ns(50'000'000'000);
  EXPECT_EQ(Judged(Steps(15, 5, 100), around).validity(), v1::VALIDITY_CLEAN);
}

struct Throttle {
  uint64_t bits;
  const char* reasons;
  v1::Reason evidence;
};

TEST(JudgeOnAGpu, ReadsTheReasonsOfAThrottledClock) {
  for (const Throttle& throttle : {Throttle{0x20, "thermal", v1::REASON_THERMAL},
                                   {0x40, "thermal", v1::REASON_THERMAL},
                                   {0x48, "thermal", v1::REASON_THERMAL},
                                   {0x80, "power-brake", v1::REASON_POWER_BRAKE},
                                   {0x88, "power-brake", v1::REASON_POWER_BRAKE},
                                   {0x8, "hardware-slowdown", v1::REASON_HARDWARE_SLOWDOWN},
                                   {0x4, "", v1::REASON_POWER_CAP}}) {
    Surroundings around = Gpu({750, 1250});
    around.readings.mutable_device(1)->set_throttle_reasons(throttle.bits);
    const v1::Run run = Judged(Steps(15, 5, 100), around);
    EXPECT_EQ(run.validity_reasons(), throttle.reasons) << throttle.bits;
    ASSERT_EQ(run.assessment().evidence_size(), 1) << throttle.bits;
    EXPECT_EQ(run.assessment().evidence(0).reason(), throttle.evidence);
    EXPECT_EQ(run.assessment().evidence(0).first_step(), 7U);
    EXPECT_EQ(run.assessment().evidence(0).last_step(), 7U);
    EXPECT_EQ(run.assessment().evidence(0).value(), 0.5);
  }
  for (const uint64_t harmless : {0x1, 0x2, 0x10}) {
    Surroundings around = Gpu({750});
    around.readings.mutable_device(1)->set_throttle_reasons(harmless);
    EXPECT_EQ(Judged(Steps(15, 5, 100), around).assessment().evidence_size(), 0) << harmless;
  }
}

TEST(JudgeOnAGpu, OneThrottledReadingOfHundredsIsNoSlowRun) {
  std::vector<int64_t> during;
  for (int64_t ms = 1000; ms < 61'000; ms += 300) during.push_back(ms);  // 200 of them
  const v1::SampleBlock steps = Steps(905, 5, 100);
  for (const auto& [throttled, reasons] : {std::pair(2, ""), std::pair(3, "thermal")}) {
    Surroundings around = Gpu(during);
    for (int i = 0; i < throttled; ++i) {
      around.readings.mutable_device(20 + 40 * i)->set_throttle_reasons(0x20);
    }
    EXPECT_EQ(Judged(steps, around).validity_reasons(), reasons) << throttled;
  }
}

TEST(JudgeOnAGpu, LeavesReadingsOutsideTheMeasuredStepsAlone) {
  // During the warm-up, and long after.
  Surroundings around = Gpu({250, 5000});
  around.readings.mutable_device(1)->set_throttle_reasons(0x40);
  around.readings.mutable_device(2)->set_throttle_reasons(0x40);
  around.readings.mutable_device(2)->set_sm_mhz(100);
  EXPECT_EQ(Judged(Steps(15, 5, 100), around).validity(), v1::VALIDITY_CLEAN);
}

TEST(JudgeOnAGpu, MarksAClockBelowThreeQuartersOfItsStart) {
  Surroundings around = Gpu({550, 950, 1350});
  around.readings.mutable_device(2)->set_sm_mhz(1300);
  EXPECT_EQ(Judged(Steps(15, 5, 100), around).validity(), v1::VALIDITY_CLEAN);
  around.readings.mutable_device(2)->set_sm_mhz(1200);
  const v1::Run run = Judged(Steps(15, 5, 100), around);
  EXPECT_EQ(run.validity_reasons(), "clock-drop");
  EXPECT_EQ(run.assessment().evidence(0).first_step(), 9U);
  EXPECT_NEAR(run.assessment().evidence(0).value(), 1200.0 / 1700, 1e-9);
  // An idle clock says nothing about the work.
  around.readings.mutable_device(2)->set_throttle_reasons(0x1);
  EXPECT_EQ(Judged(Steps(15, 5, 100), around).validity(), v1::VALIDITY_CLEAN);
}

TEST(JudgeOnAGpu, AClockThatThePowerCapHoldsDownIsNoDrop) {
  // By its bit in the reading, alone or beside others.
  for (const uint64_t capped : {0x4, 0x6, 0x14}) {
    Surroundings around = Gpu({550, 950, 1350});
    around.readings.mutable_device(2)->set_sm_mhz(900);
    around.readings.mutable_device(2)->set_throttle_reasons(capped);
    const v1::Run run = Judged(Steps(15, 5, 100), around);
    EXPECT_EQ(run.validity(), v1::VALIDITY_CLEAN) << capped;
    ASSERT_EQ(run.assessment().evidence_size(), 1);
    EXPECT_EQ(run.assessment().evidence(0).reason(), v1::REASON_POWER_CAP);
    // Another reading is as low, and nothing explains it.
    around.readings.mutable_device(3)->set_sm_mhz(1000);
    EXPECT_EQ(Judged(Steps(15, 5, 100), around).validity_reasons(), "clock-drop") << capped;
  }
  // By its counter over the steps: a fifth of the time, and none.
  for (const auto& [capped_ms, reasons] : {std::pair(200, ""), std::pair(5, "clock-drop")}) {
    Surroundings around = Gpu({490, 950, 1510});
    around.readings.mutable_device(1)->set_sm_mhz(1000);
    around.readings.mutable_device(2)->set_sm_mhz(1700);
    around.readings.mutable_device(3)->set_power_violation_ns(capped_ms * kMs);
    v1::DeviceReading* low = around.readings.add_device();
    *low = around.readings.device(2);
    low->set_at_ns(kStart + 1000 * kMs);
    low->set_sm_mhz(900);
    EXPECT_EQ(Judged(Steps(15, 5, 100), around).validity_reasons(), reasons) << capped_ms;
  }
}

TEST(JudgeOnAGpu, AGpuAtItsPowerLimitAllTheTimeIsAsItShouldBe) {
  Surroundings around = Gpu({550, 750, 950, 1150, 1350});
  uint32_t mhz = 1700;
  for (v1::DeviceReading& reading : *around.readings.mutable_device()) {
    reading.set_throttle_reasons(0x4);
    reading.set_sm_mhz(mhz);
    reading.set_power_violation_ns(static_cast<uint64_t>(reading.at_ns() - kStart + 100 * kMs));
    mhz -= 150;
  }
  const v1::Run run = Judged(Steps(15, 5, 100), around);
  EXPECT_EQ(run.validity(), v1::VALIDITY_CLEAN);
  for (const v1::Evidence& evidence : run.assessment().evidence()) {
    EXPECT_EQ(evidence.reason(), v1::REASON_POWER_CAP);
  }
}

TEST(JudgeOnAGpu, MindsTheWorkersWaitingForAHostCoreAndNotOtherCores) {
  v1::SampleBlock samples = Disturbed(Steps(15, 5, 300), 5, 14, 300);
  EXPECT_EQ(Judged(samples, Gpu({})).validity(), v1::VALIDITY_CLEAN);
  samples.set_run_delay_ns(8, 60 * kMs);
  const v1::Run run = Judged(samples, Gpu({}));
  EXPECT_EQ(run.validity_reasons(), "foreign-cpu");
  EXPECT_EQ(run.assessment().evidence(0).first_step(), 8U);
  EXPECT_NEAR(run.assessment().evidence(0).value(), 0.2, 1e-9);
}

}  // namespace
}  // namespace torchlap::measure
