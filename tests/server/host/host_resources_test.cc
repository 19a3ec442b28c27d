#include "server/host/host_resources.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <string>

#include "tests/server/host/temporary_folder.h"

namespace torchlap::host {
namespace {

constexpr uint64_t kGib = uint64_t{1} << 30;

// A machine of 16 GiB with 10 GiB available.
class HostResourcesTest : public testing::Test {
 protected:
  HostResourcesTest() {
    tree_.Write("proc/meminfo",
                "MemTotal:       16777216 kB\nMemFree:         1048576 kB\n"
                "MemAvailable:   10485760 kB\n");
    tree_.Write("proc/cpuinfo",
                "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) CPU\nprocessor\t: 1\n"
                "model name\t: Other\n");
  }

  HostResources Read() const { return ReadHostResources(tree_.path()); }

  TemporaryFolder tree_;
};

TEST_F(HostResourcesTest, WithoutCgroupsTheMachinesNumbersCount) {
  EXPECT_EQ(Read().total_memory_bytes, 16 * kGib);
  EXPECT_EQ(Read().available_memory_bytes, 10 * kGib);
}

TEST_F(HostResourcesTest, TheModelIsThatOfTheFirstProcessor) {
  EXPECT_EQ(Read().cpu_model, "Intel(R) Xeon(R) CPU");
}

TEST_F(HostResourcesTest, AProcessorWithoutAModelNameIsUnknown) {
  tree_.Write("proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 50.00\n");
  EXPECT_EQ(Read().cpu_model, "unknown CPU");
}

TEST_F(HostResourcesTest, CoresAreThoseOfTheAffinity) {
  cpu_set_t original;
  ASSERT_EQ(sched_getaffinity(0, sizeof(original), &original), 0);
  const std::vector<int> before = Read().cores;
  ASSERT_EQ(before.size(), static_cast<size_t>(CPU_COUNT(&original)));
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(before.back(), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(Read().cores, std::vector<int>{before.back()});
  sched_setaffinity(0, sizeof(original), &original);
}

TEST_F(HostResourcesTest, AVersion2LimitCounts) {
  tree_.Write("proc/self/cgroup", "0::/user.slice/session\n");
  tree_.Write("sys/fs/cgroup/user.slice/session/memory.max", "4294967296\n");
  tree_.Write("sys/fs/cgroup/user.slice/session/memory.current", "1073741824\n");
  EXPECT_EQ(Read().total_memory_bytes, 4 * kGib);
  EXPECT_EQ(Read().available_memory_bytes, 3 * kGib);
}

TEST_F(HostResourcesTest, FilePagesThatTheKernelWouldGiveBackAreAvailable) {
  tree_.Write("proc/self/cgroup", "0::/a\n");
  tree_.Write("sys/fs/cgroup/a/memory.max", "4294967296\n");
  tree_.Write("sys/fs/cgroup/a/memory.current", "4294967296\n");
  tree_.Write("sys/fs/cgroup/a/memory.stat", "anon 5\ninactive_file 2147483648\nactive_file 7\n");
  EXPECT_EQ(Read().available_memory_bytes, 2 * kGib);
}

TEST_F(HostResourcesTest, ALimitOfAGroupAboveCountsAndMaxIsNone) {
  tree_.Write("proc/self/cgroup", "0::/user.slice/session\n");
  tree_.Write("sys/fs/cgroup/user.slice/session/memory.max", "max\n");
  tree_.Write("sys/fs/cgroup/user.slice/memory.max", "2147483648\n");
  tree_.Write("sys/fs/cgroup/user.slice/memory.current", "0\n");
  EXPECT_EQ(Read().total_memory_bytes, 2 * kGib);
  EXPECT_EQ(Read().available_memory_bytes, 2 * kGib);
}

TEST_F(HostResourcesTest, AVersion1LimitCounts) {
  tree_.Write("proc/self/cgroup", "9:name=systemd:/\n5:cpu,memory:/docker/abc\n0::/\n");
  tree_.Write("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "3221225472\n");
  tree_.Write("sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "2147483648\n");
  tree_.Write("sys/fs/cgroup/memory/docker/abc/memory.stat", "total_inactive_file 1073741824\n");
  EXPECT_EQ(Read().total_memory_bytes, 3 * kGib);
  EXPECT_EQ(Read().available_memory_bytes, 2 * kGib);
}

TEST_F(HostResourcesTest, InAContainerTheLimitStandsAtTheMountAndThePathOfTheHostIsNotThere) {
  tree_.Write("proc/self/cgroup", "4:memory:/docker/0123\n");
  tree_.Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
  tree_.Write("sys/fs/cgroup/memory/memory.usage_in_bytes", "0\n");
  EXPECT_EQ(Read().total_memory_bytes, kGib);
}

TEST_F(HostResourcesTest, AnUnlimitedVersion1GroupSetsNoLimit) {
  tree_.Write("proc/self/cgroup", "4:memory:/\n");
  tree_.Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  tree_.Write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1073741824\n");
  EXPECT_EQ(Read().total_memory_bytes, 16 * kGib);
  EXPECT_EQ(Read().available_memory_bytes, 10 * kGib);
}

TEST_F(HostResourcesTest, AGroupAboveItsLimitHasNothingAvailable) {
  tree_.Write("proc/self/cgroup", "0::/a\n");
  tree_.Write("sys/fs/cgroup/a/memory.max", "1073741824\n");
  tree_.Write("sys/fs/cgroup/a/memory.current", "2147483648\n");
  EXPECT_EQ(Read().available_memory_bytes, 0U);
}

TEST(HostResources, OfThisMachineAreThere) {
  const HostResources host = ReadHostResources();
  EXPECT_FALSE(host.cores.empty());
  EXPECT_TRUE(std::is_sorted(host.cores.begin(), host.cores.end()));
  EXPECT_GT(host.available_memory_bytes, 0U);
  EXPECT_GE(host.total_memory_bytes, host.available_memory_bytes);
  EXPECT_NE(host.cpu_model, "");
  EXPECT_EQ(host.siblings.size(), host.cores.size());
}

}  // namespace
}  // namespace torchlap::host
