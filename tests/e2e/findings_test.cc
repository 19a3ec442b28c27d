// What changes between two sweeps of a suite, found by the real programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class FindingsTest : public testing::Test {
 protected:
  FindingsTest() : world_(World::FakeWorker()) {}
  void SetUp() override { ASSERT_TRUE(world_.Start()) << world_.daemon_log(); }
  // As a suite submits it, with steps of three phases that take so long.
  void Night(int phase_ms) {
    const int64_t ns = int64_t{1'000'000} * phase_ms;
    const json steps = {{"forward_ns", ns}, {"loss_ns", ns}, {"backward_ns", ns}};
    world_.TellFakeWorker({{"runs", {{"*", steps}}}});
    std::vector<std::string> words = Tiny({"--launches", "3", "--label", "suite=night"});
    words.insert(words.begin(), "run");
    const Finished ran = world_.Client(words);
    ASSERT_EQ(ran.status, 0) << ran.err;
    ASSERT_TRUE(Eventually([this] {
      return world_.Query("SELECT count(*) FROM sweep_to_judge") == std::vector<std::string>{"0"};
    }));
  }

  World world_;
};

TEST_F(FindingsTest, AFindingAppearsIsIgnoredVanishesAndIsClosed) {
  for (int i = 0; i < 3; ++i) Night(10);
  const Finished none = world_.Client({"findings"});
  EXPECT_EQ(none.status, 0);
  EXPECT_THAT(none.err, HasSubstr("no findings"));
  Night(13);
  const json found = world_.Json({"findings"});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0]["state"], "new");
  EXPECT_EQ(found[0]["suite"], "night");
  EXPECT_NEAR(found[0]["ratio"].get<double>(), 1.3, 0.01);
  const Finished set = world_.Client({"findings", "set", "1", "ignored", "--why", "a new driver"});
  EXPECT_EQ(set.status, 0) << set.err;
  Night(13);
  EXPECT_EQ(world_.Json({"findings", "--state", "ignored"}).size(), 1U);
  Night(10);
  EXPECT_EQ(world_.Json({"findings"}).size(), 0U);
  const json fixed = world_.Json({"findings", "--all"});
  ASSERT_EQ(fixed.size(), 1U);
  EXPECT_EQ(fixed[0]["state"], "fixed");
  const Finished digest = world_.Client({"digest", "--since", "1d"});
  EXPECT_EQ(digest.status, 0) << digest.err;
  EXPECT_THAT(digest.out, HasSubstr("6 sweeps submitted"));
  EXPECT_THAT(digest.out, HasSubstr("findings: 1 fixed"));
  EXPECT_EQ(world_.Client({"findings", "set", "7", "new"}).status, 4);
}

}  // namespace
}  // namespace torchlap::e2e
