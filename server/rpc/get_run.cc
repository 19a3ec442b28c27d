#include "server/rpc/get_run.h"

#include <algorithm>
#include <utility>

#include "proto/samples.h"

namespace torchlap::rpc {
namespace {

constexpr int kStepsInAMessage = 10000;

}  // namespace

absl::Status GetRun::Stream(const storage::Caller& caller, const v1::GetRunRequest& request,
                            const Sink<v1::GetRunResponse>& sink) const {
  absl::Status may_see = runs_->CheckMaySee(request.run_id(), caller);
  if (!may_see.ok()) return may_see;
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
