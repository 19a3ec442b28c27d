// `torchlap calibrate`: its words, and the whole command.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/format/calibration.h"
#include "client/format/runs.h"
#include "client/format/show.h"
#include "client/program.h"
#include "tests/client/fake_service.h"
#include "tests/client/golden.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/printed.h"

namespace torchlap::client {
namespace {

using format::Format;
using testing::HasSubstr;
using testing::Not;

void AddPeak(v1::Precision precision, double flops_per_s, v1::Run* run) {
  v1::MatmulPeak* peak = run->mutable_calibration()->add_matmul_peaks();
  peak->set_precision(precision);
  peak->set_flops_per_s(flops_per_s);
  peak->set_matrix_size(1024);
  peak->set_measured_ns(512'345'678);
  peak->set_products(37);
}

v1::Run CalibrationRun() {
  v1::Run run;
  run.set_run_id("17.1");
  run.set_job_id(17);
  run.set_device("cpu0");
  run.set_device_uuid("CPU-1-3");
  run.set_device_model("Example CPU, 4 cores");
  run.set_purpose(v1::PURPOSE_CALIBRATE);
  run.set_outcome(v1::OUTCOME_OK);
  run.set_started_at_ns(1'769'860'800'123'456'789);
  run.mutable_workload()->mutable_calibration()->set_matrix_size(1024);
  AddPeak(v1::PRECISION_FP32, 62.1e9, &run);
  AddPeak(v1::PRECISION_BF16, 8.2e9, &run);
  run.mutable_calibration()->add_emulated(v1::PRECISION_FP16);
  run.set_validity(v1::VALIDITY_CLEAN);
  run.mutable_calibration()->set_memory_bytes_per_s(8.31e9);
  run.mutable_calibration()->set_copied_bytes(uint64_t{256} << 20);
  return run;
}

v1::Job CalibrationJob(v1::JobState state) {
  v1::Job job;
  job.set_job_id(17);
  job.set_sweep_id(3);
  job.set_state(state);
  job.mutable_spec()->mutable_workload()->mutable_calibration();
  job.mutable_spec()->set_purpose(v1::PURPOSE_CALIBRATE);
  return job;
}

std::string Written(const Format& format) {
  return Printed(format, format::ShowCalibration(CalibrationRun()));
}

TEST(CalibrationTable, HasARowAPrecisionAndTheBandwidth) {
  ExpectGolden("calibration.table", Written(format::kTable));
  ExpectGolden("calibration.md", Written(format::kMarkdown));
}

TEST(CalibrationFiles, HaveFullPrecisionAndUnitsInTheirNames) {
  ExpectGolden("calibration.csv", Written(format::kCsv));
  ExpectGolden("calibration.json", Written(format::kJson));
}

TEST(CalibrationRun, IsToldApartFromModelsInListsAndInShow) {
  EXPECT_THAT(Printed(format::kTable, format::ListRuns({CalibrationRun()}, {})),
              HasSubstr("size calibration, verdict clean"));
  format::RunDetails details;
  *details.detail.mutable_run() = CalibrationRun();
  const std::string show = Printed(format::kTable, format::ShowRun(details));
  EXPECT_THAT(show, HasSubstr("workload     calibration\n"));
  EXPECT_THAT(show, HasSubstr("memory bandwidth: 8.31 GB/s"));
  EXPECT_THAT(show, Not(HasSubstr("model")));
}

class CalibrateCommand : public testing::Test {
 protected:
  CalibrateCommand() {
    service_.on_submit = [](const v1::SubmitJobsRequest&, v1::SubmitJobsResponse* response) {
      response->set_sweep_id(3);
      response->add_job_ids(17);
      return grpc::Status::OK;
    };
    service_.on_watch = [this](const v1::WatchJobsRequest&, grpc::ServerContext*,
                               FakeService::WatchWriter* writer) {
      v1::WatchJobsResponse change;
      *change.mutable_snapshot()->add_jobs() = CalibrationJob(v1::JOB_STATE_RUNNING);
      writer->Write(change);
      change.mutable_event()->set_sequence(1);
      change.mutable_event()->set_job_id(17);
      change.mutable_event()->set_state(job_.state());
      if (job_.runs_size() > 0) *change.mutable_event()->mutable_run() = job_.runs(0);
      writer->Write(change);
      return grpc::Status::OK;
    };
    service_.on_get_job = [this](const v1::GetJobRequest&, v1::GetJobResponse* response) {
      *response->mutable_job() = job_;
      return grpc::Status::OK;
    };
    console_.out = &out_;
    console_.err = &err_;
  }

