#include "server/rpc/waiting.h"

#include "server/run/wait_reasons.h"

namespace torchlap::rpc {

absl::Status ExplainWaiting(const storage::JobStore& jobs, const run::DeviceFleet& fleet,
                            std::vector<v1::Job>* shown) {
  bool any_queued = false;
  for (const v1::Job& job : *shown) any_queued |= job.state() == v1::JOB_STATE_QUEUED;
  if (!any_queued) return absl::OkStatus();
  const auto queue = jobs.Queue(kQueueLimit);
  if (!queue.ok()) return queue.status();
  auto reasons = run::WaitReasons(*queue, fleet.Describe());
  for (v1::Job& job : *shown) {
    if (job.state() != v1::JOB_STATE_QUEUED) continue;
    if (auto found = reasons.find(job.job_id()); found != reasons.end()) {
      *job.mutable_wait() = found->second;
    }
  }
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
