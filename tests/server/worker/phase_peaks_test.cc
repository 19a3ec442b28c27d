#include "server/worker/phase_peaks.h"

#include <gtest/gtest.h>

namespace torchlap::worker {
namespace {

ByPhase<MemoryPeak> Step(uint64_t forward, uint64_t backward) {
  ByPhase<MemoryPeak> step;
  step[v1::PHASE_FORWARD] = MemoryPeak{forward, std::nullopt};
  step[v1::PHASE_BACKWARD] = MemoryPeak{backward, std::nullopt};
  return step;
}

TEST(PhasePeaksTest, TheFirstStepIsKeptApartFromTheMeasuredOnes) {
  PhasePeaks peaks;
  peaks.Add(Step(10, 99), false);
  peaks.Add(Step(12, 40), false);
  peaks.Add(Step(11, 30), true);
  peaks.Add(Step(10, 35), true);
  v1::MemoryUse memory;
  peaks.Fill(&memory);
  EXPECT_EQ(memory.first_step_peak_allocated_bytes(), 99u);
  EXPECT_EQ(memory.peak_allocated_bytes(), 35u);
  EXPECT_EQ(memory.forward().allocated_bytes(), 11u);
  EXPECT_EQ(memory.backward().allocated_bytes(), 35u);
}

TEST(PhasePeaksTest, WithoutWarmUpTheFirstStepCountsInBoth) {
  PhasePeaks peaks;
  peaks.Add(Step(10, 99), true);
  v1::MemoryUse memory;
  peaks.Fill(&memory);
  EXPECT_EQ(memory.first_step_peak_allocated_bytes(), 99u);
  EXPECT_EQ(memory.peak_allocated_bytes(), 99u);
}

TEST(PhasePeaksTest, WhatWasNotTakenStaysUnset) {
  PhasePeaks peaks;
  peaks.Add(Step(10, 20), true);
  v1::MemoryUse memory;
  peaks.Fill(&memory);
  EXPECT_FALSE(memory.has_peak_reserved_bytes());
  EXPECT_FALSE(memory.has_optimizer());
  EXPECT_FALSE(memory.forward().has_reserved_bytes());
  v1::MemoryUse none;
  PhasePeaks().Fill(&none);
  EXPECT_FALSE(none.has_peak_allocated_bytes());
  EXPECT_FALSE(none.has_first_step_peak_allocated_bytes());
}

TEST(PhasePeaksTest, ReservedMemoryIsKeptWhereTheDeviceTellsIt) {
  PhasePeaks peaks;
  ByPhase<MemoryPeak> step;
  step[v1::PHASE_FORWARD] = MemoryPeak{10, 64};
  peaks.Add(step, true);
  v1::MemoryUse memory;
  peaks.Fill(&memory);
  EXPECT_EQ(memory.peak_reserved_bytes(), 64u);
  EXPECT_EQ(memory.first_step_peak_reserved_bytes(), 64u);
  EXPECT_EQ(memory.forward().reserved_bytes(), 64u);
}

}  // namespace
}  // namespace torchlap::worker