  int Program() {
    return RunProgram({"--address", service_.address(), "calibrate", "--device", "cpu0"}, console_);
  }

  v1::Job job_ = CalibrationJob(v1::JOB_STATE_SUCCEEDED);
  FakeService service_;
  std::ostringstream out_;
  std::ostringstream err_;
  Console console_;
};

TEST_F(CalibrateCommand, PrintsWhatWasMeasured) {
  *job_.add_runs() = CalibrationRun();
  EXPECT_EQ(Program(), 0) << err_.str();
  EXPECT_EQ(err_.str(),
            "sweep:3, job 17: 1 cell\n"
            "17 calibration: fp32 62.1 GFLOP/s, bf16 8.20 GFLOP/s, memory 8.31 GB/s (1 of 1)\n");
  EXPECT_EQ(out_.str(), Written(format::kTable));
}

v1::Run Numbered(uint32_t number, v1::Validity validity, v1::Outcome outcome = v1::OUTCOME_OK) {
  v1::Run run = CalibrationRun();
  run.set_number(number);
  run.set_run_id("17." + std::to_string(number));
  run.set_validity(validity);
  run.set_outcome(outcome);
  return run;
}

// As the daemon does: the last one that was not contaminated.
TEST_F(CalibrateCommand, PrintsTheRunWhosePeaksAreUsed) {
  *job_.add_runs() = Numbered(1, v1::VALIDITY_CONTAMINATED);
  *job_.add_runs() = Numbered(2, v1::VALIDITY_UNVERIFIED);
  *job_.add_runs() = Numbered(3, v1::VALIDITY_CLEAN);
  *job_.add_runs() = Numbered(4, v1::VALIDITY_CONTAMINATED);
  *job_.add_runs() = Numbered(5, v1::VALIDITY_UNSPECIFIED, v1::OUTCOME_CRASHED);
  EXPECT_EQ(Program(), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr(", run 17.3: "));
  EXPECT_THAT(out_.str(), HasSubstr("\nverdict: clean\n"));
}

TEST_F(CalibrateCommand, SaysThatAContaminatedOneIsNotUsed) {
  *job_.add_runs() = Numbered(1, v1::VALIDITY_CONTAMINATED);
  *job_.add_runs() = Numbered(2, v1::VALIDITY_CONTAMINATED);
  EXPECT_EQ(Program(), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr(", run 17.2: "));
  EXPECT_THAT(out_.str(), HasSubstr("verdict: contaminated; not used as a peak, calibrate again: "
                                    "torchlap calibrate --device cpu0\n"));
}

TEST_F(CalibrateCommand, SaysThatOneIsInvalidAndNotThatItWasClean) {
  v1::Run run = Numbered(1, v1::VALIDITY_CLEAN);
  run.set_invalid_reason("the fan had failed");
  *job_.add_runs() = run;
  EXPECT_EQ(Program(), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\nverdict: invalid: the fan had failed\n"));
}

TEST_F(CalibrateCommand, ThatFailedSaysWhyAndExitsWith2) {
  job_.set_state(v1::JOB_STATE_FAILED);
  job_.set_reason("CRASHED: signal 11");
  EXPECT_EQ(Program(), 2);
  EXPECT_EQ(out_.str(), "");
  EXPECT_THAT(err_.str(), HasSubstr("nothing was calibrated: CRASHED: signal 11\n"));
}

}  // namespace
}  // namespace torchlap::client
