#include "proto/message_size.h"

#include <gtest/gtest.h>

#include <string>

#include "torchlap/v1/service.pb.h"

namespace torchlap {
namespace {

constexpr int kMostJobs = 10'000;
constexpr int kMostLabels = 20;
constexpr int kMostRunsOfAJob = 1'000 * 11;  // launches, each with ten tries more
constexpr int kLargestPage = 1'000;

template <typename Message>
void AddLongestLabels(Message* message) {
  for (int i = 0; i < kMostLabels; ++i) {
    (*message->mutable_labels())[std::string(98, 'k') + std::to_string(10 + i)] =
        std::string(100, 'v');
  }
}

v1::Run LargestRun() {
  v1::Run run;
  AddLongestLabels(&run);
  run.mutable_failure()->set_detail(std::string(1'000, 'd'));
  for (int i = 0; i < 15; ++i) {
    v1::Evidence* evidence = run.mutable_assessment()->add_evidence();
    evidence->set_process(std::string(200, 'p'));
    evidence->set_user(std::string(32, 'u'));
    run.mutable_assessment()->add_advice()->set_text(std::string(200, 't'));
  }
  return run;
}

TEST(MessageSize, TheLargestSubmitThatOtherLimitsAllowFits) {
  v1::SubmitJobsRequest request;
  for (int i = 0; i < kMostJobs; ++i) {
    v1::JobSpec* job = request.add_jobs();
    AddLongestLabels(job);
    job->set_device(std::string(100, 'd'));
    job->mutable_workload()->mutable_transformer_lm()->set_batch_size(65536);
    job->mutable_plan()->set_launches(1000);
  }
  EXPECT_EQ(RequestTooLarge(request.ByteSizeLong()), "");
  EXPECT_GT(request.ByteSizeLong(), kMaxRequestBytes / 2) << "the limit is not far above it";
}

TEST(MessageSize, TheLargestAnswersThatOtherLimitsAllowFit) {
  EXPECT_EQ(AnswerTooLarge(LargestRun().ByteSizeLong() * kMostRunsOfAJob), "") << "GetJob";
  EXPECT_EQ(AnswerTooLarge(LargestRun().ByteSizeLong() * kLargestPage), "") << "ListRuns";
  v1::SubmitJobsResponse submitted;
  v1::CancelJobsResponse cancelled;
  for (int i = 0; i < 1'000'000; ++i) {
    if (i < kMostJobs) submitted.add_job_ids(UINT64_MAX);
    cancelled.add_cancelled_job_ids(UINT64_MAX);
  }
  EXPECT_EQ(AnswerTooLarge(submitted.ByteSizeLong()), "");
  EXPECT_EQ(AnswerTooLarge(cancelled.ByteSizeLong()), "");
}

TEST(MessageSize, TheFirstThatDoesNotFitIsSaidWithBothNumbers) {
  EXPECT_EQ(RequestTooLarge(kMaxRequestBytes), "");
  EXPECT_EQ(RequestTooLarge(kMaxRequestBytes + 1),
            "the request has 67108865 bytes, must have at most 67108864");
  EXPECT_EQ(AnswerTooLarge(kMaxAnswerBytes), "");
  EXPECT_EQ(AnswerTooLarge(kMaxAnswerBytes + 1),
            "the answer has 268435457 bytes, must have at most 268435456");
}

}  // namespace
}  // namespace torchlap
