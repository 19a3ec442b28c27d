#include "server/run/fit_search.h"

#include <gtest/gtest.h>

namespace torchlap::run {
namespace {

using Next = FitStep::Next;

v1::JobSpec Spec(uint32_t batch, uint32_t context = 256) {
  v1::JobSpec spec;
  v1::TransformerLm* model = spec.mutable_workload()->mutable_transformer_lm();
  model->set_batch_size(batch);
  model->set_context_length(context);
  spec.mutable_plan()->set_warmup_steps(5);
  spec.mutable_plan()->set_measure_steps(10);
  spec.set_purpose(v1::PURPOSE_FIT);
  return spec;
}

// A device on which short tries fit up to `fits`, and whole plans up to `holds`.
struct Device {
  uint32_t fits;
  uint32_t holds;
};

struct Search {
  std::vector<v1::Run> tries;
  FitStep end;
};

v1::Run TryOn(const Device& device, const v1::JobSpec& spec, const FitStep& step,
              const v1::Plan& plan) {
  const bool is_context = spec.fit_axis() == v1::FIT_AXIS_CONTEXT;
  const uint32_t size = is_context ? step.context_length : step.batch_size;
  const bool whole = plan.measure_steps() == spec.plan().measure_steps();
  v1::Run run;
  *run.mutable_workload() = spec.workload();
  run.mutable_workload()->mutable_transformer_lm()->set_batch_size(step.batch_size);
  run.mutable_workload()->mutable_transformer_lm()->set_context_length(step.context_length);
  const bool fits = size <= (whole ? device.holds : device.fits);
  run.set_outcome(fits ? v1::OUTCOME_OK : v1::OUTCOME_OUT_OF_MEMORY);
  if (fits) run.set_actual_measure_steps(plan.measure_steps());
  return run;
}

Search Find(const v1::JobSpec& spec, const Device& device) {
  Search search;
  while (true) {
    search.end = NextFit(spec, search.tries);
    const bool goes_on = search.end.next == Next::kTry || search.end.next == Next::kVerify;
    if (!goes_on || search.tries.size() > 100) return search;
    search.tries.push_back(TryOn(device, spec, search.end, FitPlan(spec, search.tries)));
  }
}

TEST(FitSearch, FindsTheLargestBatchWhereverItLies) {
  for (const uint32_t start : {1u, 4u, 100u}) {
    for (uint32_t largest = 1; largest < 40; ++largest) {
      const Search search = Find(Spec(start), {largest, largest});
      EXPECT_EQ(search.end.next, Next::kFound) << start << " " << largest;
      EXPECT_EQ(search.end.batch_size, largest) << start;
      EXPECT_EQ(search.end.context_length, 256u);
      EXPECT_EQ(search.tries.back().actual_measure_steps(), 10u);
    }
  }
}

TEST(FitSearch, DoublesThenHalvesTheGap) {
  std::vector<uint32_t> sizes;
  for (const v1::Run& run : Find(Spec(4), {11, 11}).tries) {
    sizes.push_back(run.workload().transformer_lm().batch_size());
  }
  EXPECT_EQ(sizes, (std::vector<uint32_t>{4, 8, 16, 12, 10, 11, 11}));
}

TEST(FitSearch, OnlyAVerifiedSizeIsFound) {
  const Search search = Find(Spec(4), {12, 9});
  EXPECT_EQ(search.end.next, Next::kFound);
  EXPECT_EQ(search.end.batch_size, 9u);
}

TEST(FitSearch, ContextIsSearchedIn16Tokens) {
  v1::JobSpec spec = Spec(2, 128);
  spec.set_fit_axis(v1::FIT_AXIS_CONTEXT);
  const Search search = Find(spec, {1000, 1000});
  EXPECT_EQ(search.end.next, Next::kFound);
  EXPECT_EQ(search.end.batch_size, 2u);
  EXPECT_GT(search.end.context_length, 1000u - 16);
  EXPECT_LE(search.end.context_length, 1000u);
}

TEST(FitSearch, ADeviceThatHoldsEverythingEndsTheDoubling) {
  const Search search = Find(Spec(4), {1u << 30, 1u << 30});
  EXPECT_EQ(search.end.next, Next::kFound);
  EXPECT_EQ(search.end.batch_size, 65536u);
}

TEST(FitSearch, NothingFitsIsSaid) {
  const Search search = Find(Spec(8), {0, 0});
  EXPECT_EQ(search.end.next, Next::kNothingFits);
  EXPECT_EQ(search.end.reason, "out of memory at batch 1: no batch fits");
  EXPECT_EQ(search.tries.size(), 4u);
}

TEST(FitSearch, InterruptedRunsSayNothing) {
  v1::Run interrupted;
  interrupted.set_outcome(v1::OUTCOME_INTERRUPTED);
  interrupted.mutable_workload()->mutable_transformer_lm()->set_batch_size(4);
  const FitStep step = NextFit(Spec(4), {interrupted});
  EXPECT_EQ(step.next, Next::kTry);
  EXPECT_EQ(step.batch_size, 4u);
}

TEST(NextFit, WhatOthersHeldSaysNothingOfASize) {
  constexpr uint64_t kGib = uint64_t{1} << 30;
  v1::JobSpec spec = Spec(8);
  v1::Run lacked;
  *lacked.mutable_workload() = spec.workload();
  lacked.set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
  lacked.mutable_failure()->set_total_bytes(24 * kGib);
  lacked.mutable_failure()->set_foreign_bytes(8 * kGib);
  lacked.mutable_failure()->set_free_bytes(0);
  lacked.mutable_failure()->set_asked_bytes(kGib);
  EXPECT_EQ(NextFit(spec, {lacked}).batch_size, 8u) << "tried again";
  // A search that does not wait takes it for what there is.
  spec.set_if_busy(v1::IF_BUSY_RUN);
  EXPECT_EQ(NextFit(spec, {lacked}).batch_size, 4u);
  spec.set_if_busy(v1::IF_BUSY_WAIT);
  lacked.mutable_failure()->set_asked_bytes(10 * kGib);
  EXPECT_EQ(NextFit(spec, {lacked}).batch_size, 4u) << "too large by its own fault";
}

}  // namespace
}  // namespace torchlap::run
