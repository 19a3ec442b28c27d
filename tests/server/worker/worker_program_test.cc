// The real torchlap-worker over a socketpair.
#include "tests/server/worker/worker_program.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/server/worker/tiny_workload.h"

namespace torchlap::worker {
namespace {

using Events = std::vector<v1::WorkerEvent>;

// All events of a run to its end, which must be orderly.
Events EventsOf(const v1::WorkerRequest& request,
                const std::vector<std::string>& environment = {}) {
  WorkerProgram worker(TORCHLAP_WORKER, environment);
  worker.Send(request);
  Events events = worker.Rest();
  EXPECT_EQ(worker.Wait(), 0);
  return events;
}

// The samples of all events, one after another.
v1::SampleBlock Samples(const Events& events) {
  v1::SampleBlock all;
  for (const v1::WorkerEvent& event : events) {
    if (event.has_steps()) all.MergeFrom(event.steps().samples());
    if (event.has_result()) all.MergeFrom(event.result().samples());
  }
  return all;
}

TEST(WorkerProgramTest, HelloComesBeforeARequestIsSent) {
  WorkerProgram worker(TORCHLAP_WORKER);
  const auto event = worker.Next();
  ASSERT_TRUE(event && event->has_hello());
  EXPECT_EQ(event->hello().protocol_version(), 1u);
  EXPECT_EQ(event->hello().torch_version(), "2.11.0");
  EXPECT_EQ(event->hello().torchlap_version(), TORCHLAP_VERSION);
  EXPECT_EQ(event->hello().pid(), worker.pid());
}

TEST(WorkerProgramTest, ATrainStepIsReportedFromHelloToResult) {
  const Events events = EventsOf(TinyRequest());
  ASSERT_GE(events.size(), 3u);
  EXPECT_TRUE(events[0].has_hello());
  EXPECT_TRUE(events[1].has_built());
  for (size_t i = 2; i + 1 < events.size(); ++i) EXPECT_TRUE(events[i].has_steps());
  ASSERT_TRUE(events.back().has_result());

  const v1::SampleBlock samples = Samples(events);
  EXPECT_EQ(samples.warmup_steps(), 2u);
  ASSERT_EQ(samples.step_ns_size(), 5);
  ASSERT_EQ(samples.start_ns_size(), 5);
  ASSERT_EQ(samples.forward_ns_size(), 5);
  ASSERT_EQ(samples.loss_ns_size(), 5);
  ASSERT_EQ(samples.backward_ns_size(), 5);
  ASSERT_EQ(samples.optimizer_ns_size(), 5);
  for (int i = 0; i < 5; ++i) {
    EXPECT_GT(samples.forward_ns(i), 0);
    EXPECT_EQ(samples.step_ns(i), samples.forward_ns(i) + samples.loss_ns(i) +
                                      samples.backward_ns(i) + samples.optimizer_ns(i));
  }
  for (int i = 1; i < 5; ++i) {
    EXPECT_GE(samples.start_ns(i), samples.start_ns(i - 1) + samples.step_ns(i - 1));
  }
  const v1::WorkerResult& result = events.back().result();
  EXPECT_GT(result.first_loss(), 0);
  EXPECT_LT(result.last_loss(), result.first_loss());
}

TEST(WorkerProgramTest, CombinedTimingReportsOnlyTheStep) {
  v1::WorkerRequest request = TinyRequest();
  request.mutable_plan()->set_timing(v1::TIMING_COMBINED);
  const v1::SampleBlock samples = Samples(EventsOf(request));
  EXPECT_EQ(samples.step_ns_size(), 5);
  EXPECT_EQ(samples.forward_ns_size(), 0);
  EXPECT_EQ(samples.optimizer_ns_size(), 0);
}

TEST(WorkerProgramTest, ForwardHasOnePhaseAndNoLoss) {
  v1::WorkerRequest request = TinyRequest();
  request.mutable_workload()->mutable_transformer_lm()->set_pass_type(v1::PASS_TYPE_FORWARD);
  const Events events = EventsOf(request);
  const v1::SampleBlock samples = Samples(events);
  EXPECT_EQ(samples.forward_ns_size(), 5);
  EXPECT_EQ(samples.loss_ns_size(), 0);
  EXPECT_EQ(samples.backward_ns_size(), 0);
  EXPECT_FALSE(events.back().result().has_first_loss());
  EXPECT_FALSE(events.back().result().memory().has_backward());
}

TEST(WorkerProgramTest, TheSameSeedGivesTheSameLossInAnotherProcess) {
  v1::WorkerRequest request = TinyRequest();
  const double first = EventsOf(request).back().result().last_loss();
  EXPECT_EQ(EventsOf(request).back().result().last_loss(), first);
  request.mutable_plan()->set_seed(1);
  EXPECT_NE(EventsOf(request).back().result().last_loss(), first);
}

TEST(WorkerProgramTest, BuiltTellsTheModelAndTheConditions) {
  v1::WorkerRequest request = TinyRequest();
  request.mutable_device()->set_memory_limit_bytes(uint64_t{1} << 30);
  const Events events = EventsOf(
      request, {"OMP_WAIT_POLICY=passive", "MALLOC_ARENA_MAX=4", "LD_LIBRARY_PATH=/nowhere"});
  ASSERT_TRUE(events.at(1).has_built());
  const v1::WorkerBuilt& built = events[1].built();
  // L(4d^2 + 3df + 2d) + 2Vd + d with L 2, d 16, f 24, V 31.
  EXPECT_EQ(built.parameters(), 2u * (4 * 256 + 3 * 16 * 24 + 32) + 2 * 31 * 16 + 16);
  EXPECT_GT(built.build_ns(), 0);
  EXPECT_EQ(built.environment().torch_version(), "2.11.0");
  EXPECT_EQ(built.environment().threads(), 1u);
  EXPECT_FALSE(built.environment().cpu_capability().empty());
  EXPECT_EQ(built.environment().variables_size(), 2);
  EXPECT_EQ(built.environment().variables().at("OMP_WAIT_POLICY"), "passive");
  EXPECT_EQ(built.memory().device_total_bytes(), uint64_t{1} << 30);
  EXPECT_EQ(built.memory().device_free_bytes(), uint64_t{1} << 30);
}

TEST(WorkerProgramTest, PeaksGrowFromForwardToOptimizerAndNothingIsReservedOnACpu) {
  const v1::MemoryUse memory = EventsOf(TinyRequest()).back().result().memory();
  EXPECT_GT(memory.forward().allocated_bytes(), 0u);
  EXPECT_GE(memory.loss().allocated_bytes(), memory.forward().allocated_bytes() / 2);
  EXPECT_GE(memory.peak_allocated_bytes(), memory.backward().allocated_bytes());
  EXPECT_GE(memory.peak_allocated_bytes(), memory.optimizer().allocated_bytes());
  EXPECT_GT(memory.first_step_peak_allocated_bytes(), 0u);
  EXPECT_FALSE(memory.has_peak_reserved_bytes());
  EXPECT_FALSE(memory.forward().has_reserved_bytes());
}

TEST(WorkerProgramTest, ALimitThatTheStepExceedsIsOutOfMemoryWithNumbers) {
  v1::WorkerRequest request = TinyRequest();
  // Weights (20 kB) and tokens fit; activations of 64 sequences do not.
  constexpr uint64_t kLimit = 200'000;
  request.mutable_device()->set_memory_limit_bytes(kLimit);
  request.mutable_workload()->mutable_transformer_lm()->set_batch_size(64);
  const Events events = EventsOf(request);
  ASSERT_TRUE(events.back().has_failed());
  const v1::WorkerFailed& failed = events.back().failed();
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_EQ(failed.failure().phase(), v1::PHASE_FORWARD);
  EXPECT_EQ(failed.failure().total_bytes(), kLimit);
  EXPECT_GT(failed.failure().asked_bytes(), failed.failure().free_bytes());
  EXPECT_EQ(failed.failure().allocated_bytes() + failed.failure().free_bytes(), kLimit);
  EXPECT_EQ(failed.memory().device_total_bytes(), kLimit);
}

TEST(WorkerProgramTest, ALimitBelowTheWeightsFailsInTheBuild) {
  v1::WorkerRequest request = TinyRequest();
  request.mutable_device()->set_memory_limit_bytes(5000);
  const Events events = EventsOf(request);
  ASSERT_EQ(events.size(), 2u);
  ASSERT_TRUE(events.back().has_failed());
  EXPECT_EQ(events.back().failed().outcome(), v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_EQ(events.back().failed().run_id(), request.run_id());
  EXPECT_EQ(events.back().failed().failure().phase(), v1::PHASE_BUILD);
}

TEST(WorkerProgramTest, AnInvalidRequestIsRefusedInOneLine) {
  v1::WorkerRequest request = TinyRequest();
  request.mutable_workload()->mutable_transformer_lm()->set_batch_size(0);
  const Events events = EventsOf(request);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events.back().failed().outcome(), v1::OUTCOME_INVALID);
  EXPECT_EQ(events.back().failed().failure().detail(), "batch_size is 0, must be 1 to 65536");
}

TEST(WorkerProgramTest, GarbageInsteadOfARequestIsRefused) {
  WorkerProgram worker(TORCHLAP_WORKER);
  worker.SendBytes(std::string(64, '\xff'));
  const Events events = worker.Rest();
  ASSERT_TRUE(events.back().has_failed());
  EXPECT_EQ(events.back().failed().outcome(), v1::OUTCOME_INVALID);
  EXPECT_EQ(worker.Wait(), 0);
}

TEST(WorkerProgramTest, ASocketThatClosesBeforeARequestEndsItQuietly) {
  WorkerProgram worker(TORCHLAP_WORKER);
  worker.CloseSocket();
  EXPECT_EQ(worker.Wait(), 0);
}

TEST(WorkerProgramTest, ASocketThatClosesInTheMiddleEndsIt) {
  v1::WorkerRequest request = TinyRequest();
  request.mutable_plan()->set_measure_steps(1'000'000);
  WorkerProgram worker(TORCHLAP_WORKER);
  worker.Send(request);
  while (true) {
    const auto event = worker.Next();
    ASSERT_TRUE(event.has_value());
    if (event->has_steps()) break;
  }
  worker.CloseSocket();
  EXPECT_EQ(worker.Wait(), 0);
}

TEST(WorkerProgramTest, AWorkerWhoseParentIsAnotherDoesNotStart) {
  WorkerProgram stranger(TORCHLAP_WORKER, {"TORCHLAP_PARENT_PID=1"});
  EXPECT_TRUE(stranger.Rest().empty());
  EXPECT_EQ(stranger.Wait(), 0);
  WorkerProgram child(TORCHLAP_WORKER, {"TORCHLAP_PARENT_PID=" + std::to_string(getpid())});
  const auto event = child.Next();
  EXPECT_TRUE(event && event->has_hello());
}

TEST(WorkerProgramTest, TheResultSaysWhatWasDoneAndHow) {
  v1::WorkerRequest request = TinyRequest();
  request.mutable_workload()->mutable_transformer_lm()->set_attention(v1::ATTENTION_SDPA);
  const Events events = EventsOf(request);
  EXPECT_EQ(events.at(1).built().numerics().fp32_matmul(), "ieee");
  EXPECT_EQ(events.at(1).built().numerics().weights(), "float32");
  const v1::WorkerResult& result = events.back().result();
  EXPECT_EQ(result.stop_reason(), v1::STOP_REASON_COUNT);
  EXPECT_EQ(result.warmup_steps(), 2u);
  EXPECT_EQ(result.measured_steps(), 3u);
  EXPECT_EQ(result.numerics().sdpa_kernel(), "flash");
}

TEST(WorkerProgramTest, MeasuringGoesOnUntilTheTargetOrTheLimit) {
  v1::WorkerRequest request = TinyRequest();
  request.mutable_plan()->set_target_precision(0.0001);
  request.mutable_plan()->set_max_steps(25);
  const Events events = EventsOf(request);
  const v1::WorkerResult& result = events.back().result();
  EXPECT_NE(result.stop_reason(), v1::STOP_REASON_COUNT);
  EXPECT_GE(result.measured_steps(), 10u);
  EXPECT_LE(result.measured_steps(), 25u);
  EXPECT_EQ(Samples(events).step_ns_size(),
            static_cast<int>(result.warmup_steps() + result.measured_steps()));
}

TEST(WorkerProgramTest, WithoutAGpuACudaGrantFailsInOneLine) {
  if (access("/dev/nvidiactl", F_OK) == 0) GTEST_SKIP() << "this machine has an NVIDIA driver";
  v1::WorkerRequest request = TinyRequest();
  request.mutable_device()->set_kind(v1::DEVICE_KIND_CUDA);
  request.mutable_device()->set_uuid("GPU-5f2c");
  const Events events = EventsOf(request);
  EXPECT_EQ(events.back().failed().outcome(), v1::OUTCOME_CUDA_ERROR);
  EXPECT_EQ(events.back().failed().failure().detail(),
            "no CUDA device: the NVIDIA driver (libcuda.so.1) is not installed");
}

TEST(WorkerProgramTest, EveryStepSaysWhatHappenedOnTheCores) {
  const v1::SampleBlock samples = Samples(EventsOf(TinyRequest()));
  ASSERT_EQ(samples.foreign_cpu_ns_size(), 5);
  for (const int64_t foreign_ns : samples.foreign_cpu_ns()) EXPECT_GE(foreign_ns, 0);
  // Kernels without schedstat do not tell.
  if (!std::filesystem::exists("/proc/self/schedstat")) return;
  ASSERT_EQ(samples.run_delay_ns_size(), 5);
  for (const int64_t delay_ns : samples.run_delay_ns()) EXPECT_GE(delay_ns, 0);
}

TEST(WorkerProgramTest, AFixedPlanStopsByCount) {
  const v1::WorkerResult result = EventsOf(TinyRequest()).back().result();
  EXPECT_EQ(result.stop_reason(), v1::STOP_REASON_COUNT);
  EXPECT_EQ(result.warmup_steps(), 2u);
  EXPECT_EQ(result.measured_steps(), 3u);
}

// The loosest target that a request may have; a step that the machine delayed may ask for some
// more.
TEST(WorkerProgramTest, AnEasyTargetIsReachedAfterFewSteps) {
  v1::WorkerRequest request = TinyRequest();
  request.mutable_plan()->set_warmup_until_settled(true);
  request.mutable_plan()->set_target_precision(0.5);
  const Events events = EventsOf(request);
  const v1::WorkerResult& result = events.back().result();
  EXPECT_EQ(result.stop_reason(), v1::STOP_REASON_REACHED);
  EXPECT_GE(result.warmup_steps(), 6u) << "three steps against three";
  EXPECT_GE(result.measured_steps(), 10u);
  EXPECT_LE(result.measured_steps(), 100u);
  const v1::SampleBlock samples = Samples(events);
  EXPECT_EQ(static_cast<uint32_t>(samples.step_ns_size()),
            result.warmup_steps() + result.measured_steps());
  EXPECT_EQ(samples.warmup_steps(), result.warmup_steps());
  EXPECT_LT(result.last_loss(), result.first_loss());
}

TEST(WorkerProgramTest, AnImpossibleTargetEndsAtTheLimit) {
  v1::WorkerRequest request = TinyRequest();
  request.mutable_plan()->set_target_precision(0.0001);
  request.mutable_plan()->set_max_steps(20);
  const v1::WorkerResult result = EventsOf(request).back().result();
  EXPECT_EQ(result.stop_reason(), v1::STOP_REASON_LIMIT);
  EXPECT_EQ(result.measured_steps(), 20u);
}

v1::WorkerRequest CalibrationRequest(uint32_t matrix_size) {
  v1::WorkerRequest request;
  request.set_run_id("2.1");
  request.mutable_workload()->mutable_calibration()->set_matrix_size(matrix_size);
  *request.mutable_device() = TinyRequest().device();
  request.mutable_device()->set_memory_limit_bytes(uint64_t{64} << 20);
  return request;
}

TEST(WorkerProgramTest, ACalibrationsStepsAreItsProductsWithWhatDisturbedThem) {
  const Events events = EventsOf(CalibrationRequest(128));
  ASSERT_GE(events.size(), 3u);
  ASSERT_TRUE(events[1].has_built());
  EXPECT_EQ(events[1].built().environment().threads(), 1u);
  ASSERT_TRUE(events.back().has_result());
  const v1::WorkerResult& result = events.back().result();
  uint32_t products = 0;
  for (const v1::WorkerEvent& event : events) {
    const v1::SampleBlock& block =
        event.has_result() ? event.result().samples() : event.steps().samples();
    products += static_cast<uint32_t>(block.step_ns_size());
    EXPECT_EQ(block.foreign_cpu_ns_size(), block.step_ns_size());
    EXPECT_EQ(block.run_delay_ns_size(), block.step_ns_size());
  }
  EXPECT_EQ(products, result.measured_steps());
  EXPECT_EQ(result.calibration().matmul_peaks_size() + result.calibration().emulated_size(), 3);
  for (const v1::MatmulPeak& peak : result.calibration().matmul_peaks()) {
    EXPECT_GT(peak.flops_per_s(), 0);
    EXPECT_EQ(peak.matrix_size(), 128u);
  }
  EXPECT_GT(result.calibration().memory_bytes_per_s(), 0);
}

TEST(WorkerProgramTest, ACalibrationThatDoesNotFitIsOutOfMemoryWithNumbers) {
  const Events events = EventsOf(CalibrationRequest(4096));  // 64 MiB a matrix
  ASSERT_TRUE(events.back().has_failed());
  const v1::WorkerFailed& failed = events.back().failed();
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_EQ(failed.failure().asked_bytes(), uint64_t{64} << 20);
  EXPECT_EQ(failed.failure().total_bytes(), uint64_t{64} << 20);
}

TEST(WorkerProgramTest, ACalibrationOutsideTheLimitsIsRefused) {
  const Events events = EventsOf(CalibrationRequest(7));
  EXPECT_EQ(events.back().failed().outcome(), v1::OUTCOME_INVALID);
  EXPECT_EQ(events.back().failed().failure().detail(), "matrix_size is 7, must be 64 to 32768");
}

}  // namespace
}  // namespace torchlap::worker
