#include "server/worker/step_reporter.h"

#include <utility>

#include "proto/frames.h"

namespace torchlap::worker {
namespace {

constexpr int64_t kBetweenBatchesNs = 500'000'000;
// All columns of at most ten bytes a step stay below a frame.
constexpr int kLargestBatch = 6'500;
// Those of a block (proto/samples.h) and room for two more.
constexpr size_t kColumns = 15;
static_assert(size_t{kLargestBatch} * kColumns * 10 < kMaxFrameBytes);

void AddTo(google::protobuf::RepeatedField<int64_t>* column, const std::optional<int64_t>& ns) {
  if (ns) column->Add(*ns);
}

v1::SampleBlock EmptyBlock(uint32_t first_step, uint32_t warmup_steps) {
  v1::SampleBlock block;
  block.set_first_step(first_step);
  block.set_warmup_steps(warmup_steps);
  return block;
}

}  // namespace

StepReporter::StepReporter(EventWriter* events, int64_t now_ns)
    : events_(events), last_sent_ns_(now_ns), pending_(EmptyBlock(0, 0)) {}

void StepReporter::Add(const StepTimes& times, const CoreTimes& cores, bool measured,
                       int64_t now_ns) {
  // Where the warm-up ends may not be known before it does, so a batch counts those so far.
  if (!measured) pending_.set_warmup_steps(pending_.warmup_steps() + 1);
  pending_.add_start_ns(times.start_ns);
  pending_.add_step_ns(times.step_ns);
  AddTo(pending_.mutable_forward_ns(), times.phase_ns[v1::PHASE_FORWARD]);
  AddTo(pending_.mutable_loss_ns(), times.phase_ns[v1::PHASE_LOSS]);
  AddTo(pending_.mutable_backward_ns(), times.phase_ns[v1::PHASE_BACKWARD]);
  AddTo(pending_.mutable_optimizer_ns(), times.phase_ns[v1::PHASE_OPTIMIZER]);
  AddTo(pending_.mutable_device_forward_ns(), times.device_phase_ns[v1::PHASE_FORWARD]);
  AddTo(pending_.mutable_device_loss_ns(), times.device_phase_ns[v1::PHASE_LOSS]);
  AddTo(pending_.mutable_device_backward_ns(), times.device_phase_ns[v1::PHASE_BACKWARD]);
  AddTo(pending_.mutable_device_optimizer_ns(), times.device_phase_ns[v1::PHASE_OPTIMIZER]);
  AddTo(pending_.mutable_device_step_ns(), times.device_step_ns);
  AddTo(pending_.mutable_foreign_cpu_ns(), cores.foreign_cpu_ns);
  AddTo(pending_.mutable_run_delay_ns(), cores.run_delay_ns);
  const bool due = now_ns - last_sent_ns_ >= kBetweenBatchesNs;
  if (!due && pending_.step_ns_size() < kLargestBatch) return;
  v1::WorkerEvent event;
  *event.mutable_steps()->mutable_samples() = TakePending();
  events_->Write(event);
  last_sent_ns_ = now_ns;
}

v1::SampleBlock StepReporter::TakePending() {
  const auto next_step = pending_.first_step() + static_cast<uint32_t>(pending_.step_ns_size());
  return std::exchange(pending_, EmptyBlock(next_step, pending_.warmup_steps()));
}

}  // namespace torchlap::worker
