#include "server/run/oom_ladder.h"

#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "server/measure/presets.h"

namespace torchlap::run {
namespace {

using Size = std::pair<uint32_t, uint32_t>;  // batch, context
constexpr std::optional<Size> kNone = std::nullopt;

v1::OomPolicy Floors(std::optional<uint32_t> batch, std::optional<uint32_t> context) {
  v1::OomPolicy policy;
  if (batch) policy.set_min_batch_size(*batch);
  if (context) policy.set_min_context_length(*context);
  return policy;
}

v1::OomPolicy Swept(bool batch, bool context) {
  v1::OomPolicy policy;
  policy.set_batch_is_swept(batch);
  policy.set_context_is_swept(context);
  return policy;
}

v1::OomPolicy NoRetry() {
  v1::OomPolicy policy;
  policy.set_retry(false);
  return policy;
}

struct Step {
  Size from;
  v1::OomPolicy policy;
  std::optional<Size> to;
  std::string reason;
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  return out << "batch " << step.from.first << ", context " << step.from.second;
}

class Ladder : public testing::TestWithParam<Step> {};

TEST_P(Ladder, GoesOneStepDown) {
  const Step& step = GetParam();
  FailedTry failed;
  failed.batch_size = step.from.first;
  failed.context_length = step.from.second;
  failed.policy = step.policy;
  const NextTry next = AfterOutOfMemory(failed);
  EXPECT_EQ(next.size.has_value(), step.to.has_value());
  if (next.size && step.to) {
    EXPECT_EQ(Size(next.size->batch_size, next.size->context_length), *step.to);
  }
  EXPECT_EQ(next.reason, step.reason);
}

INSTANTIATE_TEST_SUITE_P(
    BatchThenContext, Ladder,
    testing::Values(
        Step{{8, 256}, {}, Size{4, 256}, "batch 8 -> 4"},
        Step{{2, 256}, {}, Size{1, 256}, "batch 2 -> 1"},
        Step{{1, 512}, {}, Size{1, 256}, "context 512 -> 256"},
        Step{{1, 256}, {}, Size{1, 128}, "context 256 -> 128"},
        Step{{1, 128},
             {},
             kNone,
             "out of memory: batch 1 is at its floor (--min-batch 1), context 128 is at its floor "
             "(--min-context 128)"}));

INSTANTIATE_TEST_SUITE_P(
    HalvesThatAreNotWhole, Ladder,
    testing::Values(Step{{5, 256}, {}, Size{2, 256}, "batch 5 -> 2"},
                    Step{{3, 256}, {}, Size{1, 256}, "batch 3 -> 1"},
                    // Half would be below the floor: the floor, once.
                    Step{{1, 200}, {}, Size{1, 128}, "context 200 -> 128"},
                    Step{{5, 256}, Floors(4, {}), Size{4, 256}, "batch 5 -> 4"},
                    Step{{4, 300}, Floors(4, 200), Size{4, 200}, "context 300 -> 200"}));

INSTANTIATE_TEST_SUITE_P(
    Floors, Ladder,
    testing::Values(
        Step{{8, 256}, Floors(4, {}), Size{4, 256}, "batch 8 -> 4"},
        Step{{4, 256}, Floors(4, {}), Size{4, 128}, "context 256 -> 128"},
        Step{{1, 128}, Floors({}, 32), Size{1, 64}, "context 128 -> 64"},
        Step{{1, 64}, Floors({}, 32), Size{1, 32}, "context 64 -> 32"},
        // A requested context below the usual floor is the floor.
        Step{{1, 64},
             {},
             kNone,
             "out of memory: batch 1 is at its floor (--min-batch 1), context 64 is at its floor "
             "(--min-context 64)"},
        Step{{2, 64}, {}, Size{1, 64}, "batch 2 -> 1"},
        // A floor of 0 is one of 1, and a floor above the size shrinks nothing.
        Step{{2, 64}, Floors(0, 64), Size{1, 64}, "batch 2 -> 1"},
        Step{{2, 64},
             Floors(8, 64),
             kNone,
             "out of memory: batch 2 is at its floor (--min-batch 8), context 64 is at its floor "
             "(--min-context 64)"}));

INSTANTIATE_TEST_SUITE_P(
    SweptAxes, Ladder,
    testing::Values(
        Step{{8, 512}, Swept(true, false), Size{8, 256}, "context 512 -> 256"},
        Step{{8, 512}, Swept(false, true), Size{4, 512}, "batch 8 -> 4"},
        Step{{1, 512},
             Swept(false, true),
             kNone,
             "out of memory: batch 1 is at its floor (--min-batch 1), context was given several "
             "values and is not shrunk"},
        Step{{8, 512},
             Swept(true, true),
             kNone,
             "out of memory: batch was given several values and is not shrunk, context was given "
             "several values and is not shrunk"}));

INSTANTIATE_TEST_SUITE_P(
    Policy, Ladder,
    testing::Values(Step{
        {8, 256}, NoRetry(), kNone, "out of memory, and --no-oom-retry was given"}));

TEST(OomLadder, ReachesTheBottomInFewSteps) {
  FailedTry failed;
  failed.batch_size = 65536;
  failed.context_length = 1048576;
  int steps = 0;
  for (NextTry next = AfterOutOfMemory(failed); next.size; next = AfterOutOfMemory(failed)) {
    failed.batch_size = next.size->batch_size;
    failed.context_length = next.size->context_length;
    ASSERT_LT(++steps, 100);
  }
  EXPECT_EQ(steps, 16 + 13);
  EXPECT_EQ(failed.batch_size, 1U);
  EXPECT_EQ(failed.context_length, 128U);
}

TEST(OomLadder, AfterASizeThatWasRuledOutNoOtherIsTried) {
  FailedTry failed;
  failed.outcome = v1::OUTCOME_SKIPPED;
  failed.batch_size = 8;
  failed.context_length = 256;
  const NextTry next = AfterOutOfMemory(failed);
  EXPECT_FALSE(next.size.has_value());
  EXPECT_EQ(next.reason, "no batch or context fits: what the pass must hold exceeds the device");
}

TEST(OomLadder, GoesToAKnownSizeOnlyAsFarAsItMayShrink) {
  FailedTry from;
  from.batch_size = 32;
  from.context_length = 512;
  from.purpose = v1::PURPOSE_MEASURE;
  EXPECT_TRUE(MayShrinkTo(from, {11, 512}));
  EXPECT_TRUE(MayShrinkTo(from, {32, 200}));
  EXPECT_FALSE(MayShrinkTo(from, {32, 100}));  // below the floor of 128
  EXPECT_FALSE(MayShrinkTo(from, {40, 512}));
  FailedTry swept = from;
  swept.policy.set_batch_is_swept(true);
  EXPECT_FALSE(MayShrinkTo(swept, {11, 512}));
  FailedTry fixed = from;
  fixed.policy.set_retry(false);
  EXPECT_FALSE(MayShrinkTo(fixed, {11, 512}));
  FailedTry fit = from;
  fit.purpose = v1::PURPOSE_FIT;
  EXPECT_FALSE(MayShrinkTo(fit, {11, 512}));
}

TEST(OomLadder, OnlyMeasuringRunsShrink) {
  for (const auto& [purpose, shrinks] :
       std::vector<std::pair<v1::Purpose, bool>>{{v1::PURPOSE_MEASURE, true},
                                                 {v1::PURPOSE_WARMUP, true},
                                                 {v1::PURPOSE_TRACE, false},
                                                 {v1::PURPOSE_FIT, false},
                                                 {v1::PURPOSE_CALIBRATE, false},
                                                 {v1::PURPOSE_CANARY, false}}) {
    FailedTry failed;
    failed.batch_size = 8;
    failed.context_length = 256;
    failed.purpose = purpose;
    EXPECT_EQ(AfterOutOfMemory(failed).size.has_value(), shrinks) << purpose;
  }
  FailedTry fit;
  fit.batch_size = 8;
  fit.purpose = v1::PURPOSE_FIT;
  EXPECT_EQ(AfterOutOfMemory(fit).reason, "out of memory; a fit run is not shrunk");
}

v1::Workload Model(const std::string& preset, v1::PassType pass) {
  v1::Workload workload;
  v1::TransformerLm* model = workload.mutable_transformer_lm();
  model->set_preset(preset);
  EXPECT_TRUE(measure::ResolveShape(model).ok());
  model->set_pass_type(pass);
  return workload;
}

TEST(RuledOutByArithmetic, TheCoursesLargestModelOnA16GigabyteGpu) {
  const uint64_t memory = uint64_t{16} << 30;
  const auto failure =
      RuledOutByArithmetic(Model("2.7B", v1::PASS_TYPE_FORWARD_BACKWARD), "cuda:0", memory);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->asked_bytes(), 27254476800U);
  EXPECT_EQ(failure->free_bytes(), memory);
  EXPECT_EQ(failure->total_bytes(), memory);
  EXPECT_EQ(failure->detail(),
            "weights and gradients alone exceed the memory of cuda:0: no batch or context fits");
  EXPECT_FALSE(failure->has_allocated_bytes());
  EXPECT_FALSE(RuledOutByArithmetic(Model("2.7B", v1::PASS_TYPE_FORWARD), "cuda:0", memory));
}

TEST(RuledOutByArithmetic, WhatIsHeldDependsOnThePass) {
  const auto forward = RuledOutByArithmetic(Model("small", v1::PASS_TYPE_FORWARD), "cpu0", 1);
  EXPECT_EQ(forward->detail().rfind("weights alone exceed the memory of cpu0", 0), 0U)
      << forward->detail();
  const auto train = RuledOutByArithmetic(Model("small", v1::PASS_TYPE_TRAIN_STEP), "cpu0", 1);
  EXPECT_EQ(train->detail().rfind("weights, gradients and optimizer state alone exceed", 0), 0U)
      << train->detail();
}

TEST(RuledOutByArithmetic, ExactlyEnoughMayFitAndAnUnknownMemoryRulesNothingOut) {
  const v1::Workload model = Model("small", v1::PASS_TYPE_FORWARD);
  const uint64_t needed = 4 * uint64_t{128625408};
  EXPECT_FALSE(RuledOutByArithmetic(model, "cpu0", needed));
  EXPECT_TRUE(RuledOutByArithmetic(model, "cpu0", needed - 1));
  EXPECT_FALSE(RuledOutByArithmetic(model, "cpu0", 0));
}

TEST(SmallestTry, IsAtTheFloorsOfTheAxesThatMayShrink) {
  const auto smallest = [](v1::OomPolicy policy) {
    FailedTry from;
    from.batch_size = 8;
    from.context_length = 512;
    from.policy = std::move(policy);
    const NextTry::Size size = SmallestTry(from);
    return Size(size.batch_size, size.context_length);
  };
  EXPECT_EQ(smallest({}), Size(1, 128));
  EXPECT_EQ(smallest(Floors(2, 256)), Size(2, 256));
  EXPECT_EQ(smallest(Swept(true, false)), Size(8, 128));
  EXPECT_EQ(smallest(Swept(true, true)), Size(8, 512));
  EXPECT_EQ(smallest(NoRetry()), Size(8, 512));
}

TEST(RuledOutByRun, NamesTheRunAndItsSizeAndTakesNoneOfItsNumbers) {
  v1::Run failed;
  failed.set_run_id("3.2");
  failed.mutable_workload()->mutable_transformer_lm()->set_batch_size(4);
  failed.mutable_workload()->mutable_transformer_lm()->set_context_length(128);
  failed.mutable_failure()->set_phase(v1::PHASE_FORWARD);
  failed.mutable_failure()->set_asked_bytes(7);
  failed.mutable_failure()->set_free_bytes(3);
  failed.mutable_failure()->set_allocated_bytes(90);
  const v1::Failure failure = RuledOutByRun(failed);
  EXPECT_EQ(failure.detail(),
            "not tried: run 3.2 ran out of memory at batch 4, context 128, which is no larger");
  // `needs 7 bytes, device has 3` would be the reason of another run.
  EXPECT_FALSE(failure.has_asked_bytes());
  EXPECT_FALSE(failure.has_free_bytes());
  EXPECT_FALSE(failure.has_allocated_bytes());
  EXPECT_EQ(failure.phase(), v1::PHASE_UNSPECIFIED);
}

TEST(LadderOfABuild, HasNoStep) {
  FailedTry failed;
  failed.batch_size = 64;
  failed.context_length = 1024;
  failed.phase = v1::PHASE_BUILD;
  failed.detail = "out of memory while the model was built";
  EXPECT_FALSE(AfterOutOfMemory(failed).size.has_value());
  EXPECT_EQ(AfterOutOfMemory(failed).reason, "out of memory while the model was built");
  for (const v1::Phase phase : {v1::PHASE_UNSPECIFIED, v1::PHASE_FORWARD, v1::PHASE_BACKWARD}) {
    failed.phase = phase;
    EXPECT_EQ(AfterOutOfMemory(failed).reason, "batch 64 -> 32") << phase;
  }
}

}  // namespace
}  // namespace torchlap::run
