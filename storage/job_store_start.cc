// JobStore::Start: QUEUED -> RUNNING.
#include <absl/strings/str_cat.h>

#include <optional>
#include <string>

#include "storage/job_event.h"
#include "storage/job_row.h"
#include "storage/job_store.h"
#include "storage/launch.h"
#include "storage/missing_row.h"
#include "storage/own_fault.h"
#include "storage/row_damage.h"
#include "storage/run_row.h"
#include "storage/sqlite_connection.h"
#include "storage/stored_once.h"

namespace torchlap::storage {
namespace {

struct TakenLaunch {
  uint64_t position = 0;
  uint64_t sweep_id = 0;
  std::string device_key;
  int64_t batch_size = 0;
  int64_t context_length = 0;
  int64_t cause = 0;
};

std::optional<TakenLaunch> TakeLaunch(SQLite::Database& database, uint64_t job_id,
                                      uint32_t launch) {
  Query query(database,
              "UPDATE launch SET state = 2 WHERE job_id = ? AND launch = ? AND state = 1 "
              "RETURNING position, sweep_id, device_key, batch_size, context_length, cause",
              job_id, launch);
  if (!query.Step()) return std::nullopt;
  return TakenLaunch{query.Uint(0), query.Uint(1), query.Text(2),
                     query.Int(3),  query.Int(4),  query.Int(5)};
}

// The number of the new run; nothing if the job is to be cancelled.
std::optional<int64_t> MoveJob(SQLite::Database& database, uint64_t job_id, int64_t device,
                               int64_t now_ns) {
  return SelectInt(database,
                   "UPDATE job SET state = 2, device_id = ?, run_count = run_count + 1, "
                   "started_at_ns = ifnull(started_at_ns, ?) "
                   "WHERE id = ? AND state IN (1, 2) AND cancel_requested = 0 RETURNING run_count",
                   device, now_ns, job_id);
}

// A sweep stays on one device: what could run here and elsewhere must now run here. What it was
// asked for is kept, for the day when the device is gone (Rehome).
void Pin(SQLite::Database& database, const TakenLaunch& taken, const std::string& uuid) {
  const std::string key = "uuid:" + uuid;
  Execute(database,
          "UPDATE launch SET home_key = device_key, device_key = ? "
          "WHERE position = ? AND device_key <> ?",
          key, taken.position, key);
  Execute(database,
          "UPDATE launch SET home_key = device_key, device_key = ? "
          "WHERE sweep_id = ? AND device_key IN (?, 'any') "
          "AND state = 1 AND substr(device_key, 1, 5) <> 'uuid:'",
          key, taken.sweep_id, taken.device_key);
}

void InsertRun(SQLite::Database& database, uint64_t job_id, uint32_t launch, int64_t number,
               const TakenLaunch& taken, std::optional<int64_t> boot, int64_t now_ns) {
  Execute(database,
          "INSERT INTO run (job_id, number, launch, owner_id, device_id, asked_workload_id, boot, "
          "timing, purpose, cause, started_at_ns, batch_size, context_length) "
          "SELECT id, ?, ?, owner_id, device_id, workload_id, ?, timing, "
          "iif(? < launches, purpose, ?), ?, ?, nullif(?, 0), nullif(?, 0) FROM job WHERE id = ?",
          number, launch, boot, launch, v1::PURPOSE_TRACE, taken.cause, now_ns, taken.batch_size,
          taken.context_length, job_id);
}

// What it goes on with: kOwnFaultSql and the order.
constexpr char kOutOfMemoryInSweep[] =
    "SELECT run.id FROM job AS mine JOIN workload AS wanted ON wanted.id = mine.workload_id "
    "JOIN job ON job.sweep_id = mine.sweep_id AND job.id <> mine.id "
    "JOIN run ON run.job_id = job.id JOIN device ON device.id = run.device_id "
    "JOIN workload AS asked ON asked.id = run.asked_workload_id "
    "WHERE mine.id = ? AND device.uuid = ? AND run.batch_size <= ? AND run.context_length <= ? "
    "AND run.outcome = ? AND run.invalid_reason IS NULL AND asked.kind = wanted.kind "
    "AND asked.vocab_size IS wanted.vocab_size AND asked.d_model IS wanted.d_model "
    "AND asked.d_ff IS wanted.d_ff AND asked.layers IS wanted.layers "
    "AND asked.heads IS wanted.heads AND asked.pass_type IS wanted.pass_type "
    "AND asked.precision IS wanted.precision AND asked.attention IS wanted.attention "
    "AND asked.optimizer IS wanted.optimizer AND ";

absl::Status NotQueued(uint64_t job_id, uint32_t launch) {
  return absl::AbortedError(absl::StrCat("launch ", launch, " of job ", job_id,
                                         " is not queued: taken by somebody else or cancelled"));
}

// Why the launches of a job that is there can never start.
absl::Status CheckCanStart(const v1::Job& job) {
  if (job.state() == v1::JOB_STATE_QUEUED || job.state() == v1::JOB_STATE_RUNNING) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat("its job ", job.job_id(), " is finished"));
}

// The job of a launch, with all that it refers to.
absl::StatusOr<v1::Job> JobOfLaunch(SQLite::Database& database, uint64_t job_id, uint32_t launch) {
  absl::StatusOr<v1::Job> job = LoadJob(database, job_id);
  if (!job.ok()) {
    return MustBeThere(job.status(), "job", absl::StrCat(job_id), absl::StrCat("launch ", launch));
  }
  if (absl::Status can = CheckCanStart(*job); !can.ok()) return can;
  if (absl::Status runs = CheckRunsOfJob(database, job_id); !runs.ok()) return runs;
  return job;
}

// What is left to do for a job that is there: nobody would end it.
void FailJob(SQLite::Database& database, uint64_t job_id, const std::string& reason,
             int64_t now_ns) {
  const int changed = Execute(database,
                              "UPDATE job SET state = 4, finished_at_ns = ?, reason = ? "
                              "WHERE id = ? AND state IN (1, 2) AND NOT EXISTS ("
                              "SELECT 1 FROM launch WHERE job_id = job.id AND +state < 3)",
                              now_ns, reason, job_id);
  if (changed == 0) return;
  RecordEvent(database, {.job_id = job_id, .state = v1::JOB_STATE_FAILED, .at_ns = now_ns});
}

}  // namespace

