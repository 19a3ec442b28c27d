// `torchlap fit`: its words, and the whole command.
#include "client/format/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/program.h"
#include "tests/client/fake_service.h"
#include "tests/client/golden.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/printed.h"

namespace torchlap::client {
namespace {

using format::Format;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr uint64_t kMiB = uint64_t{1} << 20;

// The n-th try of job 17.
v1::Run Try(uint32_t number, uint32_t batch, bool fits) {
  v1::Run run = fits ? SmallRun() : OutOfMemoryRun();
  run.set_run_id("17." + std::to_string(number));
  run.set_job_id(17);
  run.set_number(number);
  run.set_purpose(v1::PURPOSE_FIT);
  run.mutable_workload()->mutable_transformer_lm()->set_preset("small");
  run.mutable_workload()->mutable_transformer_lm()->set_batch_size(batch);
  run.mutable_memory()->set_device_total_bytes(16384 * kMiB);
  if (fits) run.mutable_memory()->set_peak_allocated_bytes(1200 * kMiB * batch);
  return run;
}

v1::Job FitJob() {
  v1::Job job = SmallJob(17, v1::JOB_STATE_SUCCEEDED);
  job.mutable_spec()->set_purpose(v1::PURPOSE_FIT);
  job.mutable_spec()->set_fit_axis(v1::FIT_AXIS_BATCH);
  job.set_device("cpu0");
  uint32_t number = 0;
  for (const auto& [batch, fits] : {std::pair{4u, true},
                                    {8u, true},
                                    {16u, false},
                                    {12u, true},
                                    {14u, false},
                                    {13u, false},
                                    {12u, true}}) {
    *job.add_runs() = Try(++number, batch, fits);
  }
  return job;
}

v1::Job FailedJob() {
  v1::Job job = SmallJob(17, v1::JOB_STATE_FAILED);
  job.mutable_spec()->set_purpose(v1::PURPOSE_FIT);
  job.set_reason("not even batch 1 fits");
  *job.add_runs() = Try(1, 1, false);
  v1::Assessment* assessment = job.mutable_runs(0)->mutable_assessment();
  assessment->mutable_memory()->set_weights_bytes(491 * kMiB);
  assessment->mutable_memory()->set_gradients_bytes(491 * kMiB);
  v1::Advice* advice = assessment->add_advice();
  advice->set_code(v1::ADVICE_NOTHING_FITS);
  advice->set_bytes2(600 * kMiB);
  return job;
}

std::string Written(const Format& format, const v1::Job& job) {
  return Printed(format, format::ShowFit(job));
}

TEST(FitLine, HasTheLargestSizeItsPeakAndWhatIsTooLarge) {
  EXPECT_EQ(format::FitLine(FitJob()),
            "largest batch that fits: 12 (context 256), peak 14.1 GiB of 16.0 GiB; 13 runs out of "
            "memory");
}

TEST(FitLine, OfContextsNamesTheBatch) {
  v1::Job job = SmallJob(17, v1::JOB_STATE_SUCCEEDED);
  job.mutable_spec()->set_fit_axis(v1::FIT_AXIS_CONTEXT);
  *job.add_runs() = Try(1, 1, true);
  EXPECT_THAT(format::FitLine(job), StartsWith("largest context that fits: 256 (batch 1), peak"));
}

TEST(FitLine, OfASearchThatFailedHasItsReason) {
  EXPECT_EQ(format::FitLine(FailedJob()), "no batch was found that fits: not even batch 1 fits");
}

TEST(TryLine, TellsHowEachTryEnded) {
  EXPECT_EQ(format::TryLine(Try(2, 8, true)),
            "17.2 batch 8, context 256: fits, peak 9.38 GiB of 16.0 GiB");
  EXPECT_EQ(format::TryLine(Try(3, 16, false)),
            "17.3 batch 16, context 256: OUT_OF_MEMORY in backward: asked 2.31 GiB, free 410 MiB");
}

TEST(TryLine, SaysThatATryIsInvalid) {
  v1::Run run = Try(2, 8, true);
  run.set_validity(v1::VALIDITY_CLEAN);
  run.set_invalid_reason("the fan had failed");
  EXPECT_THAT(format::TryLine(run), EndsWith(", invalid: the fan had failed"));
  Doubt(v1::VALIDITY_SUSPECT, {v1::REASON_DRIFT}, &run);
  EXPECT_THAT(format::TryLine(run), EndsWith(", invalid: the fan had failed; suspect: drift"));
}

TEST(TryLine, MeasuresThePeakByWhatWasFreeAtTheStart) {
  v1::Run run = Try(2, 8, true);
  run.mutable_memory()->set_device_free_bytes(15360 * kMiB);
  EXPECT_EQ(format::TryLine(run), "17.2 batch 8, context 256: fits, peak 9.38 GiB of 15.0 GiB");
}

TEST(TryLine, SaysWhatOthersHoldAndWhatNoSmallerSizeCures) {
  v1::Run run = Try(3, 16, false);
  run.mutable_failure()->set_foreign_bytes(512 * kMiB);
  EXPECT_THAT(format::TryLine(run), EndsWith("asked 2.31 GiB, free 410 MiB"));
  run.mutable_failure()->set_foreign_bytes(8192 * kMiB);
  EXPECT_THAT(format::TryLine(run), EndsWith("asked 2.31 GiB, free 410 MiB, others hold 8.00 GiB"));
  run.mutable_failure()->set_total_bytes(4096 * kMiB);
  run.mutable_failure()->set_foreign_bytes(600 * kMiB);
  EXPECT_THAT(format::TryLine(run), EndsWith("others hold 600 MiB")) << "much of a small device";
  run.mutable_failure()->set_foreign_bytes(8192 * kMiB);
  run.mutable_failure()->set_phase(v1::PHASE_BUILD);
  run.mutable_failure()->set_detail("out of memory while the model was built: ann holds it");
  EXPECT_EQ(format::TryLine(run),
            "17.3 batch 16, context 256: OUT_OF_MEMORY in build: out of memory while the model was "
            "built: ann holds it");
}

TEST(FitLine, OfATryThatABusyDeviceSkippedNamesNoSizeThatIsTooLarge) {
  v1::Job job = FitJob();
  v1::Run& skipped = *job.add_runs();
  skipped = Try(8, 13, false);
  skipped.set_outcome(v1::OUTCOME_SKIPPED);
  skipped.mutable_failure()->clear_asked_bytes();
  EXPECT_EQ(format::ResultOf(job).too_large, 13u) << "that of the try before";
  job.clear_runs();
  *job.add_runs() = skipped;
  EXPECT_EQ(format::ResultOf(job).too_large, std::nullopt);
}

TEST(FitTable, HasARowForEachTry) {
  ExpectGolden("fit.table", Written(format::kTable, FitJob()));
  ExpectGolden("fit.md", Written(format::kMarkdown, FitJob()));
}

// The last try fits whatever its time is worth, and both are said.
v1::Job DisturbedFit() {
  v1::Job job = FitJob();
  const auto judge = [&job](int i, const v1::Run& like) {
    job.mutable_runs(i)->set_validity(like.validity());
    job.mutable_runs(i)->set_validity_reasons(like.validity_reasons());
    *job.mutable_runs(i)->mutable_assessment() = like.assessment();
  };
  v1::Run clean = SmallRun();
  clean.set_validity(v1::VALIDITY_CLEAN);
  judge(0, clean);
  judge(6, DisturbedRun());
  return job;
}

TEST(FitTable, HasTheVerdictOfEachTry) {
  for (const Format* format : {&format::kTable, &format::kMarkdown}) {
    const std::string table = Written(*format, DisturbedFit());
    EXPECT_THAT(table, HasSubstr("| note  "));
    EXPECT_THAT(table, HasSubstr("| 458 ± 16  | clean  "));
    EXPECT_THAT(table, HasSubstr("| contaminated: foreign-cpu 34 % by stress-ng (pid 812, ann)"));
    EXPECT_THAT(table, testing::Not(HasSubstr("(OOM)"))) << "a search shrinks nothing";
  }
  EXPECT_THAT(Written(format::kCsv, DisturbedFit()), HasSubstr(",contaminated,"));
  EXPECT_THAT(Written(format::kJson, DisturbedFit()), HasSubstr("\"contaminated\""));
}

TEST(FitLines, HaveTheVerdictOfEachTry) {
  const format::Lines lines = format::FitLines(DisturbedFit());
  EXPECT_THAT(lines, testing::Contains(EndsWith("peak 4.69 GiB of 16.0 GiB, clean")));
  EXPECT_THAT(lines, testing::Contains(
                         HasSubstr("peak 14.1 GiB of 16.0 GiB, contaminated: foreign-cpu 34 %")));
  EXPECT_EQ(format::TryLine(Try(2, 8, true)),
            "17.2 batch 8, context 256: fits, peak 9.38 GiB of 16.0 GiB");
}

TEST(FitTable, OfASearchThatFailedSaysWhatToDo) {
  EXPECT_THAT(Written(format::kTable, FailedJob()),
              EndsWith("a forward holds 491 MiB: torchlap run --model-sizes small --pass-type "
                       "forward --batch-size 1 --device cpu0\n"));
}

TEST(FitJson, HasTheResultAndTheRuns) {
  const std::string json = Written(format::kJson, FitJob());
  EXPECT_THAT(json, HasSubstr("\"axis\": \"batch\",\n  \"largest\": 12,\n  \"run_id\": \"17.7\""));
  EXPECT_THAT(json, HasSubstr("\"too_large\": 13,"));
  EXPECT_THAT(json, HasSubstr("\"peak_allocated_bytes\": 15099494400,"));
  EXPECT_THAT(Written(format::kJson, FailedJob()), HasSubstr("\"largest\": null,"));
}

class FitCommand : public testing::Test {
 protected:
  // Watches that tell of every run of the job.
  explicit FitCommand(v1::Job job = FitJob()) : job_(std::move(job)) {
    service_.on_submit = [](const v1::SubmitJobsRequest&, v1::SubmitJobsResponse* response) {
      response->set_sweep_id(3);
      response->add_job_ids(17);
      return grpc::Status::OK;
    };
    service_.on_get_job = [this](const v1::GetJobRequest&, v1::GetJobResponse* response) {
      *response->mutable_job() = job_;
      return grpc::Status::OK;
    };
    service_.on_watch = [this](const v1::WatchJobsRequest&, grpc::ServerContext*,
                               FakeService::WatchWriter* writer) {
      Tell(writer);
      return grpc::Status::OK;
    };
    console_.out = &out_;
    console_.err = &err_;
  }

