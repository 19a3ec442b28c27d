#include "proto/run_subject.h"

namespace torchlap {

v1::Run SubjectOf(const v1::Run& run) {
  v1::Run subject;
  subject.set_run_id(run.run_id());
  subject.set_job_id(run.job_id());
  subject.set_number(run.number());
  subject.set_sweep_id(run.sweep_id());
  subject.set_sweep_name(run.sweep_name());
  subject.set_user(run.user());
  subject.set_device(run.device());
  subject.set_device_uuid(run.device_uuid());
  subject.set_device_model(run.device_model());
  *subject.mutable_workload() = run.workload();
  subject.set_parameters(run.parameters());
  subject.set_requested_batch_size(run.requested_batch_size());
  subject.set_requested_context_length(run.requested_context_length());
  *subject.mutable_plan() = run.plan();
  subject.set_launch(run.launch());
  subject.set_purpose(run.purpose());
  subject.set_outcome(run.outcome());
  subject.set_started_at_ns(run.started_at_ns());
  subject.set_series_key(run.series_key());
  subject.set_environment_hash(run.environment_hash());
  return subject;
}

}  // namespace torchlap
