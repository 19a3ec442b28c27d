// What `cancel` asks for and says.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "tests/client/commands_fixture.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

TEST_F(Commands, CancelSaysWhatBecameOfEachJob) {
  service_.on_cancel = [](const v1::CancelJobsRequest&, v1::CancelJobsResponse* response) {
    response->add_cancelled_job_ids(18);
    response->add_cancelling_job_ids(17);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"cancel", "17", "18", "--format", "csv"}), 0);
  EXPECT_EQ(out_.str(), "job_id,result\n18,cancelled\n17,cancelling\n");
  EXPECT_THAT(service_.cancels()[0].selector().job_ids(), ElementsAre(17, 18));
  service_.on_cancel = [](const v1::CancelJobsRequest&, v1::CancelJobsResponse*) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "job 17 is SUCCEEDED");
  };
  EXPECT_EQ(Program({"cancel", "17"}), 4);
  EXPECT_EQ(Program({"cancel"}), 1);
}

TEST_F(Commands, CancelByLabelSaysHowManyJobsCouldNotBeRead) {
  service_.on_list_jobs = [](const v1::ListJobsRequest&, v1::ListJobsResponse* response) {
    v1::Job* job = response->add_jobs();
    job->set_job_id(18);
    (*job->mutable_spec()->mutable_labels())["k"] = "v";
    response->set_unreadable_jobs(3);
    return grpc::Status::OK;
  };
  service_.on_cancel = [](const v1::CancelJobsRequest&, v1::CancelJobsResponse* response) {
    response->add_cancelled_job_ids(18);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"cancel", "label:k=v", "--format", "csv"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "job_id,result\n18,cancelled\n");
  EXPECT_THAT(err_.str(), testing::HasSubstr("3 rows could not be read"));
}

TEST_F(Commands, CancelOfAUserNeedsNoSelector) {
  service_.on_cancel = [](const v1::CancelJobsRequest&, v1::CancelJobsResponse* response) {
    response->add_cancelled_job_ids(18);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"cancel", "--user", "ann"}), 0) << err_.str();
  EXPECT_EQ(Program({"cancel", "sweep:3", "--user", "uid:7"}), 0) << err_.str();
  ASSERT_THAT(service_.cancels(), SizeIs(2));
  EXPECT_EQ(service_.cancels()[0].user(), "ann");
  EXPECT_EQ(service_.cancels()[0].selector().ByteSizeLong(), 0U);
  EXPECT_EQ(service_.cancels()[1].user(), "uid:7");
  EXPECT_THAT(service_.cancels()[1].selector().sweep_ids(), ElementsAre(3));
  EXPECT_EQ(Program({"cancel", "--user", ""}), 1);
}

TEST_F(Commands, CancelByLabelOfVeryManyJobsIsAskedForInPieces) {
  constexpr uint64_t kJobs = 12'345;
  service_.on_list_jobs = [](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    uint64_t id = request.page_token().empty() ? 0 : std::stoull(request.page_token());
    for (uint32_t i = 0; i < request.page_size() && id < kJobs; ++i) {
      v1::Job* job = response->add_jobs();
      job->set_job_id(++id);
      (*job->mutable_spec()->mutable_labels())["k"] = "v";
    }
    if (id < kJobs) response->set_next_page_token(std::to_string(id));
    return grpc::Status::OK;
  };
  std::set<uint64_t> asked;
  service_.on_cancel = [&](const v1::CancelJobsRequest& request, v1::CancelJobsResponse* response) {
    if (request.selector().job_ids_size() > 10'000) {
      return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "too many");
    }
    asked.insert(request.selector().job_ids().begin(), request.selector().job_ids().end());
    *response->mutable_cancelled_job_ids() = request.selector().job_ids();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"cancel", "label:k=v", "--format", "csv"}), 0) << err_.str();
  EXPECT_EQ(asked.size(), kJobs);
  const std::string out = out_.str();
  EXPECT_EQ(static_cast<uint64_t>(std::count(out.begin(), out.end(), '\n')), kJobs + 1);
}

TEST_F(Commands, CancelOfManyJobsIsOneLineInATableAndARowEachElsewhere) {
  int cancelled = 0;
  int cancelling = 0;
  service_.on_cancel = [&](const v1::CancelJobsRequest&, v1::CancelJobsResponse* response) {
    uint64_t id = 0;
    for (int i = 0; i < cancelled; ++i) response->add_cancelled_job_ids(++id);
    for (int i = 0; i < cancelling; ++i) response->add_cancelling_job_ids(++id);
    return grpc::Status::OK;
  };
  const auto lines = [&](const char* format) {
    EXPECT_EQ(Program({"cancel", "sweep:9", "--format", format}), 0) << err_.str();
    const std::string out = out_.str();
    return std::count(out.begin(), out.end(), '\n');
  };
  cancelled = 896;
  cancelling = 1;
  EXPECT_EQ(lines("table"), 1);
  EXPECT_EQ(out_.str(), "897 jobs: 896 cancelled, 1 whose worker is being ended\n");
  EXPECT_EQ(lines("markdown"), 897 + 2);
  EXPECT_EQ(lines("csv"), 897 + 1);
  EXPECT_EQ(lines("jsonl"), 897);
  cancelled = 21;
  cancelling = 0;
  EXPECT_EQ(lines("table"), 1);
  EXPECT_EQ(out_.str(), "21 jobs: 21 cancelled\n");
  cancelled = 18;
  cancelling = 2;
  EXPECT_EQ(lines("table"), 20 + 2);
}

TEST_F(Commands, CancelSaysWhatAPieceBeforeAnErrorHasDone) {
  service_.on_list_jobs = [](const v1::ListJobsRequest&, v1::ListJobsResponse* response) {
    for (uint64_t id = 1; id <= 6000; ++id) {
      response->add_jobs()->set_job_id(id);
      (*response->mutable_jobs()->rbegin()->mutable_spec()->mutable_labels())["k"] = "v";
    }
    return grpc::Status::OK;
  };
  service_.on_cancel = [](const v1::CancelJobsRequest& request, v1::CancelJobsResponse* response) {
    if (request.selector().job_ids(0) > 1) {
      return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "job 5001 belongs to bob");
    }
    *response->mutable_cancelled_job_ids() = request.selector().job_ids();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"cancel", "label:k=v"}), 4);
  EXPECT_EQ(err_.str(),
            "5000 jobs were cancelled before this error\ntorchlap: job 5001 belongs to bob\n");
}

}  // namespace
}  // namespace torchlap::client