  void Tell(FakeService::WatchWriter* writer) const {
    v1::WatchJobsResponse change;
    *change.mutable_snapshot()->add_jobs() = SmallJob(17, v1::JOB_STATE_QUEUED);
    writer->Write(change);
    for (int i = 0; i < job_.runs_size(); ++i) {
      v1::JobEvent* event = change.mutable_event();
      event->set_sequence(static_cast<uint64_t>(i) + 1);
      event->set_job_id(17);
      event->set_state(i + 1 < job_.runs_size() ? v1::JOB_STATE_RUNNING : job_.state());
      *event->mutable_run() = job_.runs(i);
      writer->Write(change);
    }
  }

  int Program() {
    return RunProgram({"--address", service_.address(), "fit", "--model-size", "small"}, console_);
  }

  v1::Job job_;
  FakeService service_;
  std::ostringstream out_;
  std::ostringstream err_;
  Console console_;
};

TEST_F(FitCommand, SaysALineForEachTryAndPrintsTheResult) {
  EXPECT_EQ(Program(), 0) << err_.str();
  EXPECT_EQ(service_.submits().at(0).jobs(0).purpose(), v1::PURPOSE_FIT);
  std::string lines = "sweep:3, job 17: 1 cell\n";
  for (const v1::Run& run : job_.runs()) lines += format::TryLine(run) + "\n";
  EXPECT_EQ(err_.str(), lines);
  EXPECT_THAT(out_.str(), HasSubstr("largest batch that fits: 12"));
}

TEST_F(FitCommand, ExitsWith2AndTheReasonIfNothingFits) {
  job_ = FailedJob();
  EXPECT_EQ(Program(), 2);
  EXPECT_THAT(out_.str(), HasSubstr("no batch was found that fits: not even batch 1 fits"));
}

}  // namespace
}  // namespace torchlap::client
