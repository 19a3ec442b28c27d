#include "server/worker/benchmark.h"

#include <ATen/Parallel.h>

#include <utility>
#include <vector>

#include "server/worker/core_affinity.h"
#include "server/worker/environment.h"
#include "server/worker/failure_report.h"
#include "server/worker/initialisation.h"
#include "server/worker/precision.h"
#include "server/worker/request_check.h"

namespace torchlap::worker {

Benchmark::Benchmark(v1::WorkerRequest request, EventWriter* events)
    : request_(std::move(request)),
      workload_(request_.workload().transformer_lm()),
      events_(events) {}

v1::WorkerResult Benchmark::Run() {
  const int64_t began_ns = MonotonicNs();
  CheckRequest(request_);
  PrepareProcess();
  building_ = true;
  Build();
  building_ = false;
  SendBuilt(MonotonicNs() - began_ns);
  Measure();
  v1::WorkerResult result;
  *result.mutable_samples() = reporter_->TakePending();
  *result.mutable_memory() = Memory();
  if (first_loss_) result.set_first_loss(*first_loss_);
  if (last_loss_) result.set_last_loss(*last_loss_);
  return result;
}

v1::WorkerFailed Benchmark::Failed(const std::exception& error) {
  v1::WorkerFailed failed = DescribeFailure(error, CurrentPhase(), device_.get());
  if (reporter_) *failed.mutable_samples() = reporter_->TakePending();
  *failed.mutable_memory() = Memory();
  return failed;
}

// The order matters: threads inherit the affinity, and CUDA and the allocator come before the first
// tensor.
void Benchmark::PrepareProcess() {
  PinToCores(request_.device().cores());
  device_ = OpenDevice(request_.device());
  at::set_num_threads(static_cast<int>(request_.device().threads()));
  at::set_num_interop_threads(1);
  SetMatmulPrecision(workload_.precision());
}

void Benchmark::Build() {
  const c10::Device device = device_->torch_device();
  Seed(request_.plan().seed());
  model_.emplace(workload_, device, WeightsType(workload_.precision()), InitialiseParameter);
  if (workload_.pass_type() == v1::PASS_TYPE_TRAIN_STEP) {
    std::vector<at::Tensor> tensors;
    for (const Parameter& parameter : model_->parameters()) tensors.push_back(parameter.tensor);
    optimizer_ = MakeAdamW(workload_.optimizer(), std::move(tensors));
  }
  const int64_t batch = workload_.batch_size();
  const int64_t context = workload_.context_length();
  at::Tensor ids = RandomTokens(workload_.vocab_size(), batch, context, device);
  at::Tensor targets = RandomTokens(workload_.vocab_size(), batch, context, device);
  training_step_.emplace(workload_, &*model_, optimizer_.get(), std::move(ids), std::move(targets));
  device_->Synchronise();
}

void Benchmark::SendBuilt(int64_t build_ns) {
  v1::WorkerEvent event;
  v1::WorkerBuilt* built = event.mutable_built();
  built->set_parameters(model_->ParameterCount());
  built->set_build_ns(build_ns);
  *built->mutable_environment() = DescribeEnvironment(request_.device(), *device_);
  *built->mutable_memory() = device_->AtStart();
  events_->Write(event);
}

void Benchmark::Measure() {
  const v1::Plan& plan = request_.plan();
  recorder_.emplace(device_.get(), plan.timing());
  reporter_.emplace(events_, plan.warmup_steps(), MonotonicNs());
  const uint32_t steps = plan.warmup_steps() + plan.measure_steps();
  for (uint32_t step = 0; step < steps; ++step) MeasureStep(step, steps);
}

void Benchmark::MeasureStep(uint32_t step, uint32_t steps) {
  training_step_->Prepare();
  const at::Tensor loss = training_step_->Run(&*recorder_);
  // The clock has stopped. Reading a loss waits for the device: only the first and the last are
  // asked for.
  if (loss.defined() && step == 0) first_loss_ = loss.item().toDouble();
  if (loss.defined() && step + 1 == steps) last_loss_ = loss.item().toDouble();
  peaks_.Add(recorder_->peaks(), step >= request_.plan().warmup_steps());
  reporter_->Add(recorder_->times(), MonotonicNs());
}

v1::Phase Benchmark::CurrentPhase() const {
  if (building_) return v1::PHASE_BUILD;
  return recorder_ ? recorder_->phase() : v1::PHASE_UNSPECIFIED;
}

v1::MemoryUse Benchmark::Memory() const {
  v1::MemoryUse memory;
  if (device_) memory = device_->AtStart();
  peaks_.Fill(&memory);
  return memory;
}

}  // namespace torchlap::worker
