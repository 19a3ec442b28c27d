#include "server/rpc/submit_jobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/run/device_fleet.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::HasSubstr;

class SubmitJobsTest : public storage::StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    fleet_.emplace(std::vector<std::unique_ptr<run::Place>>(), run::DispatcherSetting());
    files_.emplace(std::vector<std::filesystem::path>{file_});
    health_.emplace(&*files_, &*fleet_);
    submit_.emplace(jobs_.get(), &*fleet_, &hub_, &*health_, &SystemClock());
  }
  std::string Refusal(const v1::SubmitJobsRequest& request) {
    v1::SubmitJobsResponse response;
    const absl::Status status = submit_->Answer(ann_, request, &response);
    EXPECT_FALSE(status.ok());
    return std::string(status.message());
  }
  static v1::SubmitJobsRequest Named(const std::string& name) {
    v1::SubmitJobsRequest request;
    request.set_sweep_name(name);
    request.add_jobs();
    return request;
  }

  run::EventHub hub_;
  std::optional<run::DeviceFleet> fleet_;
  std::optional<host::StateFiles> files_;
  std::optional<StorageHealth> health_;
  std::optional<SubmitJobs> submit_;
};

TEST_F(SubmitJobsTest, ASweepsNameIsNoNumber) {
  for (const std::string name : {"3", "007", "0"}) {
    EXPECT_EQ(Refusal(Named(name)), "sweep_name is " + name + ", must not be a number: sweep:" +
                                        name + " is the sweep with that id");
  }
  for (const std::string name : {"", "3a", "-3", "3.1", "a3"}) {
    EXPECT_THAT(Refusal(Named(name)), testing::Not(HasSubstr("must not be a number"))) << name;
  }
}

TEST_F(SubmitJobsTest, ASweepsNameIsVisible) {
  EXPECT_EQ(Refusal(Named("a\x1b]0;t\x07")),
            "sweep_name is \"a\\x1b]0;t\\x07\", must have no \\x1b: visible characters only");
  EXPECT_THAT(Refusal(Named("night\u202ely")), HasSubstr("must have no \\u202e"));
  EXPECT_THAT(Refusal(Named("a\u0085b")), HasSubstr("must have no \\u0085"));
  v1::SubmitJobsRequest request = Named("a");
  request.set_request_id("1\n2");
  EXPECT_EQ(Refusal(request), "request_id is \"1\\n2\", must have no \\n: visible characters only");
}

TEST_F(SubmitJobsTest, TenThousandJobsOfAThousandLaunchesAreRefusedBeforeAnythingIsMadeOfThem) {
  Reopen(storage::QueueLimits{.launches_per_user = 100'000});
  submit_.emplace(jobs_.get(), &*fleet_, &hub_, &*health_, &SystemClock());
  v1::SubmitJobsRequest request;
  request.set_request_id("r1");
  for (int i = 0; i < 10'000; ++i) request.add_jobs()->mutable_plan()->set_launches(1000);
  const int64_t began_ns = MonotonicNs();
  EXPECT_EQ(
      Refusal(request),
      "ann has 0 launches queued and asks for 10000000 launches (10000 jobs), must be at most "
      "100000 together (max_queued_launches_per_user)");
  EXPECT_LT(MonotonicNs() - began_ns, 1'000'000'000) << "milliseconds, on an idle machine";
  EXPECT_EQ(SelectInt("SELECT count(*) FROM sweep"), 0);
}

TEST_F(SubmitJobsTest, ANumberOfLaunchesThatNobodyMayAskForIsRefusedAsThat) {
  Reopen(storage::QueueLimits{.launches_per_user = 2000});
  submit_.emplace(jobs_.get(), &*fleet_, &hub_, &*health_, &SystemClock());
  v1::SubmitJobsRequest request = Named("a");
  for (const uint32_t launches : {0U, 1001U, 4'000'000'000U}) {
    *request.mutable_jobs(0) = storage::MakeJob().spec;
    request.mutable_jobs(0)->mutable_plan()->set_launches(launches);
    EXPECT_THAT(Refusal(request), HasSubstr("launches is " + std::to_string(launches)));
  }
}

TEST_F(SubmitJobsTest, ASweepsNameHasALengthInCharacters) {
  std::string name;
  for (int i = 0; i < 100; ++i) name += "\u044f";
  EXPECT_THAT(Refusal(Named(name)), testing::Not(HasSubstr("characters")));
  EXPECT_EQ(Refusal(Named(name + "x")), "sweep_name has 101 characters, must have at most 100");
}

TEST_F(SubmitJobsTest, TheSizeOfARequestIsCheckedFirst) {
  v1::SubmitJobsRequest request;
  EXPECT_EQ(Refusal(request), "jobs has 0 entries, must have 1 to 10000");
  for (int i = 0; i < 10'001; ++i) request.add_jobs();
  EXPECT_EQ(Refusal(request), "jobs has 10001 entries, must have 1 to 10000");
  request = Named("a");
  request.set_request_id(std::string(129, 'x'));
  EXPECT_EQ(Refusal(request), "request_id has 129 characters, must have 0 to 128");
}

TEST_F(SubmitJobsTest, OneJobOfTooLongATimeLimitIsRefusedWithAll) {
  constexpr int64_t kHourNs = 3'600'000'000'000;
  submit_.emplace(jobs_.get(), &*fleet_, &hub_, &*health_, &SystemClock(), 24 * kHourNs);
  v1::SubmitJobsRequest request = Named("a");
  *request.mutable_jobs(0) = storage::MakeJob().spec;
  *request.add_jobs() = storage::MakeJob().spec;
  request.mutable_jobs(1)->mutable_plan()->set_time_limit_ns(48 * kHourNs);
  EXPECT_EQ(Refusal(request), "time_limit is 2d, must be at most 24h (max_time_limit)");
  EXPECT_EQ(SelectInt("SELECT count(*) FROM sweep"), 0);
}

TEST_F(SubmitJobsTest, NothingIsTakenThatWouldBeLost) {
  std::filesystem::remove(file_);
  EXPECT_THAT(
      Refusal(Named("a")),
      HasSubstr("no jobs are taken, as they would be lost: " + file_.string() + " was deleted"));
}

}  // namespace
}  // namespace torchlap::rpc
