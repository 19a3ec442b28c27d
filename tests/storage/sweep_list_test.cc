#include "storage/sweep_list.h"

#include <algorithm>

#include "storage/run_words.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;

class SweepListTest : public StoreTest {
 protected:
  SweepPage List(const std::string& user = "", uint32_t size = 50, const std::string& token = "") {
    const auto page = SweepList(database_.get()).List(user, size, token);
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() ? *page : SweepPage();
  }
  static std::vector<uint64_t> Ids(const SweepPage& page) {
    std::vector<uint64_t> ids;
    for (const v1::Sweep& sweep : page.sweeps) ids.push_back(sweep.sweep_id());
    return ids;
  }
  void End(uint64_t job_id, v1::Outcome outcome, v1::Validity validity, const AfterRun& after) {
    FinishedRun finished = Ended(Start(job_id), outcome);
    finished.run.set_validity(validity);
    Finish(finished, after);
  }
};

TEST_F(SweepListTest, ASweepCountsItsJobsByStateAndItsOkRunsByVerdict) {
  NewJob warmup = MakeJob();
  warmup.spec.set_purpose(v1::PURPOSE_WARMUP);
  const Submitted sweep = Submit(std::vector<NewJob>(7, warmup), "", "night");
  const std::vector<uint64_t>& jobs = sweep.job_ids;
  End(jobs[0], v1::OUTCOME_OK, v1::VALIDITY_CLEAN, LaunchDone());
  End(jobs[1], v1::OUTCOME_OK, v1::VALIDITY_CONTAMINATED, TryAgain(4, 256));
  End(jobs[1], v1::OUTCOME_OK, v1::VALIDITY_SUSPECT, LaunchDone());
  End(jobs[2], v1::OUTCOME_OK, v1::VALIDITY_UNVERIFIED, LaunchDone());
  End(jobs[3], v1::OUTCOME_CRASHED, v1::VALIDITY_UNSPECIFIED, JobFailed("crashed"));
  ASSERT_TRUE(jobs_->Cancel({jobs[4]}, ann_, ++now_ns_).ok());
  Start(jobs[5]);
  const SweepPage page = List();
  ASSERT_EQ(page.sweeps.size(), 1u);
  const v1::Sweep& found = page.sweeps[0];
  EXPECT_EQ(found.sweep_id(), sweep.sweep_id);
  EXPECT_EQ(found.name(), "night");
  EXPECT_EQ(found.user(), "ann");
  EXPECT_GT(found.submitted_at_ns(), 0);
  EXPECT_EQ(found.purpose(), v1::PURPOSE_WARMUP);
  EXPECT_EQ(found.queued_jobs(), 1u);
  EXPECT_EQ(found.running_jobs(), 1u);
  EXPECT_EQ(found.succeeded_jobs(), 3u);
  EXPECT_EQ(found.failed_jobs(), 1u);
  EXPECT_EQ(found.cancelled_jobs(), 1u);
  EXPECT_EQ(found.clean_runs(), 1u);
  EXPECT_EQ(found.unverified_runs(), 1u);
  EXPECT_EQ(found.suspect_runs(), 1u);
  EXPECT_EQ(found.contaminated_runs(), 1u);
}

TEST_F(SweepListTest, RunsThatWereDeclaredInvalidAreNotCounted) {
  const std::vector<uint64_t> jobs = Submit(std::vector<NewJob>(3, MakeJob())).job_ids;
  End(jobs[0], v1::OUTCOME_OK, v1::VALIDITY_CLEAN, LaunchDone());
  End(jobs[1], v1::OUTCOME_OK, v1::VALIDITY_CLEAN, LaunchDone());
  End(jobs[2], v1::OUTCOME_OK, v1::VALIDITY_SUSPECT, LaunchDone());
  RunWords words(database_.get());
  v1::RunFilter chosen;
  for (const char* run : {"1.1", "3.1"}) chosen.mutable_selector()->add_run_ids(run);
  ASSERT_EQ(words.Invalidate(chosen, {}, "the fan had failed", ann_).value_or(0), 2u);
  const v1::Sweep struck = List().sweeps[0];
  EXPECT_EQ(struck.clean_runs(), 1u);
  EXPECT_EQ(struck.suspect_runs(), 0u);
  EXPECT_EQ(struck.succeeded_jobs(), 3u) << "the jobs are what they were";
  ASSERT_EQ(words.Invalidate(chosen, {}, "", ann_).value_or(0), 2u);
  EXPECT_EQ(List().sweeps[0].clean_runs(), 2u);
  EXPECT_EQ(List().sweeps[0].suspect_runs(), 1u);
}

