#include "server/worker/benchmark.h"

#include <algorithm>
#include <utility>

#include "proto/base/clock.h"
#include "server/measure/stopping.h"
#include "server/worker/cuda_extras_library.h"
#include "server/worker/environment.h"
#include "server/worker/failure_report.h"
#include "server/worker/initialisation.h"
#include "server/worker/numerics.h"
#include "server/worker/precision.h"
#include "server/worker/process_setup.h"
#include "server/worker/request_check.h"

namespace torchlap::worker {

Benchmark::Benchmark(v1::WorkerRequest request, EventWriter* events)
    : request_(std::move(request)),
      workload_(request_.workload().transformer_lm()),
      events_(events) {}

v1::WorkerResult Benchmark::Run() {
  const int64_t began_ns = MonotonicNs();
  CheckRequest(request_);
  // With the context of the device: what has no room there, no smaller step has either.
  building_ = true;
  device_ = PrepareProcess(request_);
  SetMatmulPrecision(workload_.precision());
  Build();
  building_ = false;
  SendBuilt(MonotonicNs() - began_ns);
  PrepareSteps();
  WarmUp();
  if (graphed()) Capture();
  return Result(tracing() ? TraceSteps() : MeasureUntilEnough());
}

v1::WorkerFailed Benchmark::Failed(const std::exception& error) {
  v1::WorkerFailed failed = DescribeFailure(error, CurrentPhase(), device_.get());
  failed.set_run_id(request_.run_id());
  if (reporter_) {
    ReportStep();
    *failed.mutable_samples() = reporter_->TakePending();
  }
  *failed.mutable_memory() = Memory();
  return failed;
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
  ids_ = RandomTokens(workload_.vocab_size(), batch, context, device);
  at::Tensor targets = RandomTokens(workload_.vocab_size(), batch, context, device);
  training_step_.emplace(workload_, &*model_, optimizer_.get(), ids_, std::move(targets));
  device_->Synchronise();
}

void Benchmark::SendBuilt(int64_t build_ns) {
  v1::WorkerEvent event;
  v1::WorkerBuilt* built = event.mutable_built();
  built->set_run_id(request_.run_id());
  built->set_parameters(model_->ParameterCount());
  built->set_build_ns(build_ns);
  *built->mutable_environment() = DescribeEnvironment(request_.device(), *device_);
  *built->mutable_memory() = device_->AtStart();
  *built->mutable_numerics() = DescribeNumerics(workload_, *device_, *model_);
  events_->Write(event);
}

void Benchmark::PrepareSteps() {
  const c10::Device device = device_->torch_device();
  if (graphed()) LeaveDefaultStream(device);
  recorder_.emplace(device_.get(), request_.plan().timing());
  listener_ = &*recorder_;
  const auto add_ranges = [this](std::unique_ptr<RangeSink> sink) {
    ranges_.push_back(std::make_unique<PhaseRanges>(listener_, std::move(sink)));
    listener_ = ranges_.back().get();
  };
  if (device.is_cuda()) add_ranges(MakeNvtxSink());
  if (tracing()) {
    add_ranges(MakeProfilerSink());
    trace_.emplace(device.type(), request_.trace_path());
    trace_->Prepare();
  }
  device_->Synchronise();
  cores_.emplace();
  reporter_.emplace(events_, MonotonicNs());
}

void Benchmark::WarmUp() {
  measure::WarmupRule rule(request_.plan());
  for (; !rule.done(); ++warmup_steps_) rule.Add(TakeStep(/*measured=*/false));
}

// A plan with less warm-up than a capture needs gets the rest here, outside its samples.
void Benchmark::Capture() {
  for (uint32_t step = warmup_steps_; step < kStepsBeforeCapture; ++step) {
    ExecuteStep();
    peaks_.Add(recorder_->peaks(), /*measured=*/false);
  }
  graph_.emplace(device_.get(), &*training_step_, &CudaExtras());
  graph_->Capture();
  peaks_.Add(graph_->peaks(), /*measured=*/true);
}

v1::StopReason Benchmark::MeasureUntilEnough() {
  measure::StoppingRule rule(request_.plan());
  v1::StopReason reason = v1::STOP_REASON_UNSPECIFIED;
  for (; reason == v1::STOP_REASON_UNSPECIFIED; ++measured_steps_) {
    reason = rule.Add(TakeStep(/*measured=*/true));
  }
  return reason;
}

v1::StopReason Benchmark::TraceSteps() {
  constexpr uint32_t kEnoughToSee = 3;
  const uint32_t steps = std::min(request_.plan().measure_steps(), kEnoughToSee);
  trace_->Start();
  for (; measured_steps_ < steps; ++measured_steps_) TakeStep(/*measured=*/true);
  trace_->Save();
  return v1::STOP_REASON_COUNT;
}

// Returns the time of the step by the clock of the timing mode.
int64_t Benchmark::TakeStep(bool measured) {
  ReportStep();
  loss_ = ExecuteStep();
  // The clock has stopped. Reading a loss waits for the device: only the first and the last are
  // asked for.
  if (warmup_steps_ + measured_steps_ == 0) {
    if (loss_.defined()) first_loss_ = loss_.item().toDouble();
    cores_->FindThreads();
  }
  peaks_.Add(recorder_->peaks(), measured);
  const StepTimes& times = recorder_->times();
  unreported_ = EndedStep{times, measured};
  const bool by_events = request_.plan().timing() == v1::TIMING_EVENTS;
  return by_events ? times.device_step_ns.value_or(times.step_ns) : times.step_ns;
}

// The last step, if there was one, with what happened on the cores from its start until now.
void Benchmark::ReportStep() {
  const int64_t now_ns = MonotonicNs();
  const CoreTimes since_start = cores_->Next(now_ns);
  if (!unreported_) return;
  const EndedStep step = *std::exchange(unreported_, std::nullopt);
  reporter_->Add(step.times, since_start, step.measured, now_ns);
}

at::Tensor Benchmark::ExecuteStep() {
  // Not into the next step: it would count among its memory.
  loss_.reset();
  if (graph_) return graph_->Run(listener_);
  training_step_->Prepare();
  return training_step_->Run(listener_);
}

v1::WorkerResult Benchmark::Result(v1::StopReason reason) {
  ReportStep();
  v1::WorkerResult result;
  *result.mutable_samples() = reporter_->TakePending();
  *result.mutable_memory() = Memory();
  if (first_loss_) result.set_first_loss(*first_loss_);
  if (loss_.defined()) result.set_last_loss(loss_.item().toDouble());
  result.set_stop_reason(reason);
  result.set_warmup_steps(warmup_steps_);
  result.set_measured_steps(measured_steps_);
  if (const auto neighbour = cores_->FindNeighbour()) *result.mutable_neighbour() = *neighbour;
  *result.mutable_numerics() = DescribeNumericsAfterSteps(workload_, *model_, ids_);
  return result;
}

v1::Phase Benchmark::CurrentPhase() const {
  if (building_) return v1::PHASE_BUILD;
  if (graph_ && graph_->phase() != v1::PHASE_UNSPECIFIED) return graph_->phase();
  return recorder_ ? recorder_->phase() : v1::PHASE_UNSPECIFIED;
}

v1::MemoryUse Benchmark::Memory() const {
  v1::MemoryUse memory;
  if (device_) memory = device_->AtStart();
  peaks_.Fill(&memory);
  return memory;
}

}  // namespace torchlap::worker
