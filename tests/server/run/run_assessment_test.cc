#include "server/run/run_assessment.h"

#include <string>
#include <utility>
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

  storage::FinishedRun MadeUpOnAGpu() {
    device_.kind = v1::DEVICE_KIND_CUDA;
    storage::FinishedRun finished = MadeUp(1e9);
    for (const int64_t start_ns : {5'000'000'000, 5'035'000'000}) {
      finished.samples.add_start_ns(start_ns);
    }
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

constexpr int64_t kMeasuredNs = 5'035'000'000;  // the one measured step begins, of 31 ms

// Our worker alone.
GpuSurroundings Gpu() {
  GpuSurroundings gpu;
  gpu.worker_pid = 42;
  gpu.use.tells_use = true;
  gpu.use.has_own_pids = true;
  gpu.use.looks = {{kMeasuredNs - 1'000'000'000, 1, 0}};
  gpu.use.processes = {{42, {"torchlap-worker", "ann", 1}, true, {}}};
  return gpu;
}

std::vector<host::UseStretch> Stretch(double sm_ratio) {
  return {{kMeasuredNs, kMeasuredNs + 20'000'000, sm_ratio}};
}

TEST_F(RunAssessmentTest, OurOwnWorkerIsNoNeighbour) {
  storage::FinishedRun alone = MadeUpOnAGpu();
  GpuSurroundings gpu = Gpu();
  gpu.use.processes[0].stretches = Stretch(0.9);
  EXPECT_TRUE(Assess(device_, gpu, *runs_, &alone).ok());
  EXPECT_NE(alone.run.validity(), v1::VALIDITY_CONTAMINATED);
  for (const v1::Evidence& evidence : alone.run.assessment().evidence()) {
    EXPECT_EQ(evidence.pid(), 0);
  }
  gpu.use.processes.push_back({43, {"python", "bob", 1}, true, Stretch(0.5)});
  storage::FinishedRun shared = MadeUpOnAGpu();
  EXPECT_TRUE(Assess(device_, gpu, *runs_, &shared).ok());
  EXPECT_EQ(shared.run.validity(), v1::VALIDITY_CONTAMINATED);
  EXPECT_EQ(shared.run.assessment().evidence(0).user(), "bob");
}

TEST_F(RunAssessmentTest, OfOthersNothingIsSaidWhereOurWorkerIsNotAmongThem) {
  GpuSurroundings gpu = Gpu();
  gpu.use.has_own_pids = false;
  gpu.use.processes = {{43, {}, true, Stretch(0.5)}};
  storage::FinishedRun finished = MadeUpOnAGpu();
  EXPECT_TRUE(Assess(device_, gpu, *runs_, &finished).ok());
  EXPECT_EQ(finished.run.validity(), v1::VALIDITY_UNVERIFIED);
  EXPECT_NE(finished.run.validity_reasons().find("pids-not-translated"), std::string::npos);
  EXPECT_EQ(finished.run.validity_reasons().find("foreign-gpu"), std::string::npos);
}

TEST_F(RunAssessmentTest, ErrorsOfTheDriverAreInTheTextOfAFailure) {
  GpuSurroundings gpu;
  gpu.xids = {31, 43};
  for (const auto& [detail, text] : std::vector<std::pair<std::string, std::string>>{
           {"CUDA error: an illegal memory access was encountered",
            "CUDA error: an illegal memory access was encountered; the driver reported XID 31 (GPU "
            "memory page fault), XID 43 (GPU stopped processing)"},
           {"",
            "the driver reported XID 31 (GPU memory page fault), XID 43 (GPU stopped "
            "processing)"}}) {
    for (const v1::Outcome outcome :
         {v1::OUTCOME_CUDA_ERROR, v1::OUTCOME_CRASHED, v1::OUTCOME_TIMED_OUT}) {
      storage::FinishedRun failed = MadeUp(1e9);
      failed.run.set_outcome(outcome);
      failed.run.mutable_failure()->set_detail(detail);
      EXPECT_TRUE(Assess(device_, gpu, *runs_, &failed).ok());
      EXPECT_EQ(failed.run.failure().detail(), text);
    }
  }
}

TEST_F(RunAssessmentTest, ErrorsOfTheDriverSayNothingOfARunThatDidNotFail) {
  GpuSurroundings gpu;
  gpu.xids = {31};
  storage::FinishedRun well = MadeUp(1e9);
  EXPECT_TRUE(Assess(device_, gpu, *runs_, &well).ok());
  EXPECT_FALSE(well.run.has_failure());
  storage::FinishedRun cancelled = MadeUp(1e9);
  cancelled.run.set_outcome(v1::OUTCOME_CANCELLED);
  cancelled.run.mutable_failure()->set_detail("cancelled");
  EXPECT_TRUE(Assess(device_, gpu, *runs_, &cancelled).ok());
  EXPECT_EQ(cancelled.run.failure().detail(), "cancelled");
  storage::FinishedRun without = MadeUp(1e9);
  without.run.set_outcome(v1::OUTCOME_CRASHED);
  without.run.mutable_failure()->set_detail("the worker was killed");
  EXPECT_TRUE(Assess(device_, {}, *runs_, &without).ok());
  EXPECT_EQ(without.run.failure().detail(), "the worker was killed");
}

}  // namespace
}  // namespace torchlap::run