std::vector<int> Numbers(const google::protobuf::RepeatedField<uint32_t>& values) {
  return {values.begin(), values.end()};
}

TEST_F(SweepListTest, ASweepSaysWhatItsJobsAskFor) {
  std::vector<NewJob> asked;
  for (const char* size : {"medium", "small"}) {
    for (const uint32_t context : {512u, 128u, 256u}) asked.push_back(MakeJob(size, 4, context));
  }
  for (size_t i = 0; i < 3; ++i) asked[i].parameters = 423'000'000;
  const Submitted sizes = Submit(asked);
  NewJob other = MakeJob("small", 1, 64);
  v1::TransformerLm* model = other.spec.mutable_workload()->mutable_transformer_lm();
  model->set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
  model->set_precision(v1::PRECISION_BF16);
  model->set_attention(v1::ATTENTION_SDPA);
  model->set_optimizer(v1::OPTIMIZER_FUSED);
  other.spec.mutable_plan()->set_warmup_steps(0);
  other.workload_hash = HashOf(other.spec.workload());
  other.workload_canonical = "canonical " + other.workload_hash;
  NewJob longer = other;
  longer.spec.mutable_plan()->set_warmup_steps(3);
  Submit({longer, other});
  // The same whatever became of the jobs.
  End(sizes.job_ids[1], v1::OUTCOME_CRASHED, v1::VALIDITY_UNSPECIFIED, JobFailed("crashed"));
  const SweepPage page = List();
  ASSERT_EQ(page.sweeps.size(), 2u);
  const v1::Sweep& first = page.sweeps[1];
  ASSERT_EQ(first.models_size(), 2) << "by parameters, each once";
  EXPECT_EQ(first.models(0).preset(), "small");
  EXPECT_EQ(first.models(0).edition(), "cs336-2025");
  EXPECT_EQ(first.models(0).d_model(), 768u);
  EXPECT_EQ(first.models(1).preset(), "medium");
  EXPECT_EQ(first.models(1).heads(), 12u);
  EXPECT_EQ(first.models(1).batch_size(), 0u) << "the shape alone";
  EXPECT_THAT(Numbers(first.batch_sizes()), ElementsAre(4));
  EXPECT_THAT(Numbers(first.context_lengths()), ElementsAre(128, 256, 512));
  EXPECT_THAT(Numbers(first.warmup_steps()), ElementsAre(5));
  EXPECT_THAT(first.pass_types(), ElementsAre(v1::PASS_TYPE_FORWARD_BACKWARD));
  EXPECT_THAT(first.precisions(), ElementsAre(v1::PRECISION_FP32));
  EXPECT_THAT(first.attentions(), ElementsAre(v1::ATTENTION_EXPLICIT));
  EXPECT_THAT(first.optimizers(), testing::IsEmpty());
  EXPECT_EQ(first.queued_jobs(), 5u);
  EXPECT_EQ(first.failed_jobs(), 1u);
  const v1::Sweep& second = page.sweeps[0];
  EXPECT_THAT(second.pass_types(), ElementsAre(v1::PASS_TYPE_TRAIN_STEP));
  EXPECT_THAT(second.precisions(), ElementsAre(v1::PRECISION_BF16));
  EXPECT_THAT(second.attentions(), ElementsAre(v1::ATTENTION_SDPA));
  EXPECT_THAT(second.optimizers(), ElementsAre(v1::OPTIMIZER_FUSED));
  EXPECT_THAT(Numbers(second.warmup_steps()), ElementsAre(0, 3));
}

