#include "server/worker/cuda_message.h"

#include <gtest/gtest.h>

namespace torchlap::worker {
namespace {

TEST(CudaMessageTest, TheSizeIsReadFromTheAllocatorsMessage) {
  // As c10/cuda/CUDACachingAllocator.cpp of torch 2.11 words it.
  EXPECT_EQ(AskedBytes("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total "
                       "capacity of 15.73 GiB of which 4.56 MiB is free. Process 812 has 15.72 GiB "
                       "memory in use. Of the allocated memory 15.30 GiB is allocated by PyTorch, "
                       "and 120.00 MiB is reserved by PyTorch but unallocated."),
            20u << 20);
}

TEST(CudaMessageTest, EveryUnitIsKnown) {
  EXPECT_EQ(AskedBytes("Tried to allocate 512 bytes."), 512u);
  EXPECT_EQ(AskedBytes("Tried to allocate 1.50 KiB."), 1536u);
  EXPECT_EQ(AskedBytes("Tried to allocate 2.25 GiB."), uint64_t{9} << 28);
}

TEST(CudaMessageTest, AnotherMessageHasNoSize) {
  EXPECT_FALSE(AskedBytes("CUDA error: invalid argument").has_value());
  EXPECT_FALSE(AskedBytes("Tried to allocate many MiB").has_value());
  EXPECT_FALSE(AskedBytes("Tried to allocate 5 apples").has_value());
  EXPECT_FALSE(AskedBytes("Tried to allocate ").has_value());
}

}  // namespace
}  // namespace torchlap::worker
