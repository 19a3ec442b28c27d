#include "server/worker/request_check.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "server/worker/errors.h"
#include "tests/server/worker/tiny_workload.h"

namespace torchlap::worker {
namespace {

// The line that a request is refused with; empty if it is not.
std::string Refusal(const v1::WorkerRequest& request) {
  try {
    CheckRequest(request);
  } catch (const InvalidRequest& error) {
    return error.what();
  }
  return "";
}

v1::TransformerLm& ModelOf(v1::WorkerRequest& request) {
  return *request.mutable_workload()->mutable_transformer_lm();
}

TEST(RequestCheckTest, ACompleteRequestIsAccepted) { EXPECT_EQ(Refusal(TinyRequest()), ""); }

TEST(RequestCheckTest, AnEmptyRequestSaysWhatIsMissing) {
  EXPECT_EQ(Refusal({}), "workload is unset, must be transformer_lm or calibration");
}

TEST(RequestCheckTest, SizesOutOfRangeAreNamedWithTheirRange) {
  v1::WorkerRequest request = TinyRequest();
  ModelOf(request).set_batch_size(0);
  EXPECT_EQ(Refusal(request), "batch_size is 0, must be 1 to 65536");
  request = TinyRequest();
  ModelOf(request).set_context_length(2'000'000);
  EXPECT_EQ(Refusal(request), "context_length is 2000000, must be 1 to 1048576");
  request = TinyRequest();
  request.mutable_plan()->set_measure_steps(0);
  EXPECT_EQ(Refusal(request), "measure_steps is 0, must be 1 to 1000000");
  request = TinyRequest();
  request.mutable_device()->set_threads(0);
  EXPECT_EQ(Refusal(request), "device.threads is 0, must be 1 to 65536");
}

TEST(RequestCheckTest, HeadsMustDivideTheWidthIntoEvenParts) {
  v1::WorkerRequest request = TinyRequest();
  ModelOf(request).set_heads(3);
  EXPECT_EQ(Refusal(request), "d_model is 16, must be an even multiple of heads, which is 3");
  ModelOf(request).set_heads(16);
  EXPECT_EQ(Refusal(request), "d_model is 16, must be an even multiple of heads, which is 16");
}

TEST(RequestCheckTest, WhatWasLeftToDefaultIsRefused) {
  v1::WorkerRequest request = TinyRequest();
  ModelOf(request).clear_pass_type();
  EXPECT_EQ(Refusal(request),
            "pass_type is number 0, must be forward, forward-backward, train-step");
  request = TinyRequest();
  request.mutable_plan()->clear_warmup_steps();
  EXPECT_EQ(Refusal(request), "warmup_steps is unset, must be 0 to 100000");
}

TEST(RequestCheckTest, OnlyATrainStepNeedsAnOptimizer) {
  v1::WorkerRequest request = TinyRequest();
  ModelOf(request).clear_optimizer();
  EXPECT_EQ(Refusal(request), "optimizer is number 0, must be course, fused");
  ModelOf(request).set_pass_type(v1::PASS_TYPE_FORWARD);
  EXPECT_EQ(Refusal(request), "");
}

TEST(RequestCheckTest, ACpuHasNoTf32) {
  v1::WorkerRequest request = TinyRequest();
  ModelOf(request).set_precision(v1::PRECISION_TF32);
  EXPECT_EQ(Refusal(request),
            "precision is tf32, must be fp32, bf16, fp16 or bf16-weights on a CPU device: no CPU "
            "has tf32");
}

v1::WorkerRequest CudaRequest() {
  v1::WorkerRequest request = TinyRequest();
  request.mutable_device()->set_kind(v1::DEVICE_KIND_CUDA);
  request.mutable_device()->set_uuid("GPU-5f2c");
  return request;
}

TEST(RequestCheckTest, WhatOnlyAGpuHasIsRefusedOnACpu) {
  v1::WorkerRequest request = TinyRequest();
  request.mutable_plan()->set_timing(v1::TIMING_EVENTS);
  EXPECT_EQ(Refusal(request),
            "timing is events, must be separate or combined on a CPU device: it has no device "
            "events");
  request = TinyRequest();
  request.mutable_plan()->set_execution(v1::EXECUTION_CUDA_GRAPH);
  EXPECT_EQ(Refusal(request), "execution is cuda-graph, must be eager on a CPU device");
  request = TinyRequest();
  request.mutable_plan()->set_memory_fraction(0.02);
  EXPECT_EQ(Refusal(request),
            "memory_fraction is 0.02, must be unset on a CPU device: its limit is the device's "
            "memory");
}

TEST(RequestCheckTest, WhatOnlyAGpuHasIsAcceptedOnOne) {
  v1::WorkerRequest request = CudaRequest();
  ModelOf(request).set_precision(v1::PRECISION_TF32);
  request.mutable_plan()->set_timing(v1::TIMING_EVENTS);
  request.mutable_plan()->set_execution(v1::EXECUTION_EAGER);
  request.mutable_plan()->set_memory_fraction(1);
  EXPECT_EQ(Refusal(request), "");
}

TEST(RequestCheckTest, AMemoryFractionIsAShare) {
  v1::WorkerRequest request = CudaRequest();
  request.mutable_plan()->set_memory_fraction(1.5);
  EXPECT_EQ(Refusal(request), "memory_fraction is 1.5, must be 0.0001 to 1");
  request.mutable_plan()->set_memory_fraction(0);
  EXPECT_EQ(Refusal(request), "memory_fraction is 0, must be 0.0001 to 1");
  request.mutable_plan()->set_memory_fraction(std::nan(""));
  EXPECT_EQ(Refusal(request), "memory_fraction is nan, must be 0.0001 to 1");
}

TEST(RequestCheckTest, AGraphIsTimedAsAWholeAndCountsItsStepsOnTheDevice) {
  v1::WorkerRequest request = CudaRequest();
  request.mutable_plan()->set_execution(v1::EXECUTION_CUDA_GRAPH);
  EXPECT_EQ(Refusal(request),
            "timing is separate, must be combined with execution cuda-graph: the phases of a graph "
            "cannot be told apart");
  request.mutable_plan()->set_timing(v1::TIMING_COMBINED);
  EXPECT_EQ(Refusal(request),
            "optimizer is course, must be fused with execution cuda-graph: course counts its steps "
            "on the host");
  ModelOf(request).set_optimizer(v1::OPTIMIZER_FUSED);
  EXPECT_EQ(Refusal(request), "");
  ModelOf(request).set_pass_type(v1::PASS_TYPE_FORWARD_BACKWARD);
  ModelOf(request).clear_optimizer();
  EXPECT_EQ(Refusal(request), "");
}

TEST(RequestCheckTest, ACudaGrantNamesItsGpu) {
  v1::WorkerRequest request = TinyRequest();
  request.mutable_device()->set_kind(v1::DEVICE_KIND_CUDA);
  EXPECT_EQ(Refusal(request), "device.uuid is empty, must be the UUID of a GPU or MIG instance");
}

TEST(RequestCheckTest, ACalibrationHasASizeWithinLimitsAndNoPlan) {
  v1::WorkerRequest request;
  *request.mutable_device() = TinyRequest().device();
  request.mutable_workload()->mutable_calibration();
  EXPECT_EQ(Refusal(request), "") << "0: chosen by the worker";
  request.mutable_workload()->mutable_calibration()->set_matrix_size(63);
  EXPECT_EQ(Refusal(request), "matrix_size is 63, must be 64 to 32768");
  request.mutable_workload()->mutable_calibration()->set_matrix_size(32769);
  EXPECT_EQ(Refusal(request), "matrix_size is 32769, must be 64 to 32768");
  request.mutable_workload()->mutable_calibration()->set_matrix_size(64);
  EXPECT_EQ(Refusal(request), "");
  request.mutable_device()->set_threads(0);
  EXPECT_EQ(Refusal(request), "device.threads is 0, must be 1 to 65536");
}

}  // namespace
}  // namespace torchlap::worker