TEST_F(SweepListTest, OfVeryManyValuesTheFirstAndTheLastAreSaid) {
  for (const uint32_t values : {19u, 20u, 21u, 300u}) {
    std::vector<NewJob> asked;
    for (uint32_t batch = values; batch > 0; --batch) asked.push_back(MakeJob("small", batch, 64));
    Submit(asked);
    const std::vector<int> batches = Numbers(List("", 1).sweeps[0].batch_sizes());
    EXPECT_EQ(batches.size(), std::min(values, 20u));
    EXPECT_EQ(batches.front(), 1);
    EXPECT_EQ(batches[18], 19);
    EXPECT_EQ(batches.back(), static_cast<int>(values));
  }
}

TEST_F(SweepListTest, ACalibrationHasNoModelAndNoSizes) {
  NewJob calibration = MakeJob();
  calibration.spec.mutable_workload()->mutable_calibration();
  calibration.spec.set_purpose(v1::PURPOSE_CALIBRATE);
  calibration.parameters = 0;
  calibration.workload_hash = "calibration";
  calibration.workload_canonical = "canonical calibration";
  Submit({calibration});
  const v1::Sweep sweep = List().sweeps[0];
  EXPECT_EQ(sweep.purpose(), v1::PURPOSE_CALIBRATE);
  EXPECT_EQ(sweep.queued_jobs(), 1u);
  EXPECT_EQ(sweep.models_size(), 0);
  EXPECT_EQ(sweep.batch_sizes_size(), 0);
  EXPECT_EQ(sweep.pass_types_size(), 0);
}

TEST_F(SweepListTest, PagesGoFromTheNewestToTheOldest) {
  for (int i = 0; i < 5; ++i) Submit({MakeJob()});
  const SweepPage first = List("", 2);
  EXPECT_THAT(Ids(first), ElementsAre(5, 4));
  Submit({MakeJob()});
  const SweepPage second = List("", 2, first.next_page_token);
  EXPECT_THAT(Ids(second), ElementsAre(3, 2)) << "a new one shifts nothing";
  const SweepPage third = List("", 2, second.next_page_token);
  EXPECT_THAT(Ids(third), ElementsAre(1));
  EXPECT_EQ(third.next_page_token, "");
  EXPECT_EQ(List("", 6).next_page_token, "") << "an exactly full page is the last";
}

TEST_F(SweepListTest, AUserIsAnAccountOrAPrincipal) {
  Submit({MakeJob()});
  ASSERT_TRUE(jobs_->Submit(bob_, "", "", "", {MakeJob()}, {0}, ++now_ns_).ok());
  EXPECT_THAT(Ids(List()), ElementsAre(2, 1));
  EXPECT_THAT(Ids(List("bob")), ElementsAre(2));
  EXPECT_THAT(Ids(List("uid:1000")), ElementsAre(1));
  EXPECT_THAT(Ids(List("nobody")), testing::IsEmpty());
}

TEST_F(SweepListTest, AForeignTokenIsRefused) {
  for (const char* token : {"x", "1.5", " 1", "01"}) {
    EXPECT_EQ(SweepList(database_.get()).List("", 5, token).status().code(),
              absl::StatusCode::kInvalidArgument)
        << token;
  }
}

TEST_F(SweepListTest, WhatTheDaemonRanOfItsOwnAccordIsThereForWhoAsksForIt) {
  const Caller daemon{kDaemonPrincipal, "torchlapd"};
  Submit({MakeJob()});
  ASSERT_TRUE(jobs_->Submit(daemon, "", "", "", {MakeJob()}, {0}, ++now_ns_).ok());
  Submit({MakeJob()});
  EXPECT_THAT(Ids(List()), ElementsAre(3, 1));
  EXPECT_THAT(Ids(List("torchlapd")), ElementsAre(2));
  const SweepPage first = List("", 1);
  EXPECT_THAT(Ids(List("", 1, first.next_page_token)), ElementsAre(1));
  const Caller elsewhere{"host:lab2/daemon", "torchlapd@lab2"};
  ASSERT_TRUE(jobs_->Submit(elsewhere, "", "", "", {MakeJob()}, {0}, ++now_ns_).ok());
  EXPECT_THAT(Ids(List()), ElementsAre(3, 1)) << "of another machine's, too";
}

}  // namespace
}  // namespace torchlap::storage
