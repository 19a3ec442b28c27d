#include "server/rpc/daemon_status.h"

#include <unistd.h>

#include "proto/base/visible_text.h"
#include "server/rpc/doctor.h"
#include "storage/visibility.h"

namespace torchlap::rpc {

void GetDaemonStatus::ListensAt(const std::filesystem::path& socket) {
  MutexLock lock(&mutex_);
  socket_ = socket;
}

absl::Status GetDaemonStatus::Answer(const storage::Caller& caller,
                                     const v1::GetDaemonStatusRequest& /*request*/,
                                     v1::GetDaemonStatusResponse* response) const {
  const auto counts = jobs_->Count(storage::OnlyOwner(caller));
  if (!counts.ok()) return counts.status();
  response->set_version(TORCHLAP_VERSION);
  response->set_pid(::getpid());
  response->set_started_at_ns(facts_.started_at_ns);
  response->set_database_path(Visible(database_->file().string()));
  {
    MutexLock lock(&mutex_);
    response->set_socket_path(Visible(socket_.string()));
  }
  response->set_schema_version(database_->schema_version());
  response->set_database_bytes(database_->size_bytes());
  response->set_queued_jobs(counts->queued_jobs);
  response->set_running_jobs(counts->running_jobs);
  response->set_finished_runs(counts->finished_runs);
  response->set_worker_problem(Visible(WorkerProblem(facts_.worker_program, facts_.torch_problem)));
  response->set_storage_problem(storage_->Problem());
  response->set_user(facts_.user);
  response->set_caller(caller.name);
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
