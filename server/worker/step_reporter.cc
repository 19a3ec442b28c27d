#include "server/worker/step_reporter.h"

#include <utility>

#include "proto/frames.h"

namespace torchlap::worker {
namespace {

constexpr int64_t kBetweenBatchesNs = 500'000'000;
// Six columns of at most ten bytes a step stay below a frame.
constexpr int kLargestBatch = 16'000;
static_assert(size_t{kLargestBatch} * 6 * 10 < kMaxFrameBytes);

v1::SampleBlock EmptyBlock(uint32_t first_step, uint32_t warmup_steps) {
  v1::SampleBlock block;
  block.set_first_step(first_step);
  block.set_warmup_steps(warmup_steps);
  return block;
}

}  // namespace

StepReporter::StepReporter(EventWriter* events, uint32_t warmup_steps, int64_t now_ns)
    : events_(events),
      warmup_steps_(warmup_steps),
      last_sent_ns_(now_ns),
      pending_(EmptyBlock(0, warmup_steps)) {}

void StepReporter::Add(const StepTimes& times, int64_t now_ns) {
  pending_.add_start_ns(times.start_ns);
  pending_.add_step_ns(times.step_ns);
  if (const auto& ns = times.phase_ns[v1::PHASE_FORWARD]) pending_.add_forward_ns(*ns);
  if (const auto& ns = times.phase_ns[v1::PHASE_LOSS]) pending_.add_loss_ns(*ns);
  if (const auto& ns = times.phase_ns[v1::PHASE_BACKWARD]) pending_.add_backward_ns(*ns);
  if (const auto& ns = times.phase_ns[v1::PHASE_OPTIMIZER]) pending_.add_optimizer_ns(*ns);
  const bool due = now_ns - last_sent_ns_ >= kBetweenBatchesNs;
  if (!due && pending_.step_ns_size() < kLargestBatch) return;
  v1::WorkerEvent event;
  *event.mutable_steps()->mutable_samples() = TakePending();
  events_->Write(event);
  last_sent_ns_ = now_ns;
}

v1::SampleBlock StepReporter::TakePending() {
  const auto next_step = pending_.first_step() + static_cast<uint32_t>(pending_.step_ns_size());
  return std::exchange(pending_, EmptyBlock(next_step, warmup_steps_));
}

}  // namespace torchlap::worker
