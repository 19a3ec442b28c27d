#include "server/rpc/cell_findings.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/proto/base/settable_clock.h"
#include "tests/server/rpc/calls_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

// Findings 1 of ann and 2 of bob.
class CellFindingsTest : public CallsTest {
 protected:
  void SetUp() override {
    CallsTest::SetUp();
    for (const storage::Caller& caller : {ann_, bob_}) LeaveFindingOf(caller);
  }
  void LeaveFindingOf(const storage::Caller& caller) {
    const auto submitted = jobs_->Submit(caller, "", "", "", {storage::MakeJob()}, {42}, ++now_ns_);
    ASSERT_TRUE(submitted.ok()) << submitted.status();
    const uint64_t job = submitted->job_ids[0];
    Finish(storage::Ended(Start(job)), storage::LaunchDone());
    Break(
        "INSERT INTO cell_finding (owner_id, series_id, state, run_id, seen_run_id, before_ns, "
        "after_ns, against_baseline, found_at_ns, seen_at_ns, suite) SELECT owner_id, series, 1, "
        "id, id, 1.0, 2.0, 0, 5, 9, 'night' FROM run WHERE job_id = " +
        std::to_string(job));
  }
  v1::ListFindingsResponse List(const storage::Caller& caller,
                                const v1::ListFindingsRequest& request = {}) {
    v1::ListFindingsResponse response;
    const absl::Status status = calls_->list_findings.Answer(caller, request, &response);
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }
  absl::Status Set(const storage::Caller& caller, uint64_t id, v1::CellFindingState state,
                   const std::string& why = "", v1::SetFindingResponse* response = nullptr) {
    v1::SetFindingRequest request;
    request.set_finding_id(id);
    request.set_state(state);
    request.set_why(why);
    v1::SetFindingResponse ignored;
    return SetFinding(database_.get(), &clock_)
        .Answer(caller, request, response == nullptr ? &ignored : response);
  }

  SettableClock clock_;
};

TEST_F(CellFindingsTest, ListsAllButFixedUnlessStatesAreNamed) {
  EXPECT_THAT(List(ann_).findings(), SizeIs(2));
  ASSERT_TRUE(Set(ann_, 1, v1::CELL_FINDING_FIXED).ok());
  ASSERT_THAT(List(ann_).findings(), SizeIs(1));
  EXPECT_EQ(List(ann_).findings(0).user(), "bob");
  v1::ListFindingsRequest request;
  request.add_states(v1::CELL_FINDING_FIXED);
  ASSERT_THAT(List(ann_, request).findings(), SizeIs(1));
  EXPECT_EQ(List(ann_, request).findings(0).closed_at_ns(), clock_.WallNs());
  request.add_states(v1::CELL_FINDING_NEW);
  EXPECT_THAT(List(ann_, request).findings(), SizeIs(2));
  request.set_user("ann");
  EXPECT_THAT(List(bob_, request).findings(), SizeIs(1));
}

TEST_F(CellFindingsTest, APrivateDaemonShowsOnesOwn) {
  storage::Caller stranger = bob_;
  stranger.sees_all = false;
  ASSERT_THAT(List(stranger).findings(), SizeIs(1));
  EXPECT_EQ(List(stranger).findings(0).user(), "bob");
  v1::ListFindingsRequest of_ann;
  of_ann.set_user("ann");
  EXPECT_THAT(List(stranger, of_ann).findings(), SizeIs(0));
}

TEST_F(CellFindingsTest, TheOwnerOrAnAdminSaysWhatHasBecomeOfIt) {
  v1::SetFindingResponse response;
  ASSERT_TRUE(Set(ann_, 1, v1::CELL_FINDING_IGNORED, "the driver", &response).ok());
  EXPECT_EQ(response.finding().state(), v1::CELL_FINDING_IGNORED);
  EXPECT_EQ(response.finding().why(), "the driver");
  EXPECT_TRUE(Set(root_, 1, v1::CELL_FINDING_CONFIRMED).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(Set(bob_, 1, v1::CELL_FINDING_NEW)));
  EXPECT_TRUE(absl::IsNotFound(Set(ann_, 7, v1::CELL_FINDING_NEW)));
}

TEST_F(CellFindingsTest, RefusesWhatIsNoStateAndNoText) {
  const absl::Status no_state = Set(ann_, 1, v1::CELL_FINDING_STATE_UNSPECIFIED);
  EXPECT_TRUE(absl::IsInvalidArgument(no_state)) << no_state;
  EXPECT_THAT(std::string(no_state.message()), HasSubstr("new, ignored, confirmed, fixed"));
  EXPECT_TRUE(absl::IsInvalidArgument(Set(ann_, 1, v1::CELL_FINDING_NEW, "a\x1b[2J")));
  EXPECT_TRUE(absl::IsInvalidArgument(Set(ann_, 1, v1::CELL_FINDING_NEW, std::string(501, 'x'))));
  EXPECT_TRUE(Set(ann_, 1, v1::CELL_FINDING_NEW, std::string(500, 'x')).ok());
  v1::ListFindingsRequest request;
  request.add_states(v1::CELL_FINDING_STATE_UNSPECIFIED);
  v1::ListFindingsResponse response;
  EXPECT_TRUE(absl::IsInvalidArgument(calls_->list_findings.Answer(ann_, request, &response)));
}

}  // namespace
}  // namespace torchlap::rpc
