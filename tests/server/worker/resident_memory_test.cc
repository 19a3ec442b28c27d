#include "server/worker/resident_memory.h"

#include <gtest/gtest.h>

#include <sstream>
#include <vector>

namespace torchlap::worker {
namespace {

std::optional<uint64_t> Of(const std::string& text) {
  std::istringstream status(text);
  return PeakResidentBytes(status);
}

TEST(ResidentMemory, IsTheKernelsHighWaterMarkInBytes) {
  EXPECT_EQ(Of("Name:\tx\nVmPeak:\t  9000 kB\nVmHWM:\t   512 kB\nVmRSS:\t   100 kB\n"),
            uint64_t{512 * 1024});
  EXPECT_EQ(Of("VmHWM:\t1048576 kB\n"), uint64_t{1} << 30);
}

TEST(ResidentMemory, IsUnknownWhereTheKernelDoesNotSay) {
  for (const char* text : {"", "Name:\tx\n", "VmHWM:\tmuch kB\n", "VmHWM:\t512 MB\n"}) {
    EXPECT_EQ(Of(text), std::nullopt) << text;
  }
}

TEST(ResidentMemory, OfThisProcessGrowsWithWhatItTouches) {
  const auto before = PeakResidentBytes();
  ASSERT_TRUE(before);
  constexpr size_t kMore = size_t{64} << 20;
  const std::vector<char> touched(*before + kMore, 1);
  EXPECT_GE(*PeakResidentBytes(), *before + kMore) << touched.size();
}

}  // namespace
}  // namespace torchlap::worker
