// What `rerun` submits again.
#include <gmock/gmock.h>

#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

class Rerun : public Commands {
 protected:
  Rerun() {
    service_.on_list_jobs = [this](const v1::ListJobsRequest& request,
                                   v1::ListJobsResponse* response) {
      asked_ = request;
      for (const v1::Job& job : jobs_) *response->add_jobs() = job;
      return grpc::Status::OK;
    };
  }

  v1::ListJobsRequest asked_;
  std::vector<v1::Job> jobs_ = {SmallJob(17, v1::JOB_STATE_SUCCEEDED)};
};

TEST_F(Rerun, SubmitsWhatWasAskedForAsANewSweepAndPrintsItsTable) {
  v1::JobSpec* spec = jobs_[0].mutable_spec();
  spec->set_device("cuda");
  (*spec->mutable_labels())["card"] = "A";
  spec->mutable_oom()->set_batch_is_swept(true);
  EXPECT_EQ(Program({"rerun", "17", "--name", "again"}), 0) << err_.str();
  EXPECT_THAT(asked_.selector().job_ids(), ElementsAre(17));
  ASSERT_THAT(service_.submits(), SizeIs(1));
  const v1::SubmitJobsRequest request = service_.submits()[0];
  EXPECT_EQ(request.sweep_name(), "again");
  EXPECT_FALSE(request.shuffle());
  ASSERT_EQ(request.jobs_size(), 1);
  EXPECT_EQ(request.jobs(0).device(), "cuda");
  EXPECT_EQ(request.jobs(0).labels().at("card"), "A");
  EXPECT_TRUE(request.jobs(0).oom().batch_is_swept());
  EXPECT_EQ(request.jobs(0).plan().measure_steps(), 10U);
  const v1::TransformerLm& model = request.jobs(0).workload().transformer_lm();
  EXPECT_EQ(model.preset(), "small");
  EXPECT_EQ(model.edition(), "cs336-2025") << "what the name means may change";
  EXPECT_EQ(model.layers(), 0U) << "the name says the shape";
  EXPECT_EQ(model.batch_size(), 4U);
  EXPECT_THAT(err_.str(), HasSubstr("sweep:3, job 17: 1 cell"));
  EXPECT_THAT(out_.str(), HasSubstr("| small "));
}

TEST_F(Rerun, KeepsADeclaredShape) {
  jobs_[0].mutable_spec()->mutable_workload()->mutable_transformer_lm()->clear_preset();
  EXPECT_EQ(Program({"rerun", "17"}), 0) << err_.str();
  EXPECT_EQ(service_.submits()[0].jobs(0).workload().transformer_lm().layers(), 12U);
}

TEST_F(Rerun, OfARunMeansItsJob) {
  EXPECT_EQ(Program({"rerun", "17.2", "sweep:3", "last"}), 0) << err_.str();
  EXPECT_THAT(asked_.selector().job_ids(), ElementsAre(17));
  EXPECT_EQ(asked_.selector().run_ids_size(), 0);
  EXPECT_THAT(asked_.selector().sweep_ids(), ElementsAre(3));
  EXPECT_TRUE(asked_.selector().last());
}

TEST_F(Rerun, OfWhatFailedLeavesTheOthersOut) {
  jobs_ = {SmallJob(17, v1::JOB_STATE_SUCCEEDED), SmallJob(18, v1::JOB_STATE_FAILED),
           SmallJob(19, v1::JOB_STATE_CANCELLED)};
  jobs_[1].mutable_spec()->mutable_workload()->mutable_transformer_lm()->set_preset("xl");
  EXPECT_EQ(Program({"rerun", "sweep:3", "--failed"}), 0) << err_.str();
  ASSERT_THAT(service_.submits(), SizeIs(1));
  ASSERT_EQ(service_.submits()[0].jobs_size(), 1);
  EXPECT_EQ(service_.submits()[0].jobs(0).workload().transformer_lm().preset(), "xl");
  jobs_.erase(jobs_.begin() + 1);
  EXPECT_EQ(Program({"rerun", "sweep:3", "--failed"}), 4);
  EXPECT_EQ(err_.str(), "torchlap: nothing to run again: of 2 chosen jobs none FAILED\n");
  EXPECT_THAT(service_.submits(), SizeIs(1));
}

TEST_F(Rerun, OfAWarmupSweepIsInRandomOrder) {
  jobs_[0].mutable_spec()->set_purpose(v1::PURPOSE_WARMUP);
  EXPECT_EQ(Program({"rerun", "17"}), 0) << err_.str();
  EXPECT_TRUE(service_.submits()[0].shuffle());
}

TEST_F(Rerun, ShowsWhyTheDaemonRefuses) {
  service_.on_submit = [](const v1::SubmitJobsRequest&, v1::SubmitJobsResponse*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND,
                        "device `cuda:7` is not there; this daemon has: cpu0");
  };
  EXPECT_EQ(Program({"rerun", "17"}), 4);
  EXPECT_EQ(err_.str(), "torchlap: device `cuda:7` is not there; this daemon has: cpu0\n");
}

TEST_F(Rerun, NeedsASelectorThatIsNotEverything) {
  EXPECT_EQ(Program({"rerun"}), 1);
  EXPECT_THAT(err_.str(), StartsWith("torchlap: rerun needs a selector: a job (17), a run (17.2)"));
  EXPECT_EQ(Program({"rerun", "all"}), 1);
  EXPECT_THAT(err_.str(), StartsWith("torchlap: selector is all, must be a job (17)"));
  EXPECT_THAT(service_.submits(), SizeIs(0));
}

}  // namespace
}  // namespace torchlap::client
