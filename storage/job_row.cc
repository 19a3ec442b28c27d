#include "storage/job_row.h"

#include "storage/missing_row.h"
#include "storage/sqlite_status.h"

namespace torchlap::storage {

std::string SelectJobs(const std::string& condition, const std::string& index) {
  return "SELECT job.id, job.sweep_id, sweep.name, principal.principal, principal.name, job.state, "
         "job.spec, workload.parameters, sweep.submitted_at_ns, job.started_at_ns, "
         "job.finished_at_ns, device.name, job.interruptions, min(job.launches_done, "
         "job.launches), "
         "CASE WHEN job.state > 3 THEN job.reason END, latest.started_at_ns, latest.launch, "
         "CASE WHEN job.state = 2 THEN (SELECT count(*) FROM run INDEXED BY run_by_job "
         "WHERE run.job_id = job.id AND run.launch = latest.launch) END, "
         "sweep.id IS NOT NULL AND principal.id IS NOT NULL AND workload.id IS NOT NULL "
         "FROM job " +
         (index.empty() ? "NOT INDEXED" : "INDEXED BY " + index) +
         " LEFT JOIN sweep ON sweep.id = job.sweep_id "
         "LEFT JOIN principal ON principal.id = job.owner_id "
         "LEFT JOIN workload ON workload.id = job.workload_id "
         "LEFT JOIN device ON device.id = job.device_id "
         // While it is RUNNING.
         "LEFT JOIN run AS latest ON job.state = 2 AND latest.job_id = job.id "
         "AND latest.number = job.run_count WHERE " +
         condition;
}

bool HasAllRows(const Query& row) { return row.Int(18) != 0; }

v1::Job ReadJob(const Query& row) {
  v1::Job job;
  job.set_job_id(row.Uint(0));
  job.set_sweep_id(row.Uint(1));
  job.set_sweep_name(row.Text(2));
  job.set_owner(row.Text(3));
  job.set_user(row.Text(4));
  job.set_state(static_cast<v1::JobState>(row.Int(5)));
  if (!job.mutable_spec()->ParseFromString(row.Text(6))) {
    throw Damage("job.spec is not a JobSpec");
  }
  job.set_parameters(row.Uint(7));
  job.set_submitted_at_ns(row.Int(8));
  job.set_started_at_ns(row.Int(9));
  job.set_finished_at_ns(row.Int(10));
  job.set_device(row.Text(11));
  job.set_interruptions(static_cast<uint32_t>(row.Int(12)));
  job.set_launches_done(static_cast<uint32_t>(row.Int(13)));
  job.set_reason(row.Text(14));
  job.set_run_started_at_ns(row.Int(15));
  job.set_launch(static_cast<uint32_t>(row.Int(16)));
  job.set_tries(static_cast<uint32_t>(row.Int(17)));
  return job;
}

absl::StatusOr<v1::Job> LoadJob(SQLite::Database& database, uint64_t job_id) {
  static const std::string sql = SelectJobs("job.id = ?");
  Query query(database, sql, job_id);
  if (!query.Step() || !HasAllRows(query)) return WhyNoJob(database, job_id);
  return ReadJob(query);
}

uint32_t CountJobs(SQLite::Database& database, v1::JobState state) {
  return static_cast<uint32_t>(
      SelectOne(database, "SELECT count(*) FROM job WHERE state = ? AND state < 3", state));
}

}  // namespace torchlap::storage
