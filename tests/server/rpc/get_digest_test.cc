#include "server/rpc/get_digest.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/proto/base/settable_clock.h"
#include "tests/server/rpc/calls_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kDayNs = 86'400'000'000'000;

class GetDigestTest : public CallsTest {
 protected:
  void SetUp() override {
    CallsTest::SetUp();
    // The clock of the calls is at the time of the runs.
    clock_.Advance(now_ns_ - clock_.WallNs());
  }
  void Run(const std::string& driver, const storage::DeviceIdentity& device) {
    const uint64_t job = SubmitOne(storage::MakeJob());
    const auto started = jobs_->Start(job, 0, device, ++now_ns_);
    ASSERT_TRUE(started.ok()) << started.status();
    storage::FinishedRun finished = storage::Ended(*started);
    finished.run.set_environment_hash("hash-" + driver);
    finished.environment.emplace().set_driver_version(driver);
    Finish(finished, storage::LaunchDone());
  }
  absl::Status Ask(const v1::GetDigestRequest& request, v1::GetDigestResponse* response) {
    return GetDigest(database_.get(), jobs_.get(), &clock_).Answer(ann_, request, response);
  }
  v1::GetDigestResponse Since(int64_t since_ns) {
    v1::GetDigestRequest request;
    request.set_since_ns(since_ns);
    v1::GetDigestResponse response;
    const absl::Status status = Ask(request, &response);
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }

  SettableClock clock_;
};

TEST_F(GetDigestTest, IsOfTheLastDayUnlessATimeIsNamed) {
  Run("570", cpu0_);
  clock_.Advance(2 * kDayNs);
  const v1::GetDigestResponse day = Since(0);
  EXPECT_EQ(day.until_ns(), clock_.WallNs());
  EXPECT_EQ(day.since_ns(), clock_.WallNs() - kDayNs);
  EXPECT_THAT(day.outcomes(), IsEmpty());
  const v1::GetDigestResponse week = Since(clock_.WallNs() - 7 * kDayNs);
  ASSERT_THAT(week.outcomes(), SizeIs(1));
  EXPECT_EQ(week.sweeps(), 1U);
  EXPECT_EQ(week.queued_jobs(), 0U);
  SubmitOne(storage::MakeJob());
  EXPECT_EQ(Since(0).queued_jobs(), 1U);
}

TEST_F(GetDigestTest, AChangeThatAllDevicesHaveIsSaidOnce) {
  Run("570", cpu0_);
  Run("570", cpu1_);
  const int64_t since_ns = ++now_ns_;
  clock_.Advance(kDayNs);
  Run("580", cpu0_);
  v1::GetDigestResponse response = Since(since_ns);
  ASSERT_THAT(response.changes(), SizeIs(1));
  EXPECT_EQ(response.changes(0).name(), "driver") << "the other device has not run";
  Run("570", cpu1_);
  response = Since(since_ns);
  ASSERT_THAT(response.changes(), SizeIs(1));
  EXPECT_EQ(response.changes(0).name(), "cpu0 driver");
  EXPECT_EQ(response.changes(0).before(), "570");
  EXPECT_EQ(response.changes(0).after(), "580");
  Run("580", cpu1_);
  response = Since(since_ns);
  ASSERT_THAT(response.changes(), SizeIs(1));
  EXPECT_EQ(response.changes(0).name(), "driver");
}

TEST_F(GetDigestTest, HasFindingsThatWereOpenedOrClosed) {
  Run("570", cpu0_);
  const int64_t since_ns = now_ns_;
  clock_.Advance(kDayNs);
  const auto leave = [&](int64_t found_at_ns, const std::string& closed_at_ns) {
    Break(
        "INSERT INTO cell_finding (owner_id, series_id, state, run_id, seen_run_id, before_ns, "
        "after_ns, against_baseline, found_at_ns, seen_at_ns, closed_at_ns) SELECT owner_id, "
        "series, 1, id, id, 1.0, 2.0, 0, " +
        std::to_string(found_at_ns) + ", " + std::to_string(since_ns + 5) + ", " + closed_at_ns +
        " FROM run");
  };
  leave(since_ns - 1, "NULL");
  EXPECT_THAT(Since(since_ns).findings(), IsEmpty()) << "only seen";
  Break("UPDATE cell_finding SET closed_at_ns = " + std::to_string(since_ns + 1));
  EXPECT_THAT(Since(since_ns).findings(), SizeIs(1));
  leave(since_ns + 1, "NULL");
  EXPECT_THAT(Since(since_ns).findings(), SizeIs(2));
}

TEST_F(GetDigestTest, RefusesATimeToCome) {
  v1::GetDigestRequest request;
  v1::GetDigestResponse response;
  for (const int64_t since_ns : {clock_.WallNs() + 1, int64_t{-1}}) {
    request.set_since_ns(since_ns);
    EXPECT_TRUE(absl::IsInvalidArgument(Ask(request, &response))) << since_ns;
  }
  request.set_since_ns(0);
  request.set_user("a\x1b[2J");
  EXPECT_TRUE(absl::IsInvalidArgument(Ask(request, &response)));
}

}  // namespace
}  // namespace torchlap::rpc
