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

TEST_F(SubmitJobsTest, NothingIsTakenThatWouldBeLost) {
  std::filesystem::remove(file_);
  EXPECT_THAT(
      Refusal(Named("a")),
      HasSubstr("no jobs are taken, as they would be lost: " + file_.string() + " was deleted"));
}

}  // namespace
}  // namespace torchlap::rpc
