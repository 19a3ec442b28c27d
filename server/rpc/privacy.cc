#include "server/rpc/privacy.h"

#include <utility>

namespace torchlap::rpc {
namespace {

// Named one by one, so that a new field is hidden until somebody decides about it.
v1::Job OutlineOf(v1::Job job) {
  v1::Job outline;
  outline.set_job_id(job.job_id());
  outline.set_owner(job.owner());
  outline.set_user(job.user());
  outline.set_state(job.state());
  outline.set_submitted_at_ns(job.submitted_at_ns());
  outline.set_started_at_ns(job.started_at_ns());
  outline.set_device(job.device());
  if (job.has_wait()) *outline.mutable_wait() = std::move(*job.mutable_wait());
  return outline;
}

}  // namespace

bool MaySee(const storage::Caller& caller, const v1::Job& job) {
  return caller.sees_all || job.owner() == caller.principal;
}

void LeaveOutlines(const storage::Caller& caller, std::vector<v1::Job>* jobs) {
  for (v1::Job& job : *jobs) {
    if (!MaySee(caller, job)) job = OutlineOf(std::move(job));
  }
}

}  // namespace torchlap::rpc
