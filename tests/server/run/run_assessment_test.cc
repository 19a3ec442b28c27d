#include "server/run/run_assessment.h"

#include <vector>

#include "tests/server/run/run_fixture.h"

namespace torchlap::run {
namespace {

class RunAssessmentTest : public RunTest {
 protected:
  RunAssessmentTest() { device_ = Place()->device(); }

  // A run of `steps` even steps that reached `flops_per_s`, not stored yet.
  storage::FinishedRun MadeUp(double flops_per_s, uint32_t batch = 4) {
    storage::FinishedRun finished =
        storage::Ended(Start(SubmitOne(storage::MakeJob("small", batch, 256))));
    finished.run.set_flops_per_s(flops_per_s);
    return finished;
  }

  void StoreCalibration(double flops_per_s, v1::Validity validity = v1::VALIDITY_CLEAN) {
    storage::NewJob job = storage::MakeJob();
    job.spec.set_purpose(v1::PURPOSE_CALIBRATE);
    storage::FinishedRun finished = storage::Ended(Start(SubmitOne(job)));
    v1::MatmulPeak* peak = finished.run.mutable_calibration()->add_matmul_peaks();
    peak->set_precision(v1::PRECISION_FP32);
    peak->set_flops_per_s(flops_per_s);
    finished.run.mutable_calibration()->add_emulated(v1::PRECISION_BF16);
    finished.run.set_validity(validity);
    finished.readings.set_load_average(7.7);
    if (validity != v1::VALIDITY_CONTAMINATED) calibration_ = finished.run.run_id();
    Finish(finished, storage::LaunchDone());
  }

  host::HostDevice device_;
  std::string calibration_;
};

TEST_F(RunAssessmentTest, APeakIsThatOfTheNewestCalibrationOfTheDevice) {
  StoreCalibration(4e9);
  StoreCalibration(2e9);
  storage::FinishedRun finished = MadeUp(1e9);
  EXPECT_TRUE(Assess(device_, {}, *runs_, &finished).ok());
  EXPECT_DOUBLE_EQ(finished.run.matmul_peak_ratio(), 0.5);
  EXPECT_EQ(finished.run.calibration_run_id(), calibration_);
}

// Made-up runs are short: that more steps are advised says nothing about peaks.
std::vector<v1::Advice> AdviceOnPeaks(const v1::Run& run) {
  std::vector<v1::Advice> pieces;
  for (const v1::Advice& advice : run.assessment().advice()) {
    if (advice.code() != v1::ADVICE_LONGER_WINDOW) pieces.push_back(advice);
  }
  return pieces;
}

TEST_F(RunAssessmentTest, AContaminatedCalibrationIsNoPeak) {
  StoreCalibration(4e9);
  StoreCalibration(1e6, v1::VALIDITY_CONTAMINATED);
  storage::FinishedRun finished = MadeUp(1e9);
  EXPECT_TRUE(Assess(device_, {}, *runs_, &finished).ok());
  EXPECT_DOUBLE_EQ(finished.run.matmul_peak_ratio(), 0.25);
  EXPECT_EQ(finished.run.calibration_run_id(), calibration_);
}

TEST_F(RunAssessmentTest, AboveAPeakTheCalibrationIsDoubtedWithTheLoadThatItRanAt) {
  StoreCalibration(1e9);
  storage::FinishedRun finished = MadeUp(1.14e9);
  EXPECT_TRUE(Assess(device_, {}, *runs_, &finished).ok());
  const std::vector<v1::Advice> advice = AdviceOnPeaks(finished.run);
  ASSERT_EQ(advice.size(), 1U);
  EXPECT_EQ(advice[0].code(), v1::ADVICE_CALIBRATE_AGAIN);
  EXPECT_EQ(advice[0].text(), calibration_);
  EXPECT_DOUBLE_EQ(advice[0].ratio(), 7.7);
}

TEST_F(RunAssessmentTest, AnEmulatedFormatHasNoPeakAndNothingToCalibrate) {
  StoreCalibration(1e9);
  for (const v1::Precision precision : {v1::PRECISION_BF16, v1::PRECISION_BF16_WEIGHTS}) {
    storage::FinishedRun finished = MadeUp(1e9);
    finished.run.mutable_workload()->mutable_transformer_lm()->set_precision(precision);
    EXPECT_TRUE(Assess(device_, {}, *runs_, &finished).ok());
    EXPECT_FALSE(finished.run.has_matmul_peak_ratio());
    EXPECT_TRUE(AdviceOnPeaks(finished.run).empty());
  }
  storage::FinishedRun other = MadeUp(1e9);
  other.run.mutable_workload()->mutable_transformer_lm()->set_precision(v1::PRECISION_FP16);
  EXPECT_TRUE(Assess(device_, {}, *runs_, &other).ok());
  const std::vector<v1::Advice> advice = AdviceOnPeaks(other.run);
  ASSERT_EQ(advice.size(), 1U);
  EXPECT_EQ(advice[0].code(), v1::ADVICE_CALIBRATE);
}

TEST_F(RunAssessmentTest, WithoutACalibrationThereIsNoPeak) {
  storage::FinishedRun finished = MadeUp(1e9);
  EXPECT_TRUE(Assess(device_, {}, *runs_, &finished).ok());
  EXPECT_FALSE(finished.run.has_matmul_peak_ratio());
  EXPECT_TRUE(finished.run.calibration_run_id().empty());
  EXPECT_NE(finished.run.validity(), v1::VALIDITY_UNSPECIFIED);
}

TEST_F(RunAssessmentTest, AVendorsPeakGivesMfu) {
  device_.vendor_peaks[v1::PRECISION_FP32] = 4e9;
  storage::FinishedRun finished = MadeUp(1e9);
  EXPECT_TRUE(Assess(device_, {}, *runs_, &finished).ok());
  EXPECT_DOUBLE_EQ(finished.run.mfu(), 0.25);
}

TEST_F(RunAssessmentTest, AHistoryThatCannotBeReadIsSaidAndTheRunIsJudgedWithoutIt) {
  StoreCalibration(2e9);
  storage::FinishedRun finished = MadeUp(1e9);
  ExecuteSql("UPDATE calibration SET message = x'ff'");
  const absl::Status compared = Assess(device_, {}, *runs_, &finished);
  EXPECT_FALSE(compared.ok());
  EXPECT_FALSE(finished.run.has_matmul_peak_ratio());
  EXPECT_NE(finished.run.validity(), v1::VALIDITY_UNSPECIFIED);
}

TEST_F(RunAssessmentTest, OurOwnWorkerIsNoNeighbour) {
  device_.kind = v1::DEVICE_KIND_CUDA;
  GpuSurroundings gpu;
  gpu.worker_pid = 42;
  gpu.uses = std::vector<host::ProcessUse>{{42, {"torchlap-worker", "ann", 1}, 0.9}};
  storage::FinishedRun alone = MadeUp(1e9);
  EXPECT_TRUE(Assess(device_, gpu, *runs_, &alone).ok());
  EXPECT_NE(alone.run.validity(), v1::VALIDITY_CONTAMINATED);
  gpu.uses->push_back({43, {"python", "bob", 1}, 0.5});
  storage::FinishedRun shared = MadeUp(1e9);
  EXPECT_TRUE(Assess(device_, gpu, *runs_, &shared).ok());
  EXPECT_EQ(shared.run.validity(), v1::VALIDITY_CONTAMINATED);
}

}  // namespace
}  // namespace torchlap::run