absl::StatusOr<StartedRun> JobStore::Start(uint64_t job_id, uint32_t launch,
                                           const DeviceIdentity& device, int64_t now_ns) {
  absl::StatusOr<StartedRun> started = TryStart(job_id, launch, device, now_ns);
  // Damage of the file is no fault of the launch: it waits until that is mended.
  const bool never = absl::IsFailedPrecondition(started.status()) || IsRowDamaged(started.status());
  if (!never) return started;
  return SetAside(job_id, launch, std::string(started.status().message()), now_ns);
}

absl::Status JobStore::SetAside(uint64_t job_id, uint32_t launch, const std::string& why,
                                int64_t now_ns) {
  const std::string reason = absl::StrCat("launch ", launch, " of job ", job_id,
                                          " can never start and was set aside: ", why);
  const absl::Status status = database_->Write([&](SQLite::Database& database) {
    SetAsideQueuedLaunches(database, job_id);
    FailJob(database, job_id, reason, now_ns);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return absl::FailedPreconditionError(reason);
}

absl::StatusOr<StartedRun> JobStore::TryStart(uint64_t job_id, uint32_t launch,
                                              const DeviceIdentity& device, int64_t now_ns) {
  StartedRun started;
  absl::Status status = database_->Write([&](SQLite::Database& database) -> absl::Status {
    const std::optional<TakenLaunch> taken = TakeLaunch(database, job_id, launch);
    if (!taken) return NotQueued(job_id, launch);
    if (const auto job = JobOfLaunch(database, job_id, launch); !job.ok()) return job.status();
    const std::optional<int64_t> number =
        MoveJob(database, job_id, StoreDevice(database, device), now_ns);
    // Cancelling drops the launches that wait: none is left to be taken.
    if (!number) {
      return absl::FailedPreconditionError(absl::StrCat("its job ", job_id, " is being cancelled"));
    }
    InsertRun(database, job_id, launch, *number, *taken, StoreBoot(database, boot_id_), now_ns);
    const int64_t run = database.getLastInsertRowid();
    Pin(database, *taken, device.uuid);
    RecordEvent(database, {.job_id = job_id,
                           .state = v1::JOB_STATE_RUNNING,
                           .at_ns = now_ns,
                           .run_number = static_cast<uint32_t>(*number),
                           .run_began = true});
    absl::StatusOr<v1::Job> job = LoadJob(database, job_id);
    if (!job.ok()) return job.status();
    absl::StatusOr<v1::Run> loaded = LoadRun(database, run);
    if (!loaded.ok()) return loaded.status();
    started.job = *std::move(job);
    started.run = *std::move(loaded);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return started;
}

absl::StatusOr<std::optional<v1::Run>> JobStore::OutOfMemoryInSweep(uint64_t job_id,
                                                                    const std::string& device_uuid,
                                                                    uint32_t batch_size,
                                                                    uint32_t context_length) const {
  std::optional<v1::Run> found;
  absl::Status status = database_->Read([&](SQLite::Database& database) -> absl::Status {
    const std::string sql =
        absl::StrCat(kOutOfMemoryInSweep, kOwnFaultSql, " ORDER BY run.id LIMIT 1");
    const std::optional<int64_t> run = SelectInt(database, sql, job_id, device_uuid, batch_size,
                                                 context_length, v1::OUTCOME_OUT_OF_MEMORY);
    if (!run) return absl::OkStatus();
    absl::StatusOr<v1::Run> loaded = LoadRun(database, *run);
    if (!loaded.ok()) return loaded.status();
    found = *std::move(loaded);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return found;
}

}  // namespace torchlap::storage
