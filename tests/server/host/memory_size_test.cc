#include "server/host/memory_size.h"

#include <gtest/gtest.h>

#include <string>

namespace torchlap::host {
namespace {

TEST(MemorySize, ReadsUnitsOf1024AndPlainBytes) {
  EXPECT_EQ(*ParseMemorySize("2GiB"), 2147483648U);
  EXPECT_EQ(*ParseMemorySize("1200MiB"), 1258291200U);
  EXPECT_EQ(*ParseMemorySize("512 KiB"), 524288U);
  EXPECT_EQ(*ParseMemorySize("1.5GiB"), 1610612736U);
  EXPECT_EQ(*ParseMemorySize("1TiB"), 1099511627776U);
  EXPECT_EQ(*ParseMemorySize("1258291200"), 1258291200U);
  EXPECT_EQ(*ParseMemorySize("17B"), 17U);
}

TEST(MemorySize, RefusesWhatIsNoAmount) {
  for (const char* text : {"", "GiB", "0", "0MiB", "-1GiB", "2GB", "2gib", "2 G", "nan", "inf",
                           "1e5", "0x10", "9000000TiB", "2GiB "}) {
    const auto bytes = ParseMemorySize(text);
    EXPECT_EQ(bytes.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(bytes.status().message(), "memory is '" + std::string(text) +
                                            "', must be like 2GiB, 1200MiB or a number of bytes");
  }
}

TEST(MemorySize, PrintsOneDecimalInTheLargestUnitThatFits) {
  EXPECT_EQ(PrintMemorySize(0), "0 bytes");
  EXPECT_EQ(PrintMemorySize(1023), "1023 bytes");
  EXPECT_EQ(PrintMemorySize(1024), "1.0 KiB");
  EXPECT_EQ(PrintMemorySize(1258291200), "1.2 GiB");
  EXPECT_EQ(PrintMemorySize(992 * 1048576), "992.0 MiB");
  EXPECT_EQ(PrintMemorySize(27254476800), "25.4 GiB");
  EXPECT_EQ(PrintMemorySize(uint64_t{3} << 40), "3.0 TiB");
}

}  // namespace
}  // namespace torchlap::host
