#include "server/rpc/get_run.h"

#include <algorithm>
#include <utility>

namespace torchlap::rpc {
namespace {

constexpr int kStepsInAMessage = 10000;

template <typename Field>
void CopyRange(const Field& from, int begin, int end, Field* to) {
  if (from.empty()) return;
  to->Add(from.begin() + begin, from.begin() + end);
}

v1::SampleBlock Slice(const v1::SampleBlock& all, int begin, int end) {
  v1::SampleBlock part;
  part.set_first_step(all.first_step() + static_cast<uint32_t>(begin));
  part.set_warmup_steps(all.warmup_steps());
  CopyRange(all.start_ns(), begin, end, part.mutable_start_ns());
  CopyRange(all.forward_ns(), begin, end, part.mutable_forward_ns());
  CopyRange(all.loss_ns(), begin, end, part.mutable_loss_ns());
  CopyRange(all.backward_ns(), begin, end, part.mutable_backward_ns());
  CopyRange(all.optimizer_ns(), begin, end, part.mutable_optimizer_ns());
  CopyRange(all.step_ns(), begin, end, part.mutable_step_ns());
  CopyRange(all.device_forward_ns(), begin, end, part.mutable_device_forward_ns());
  CopyRange(all.device_loss_ns(), begin, end, part.mutable_device_loss_ns());
  CopyRange(all.device_backward_ns(), begin, end, part.mutable_device_backward_ns());
  CopyRange(all.device_optimizer_ns(), begin, end, part.mutable_device_optimizer_ns());
  CopyRange(all.device_step_ns(), begin, end, part.mutable_device_step_ns());
  CopyRange(all.foreign_cpu_ns(), begin, end, part.mutable_foreign_cpu_ns());
  CopyRange(all.run_delay_ns(), begin, end, part.mutable_run_delay_ns());
  return part;
}

}  // namespace

absl::Status GetRun::Stream(const storage::Caller& /*caller*/, const v1::GetRunRequest& request,
                            const Sink<v1::GetRunResponse>& sink) const {
  auto detail = runs_->Get(request.run_id());
  if (!detail.ok()) return detail.status();
  const auto samples = runs_->Samples(request.run_id());
  if (!samples.ok()) return samples.status();
  v1::GetRunResponse head;
  *head.mutable_detail() = *std::move(detail);
  if (!sink(std::move(head))) return ReaderGone();
  const int steps = samples->step_ns_size();
  for (int begin = 0; begin < steps; begin += kStepsInAMessage) {
    v1::GetRunResponse part;
    *part.mutable_samples() = Slice(*samples, begin, std::min(steps, begin + kStepsInAMessage));
    if (!sink(std::move(part))) return ReaderGone();
  }
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
