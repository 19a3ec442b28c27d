#include "server/worker/cpu_allocator.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/server/worker/allocator_reset.h"

namespace torchlap::worker {
namespace {

TEST(CpuAllocatorTest, LiveBytesRiseAndFallWithTheBlocks) {
  CpuAllocator allocator(0);
  {
    const c10::DataPtr first = allocator.allocate(1000);
    EXPECT_EQ(allocator.allocated_bytes(), 1000u);
    const c10::DataPtr second = allocator.allocate(24);
    EXPECT_EQ(allocator.allocated_bytes(), 1024u);
  }
  EXPECT_EQ(allocator.allocated_bytes(), 0u);
}

TEST(CpuAllocatorTest, ThePeakStaysUntilItIsReset) {
  CpuAllocator allocator(0);
  const c10::DataPtr kept = allocator.allocate(100);
  { const c10::DataPtr dropped = allocator.allocate(900); }
  EXPECT_EQ(allocator.peak_bytes(), 1000u);
  allocator.ResetPeak();
  EXPECT_EQ(allocator.peak_bytes(), 100u);
  { const c10::DataPtr dropped = allocator.allocate(50); }
  EXPECT_EQ(allocator.peak_bytes(), 150u);
}

TEST(CpuAllocatorTest, BlocksAreAlignedAndWritableToTheirEnd) {
  CpuAllocator allocator(0);
  for (const size_t size : {1u, 63u, 64u, 65u, 4096u, 1u << 20}) {
    const c10::DataPtr block = allocator.allocate(size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.get()) % 64, 0u);
    std::fill_n(static_cast<char*>(block.get()), size, 'x');
  }
}

TEST(CpuAllocatorTest, NothingIsAllocatedForNoBytes) {
  CpuAllocator allocator(10);
  EXPECT_EQ(allocator.allocate(0).get(), nullptr);
  EXPECT_EQ(allocator.allocated_bytes(), 0u);
}

TEST(CpuAllocatorTest, ABlockThatFitsExactlyIsGiven) {
  CpuAllocator allocator(1000);
  const c10::DataPtr first = allocator.allocate(600);
  EXPECT_NO_THROW(allocator.allocate(400));
}

TEST(CpuAllocatorTest, OverTheLimitTheErrorIsTypedAndTheNumbersAreKept) {
  CpuAllocator allocator(1000);
  const c10::DataPtr held = allocator.allocate(600);
  EXPECT_FALSE(allocator.last_refusal().has_value());
  EXPECT_THROW(allocator.allocate(401), c10::OutOfMemoryError);
  ASSERT_TRUE(allocator.last_refusal().has_value());
  EXPECT_EQ(allocator.last_refusal()->asked_bytes, 401u);
  EXPECT_EQ(allocator.last_refusal()->allocated_bytes, 600u);
  EXPECT_EQ(allocator.allocated_bytes(), 600u);
  EXPECT_EQ(allocator.peak_bytes(), 600u);
}

TEST(CpuAllocatorTest, TheMessageSaysWhatWasAskedHeldAndAllowed) {
  CpuAllocator allocator(1000);
  try {
    allocator.allocate(5000);
    FAIL() << "5000 bytes fit into 1000";
  } catch (const c10::Error& error) {
    EXPECT_EQ(std::string(error.what_without_backtrace()),
              "out of memory: asked for 5000 bytes, 0 are allocated, the limit is 1000");
  }
}

TEST(CpuAllocatorTest, WhatTheSystemRefusesIsTheSameTypedError) {
  CpuAllocator allocator(0);
  constexpr size_t kMoreThanAnyAddressSpace = size_t{1} << 60;
  EXPECT_THROW(allocator.allocate(kMoreThanAnyAddressSpace), c10::OutOfMemoryError);
  EXPECT_EQ(allocator.last_refusal()->asked_bytes, kMoreThanAnyAddressSpace);
  EXPECT_EQ(allocator.allocated_bytes(), 0u);
}

TEST(CpuAllocatorTest, OnceInstalledItCountsTensors) {
  const AllocatorReset reset;
  CpuAllocator* allocator = CpuAllocator::Install(1 << 20);
  const uint64_t before = allocator->allocated_bytes();
  {
    const at::Tensor tensor = at::zeros({256}, at::kFloat);
    EXPECT_EQ(allocator->allocated_bytes(), before + 1024);
    EXPECT_THROW(at::zeros({1 << 20}, at::kFloat), c10::OutOfMemoryError);
  }
  EXPECT_EQ(allocator->allocated_bytes(), before);
}

}  // namespace
}  // namespace torchlap::worker
