#include "server/host/descriptor_limit.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

namespace torchlap::host {
namespace {

class DescriptorLimitTest : public testing::Test {
 protected:
  DescriptorLimitTest() { ::getrlimit(RLIMIT_NOFILE, &before_); }
  ~DescriptorLimitTest() override { ::setrlimit(RLIMIT_NOFILE, &before_); }

  void SetSoft(rlim_t soft) const {
    const rlimit limit = {soft, before_.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  static rlim_t Soft() {
    rlimit now = {};
    ::getrlimit(RLIMIT_NOFILE, &now);
    return now.rlim_cur;
  }

  rlimit before_ = {};
};

TEST_F(DescriptorLimitTest, IsRaisedAsFarAsAllowedAndGivenBackToChildren) {
  for (const rlim_t inherited : {64U, 200U}) {
    SetSoft(inherited);
    const rlim_t most = std::min<rlim_t>(before_.rlim_max, kDescriptorsWanted);
    EXPECT_EQ(RaiseDescriptorLimit(), most);
    EXPECT_EQ(Soft(), most);
    RestoreDescriptorLimit();
    EXPECT_EQ(Soft(), inherited);
  }
}

TEST_F(DescriptorLimitTest, IsNeverLowered) {
  if (before_.rlim_max <= kDescriptorsWanted) GTEST_SKIP() << "the hard limit is too low";
  SetSoft(kDescriptorsWanted + 1);
  EXPECT_EQ(RaiseDescriptorLimit(), kDescriptorsWanted + 1);
  EXPECT_EQ(Soft(), kDescriptorsWanted + 1);
}

}  // namespace
}  // namespace torchlap::host
