// JobStore::FinishRun and RecoverInterrupted: the end of a run, and what follows for its launch and
// job.
#include <absl/strings/str_cat.h>

#include <optional>
#include <vector>

#include "storage/device_use.h"
#include "storage/job_event.h"
#include "storage/job_store.h"
#include "storage/launch.h"
#include "storage/missing_row.h"
#include "storage/rollup.h"
#include "storage/run_row.h"
#include "storage/sqlite_connection.h"
#include "storage/stored_once.h"

namespace torchlap::storage {
namespace {

// A run without outcome.
struct OpenRun {
  int64_t id = 0;
  uint64_t job_id = 0;
  uint32_t number = 0;
  uint32_t launch = 0;
  int64_t owner_id = 0;
  uint32_t batch_size = 0;
  uint32_t context_length = 0;
};

// A job as it was before the run ended.
struct JobHead {
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  bool cancel_requested = false;
  uint32_t launches = 0;  // with the trace
  uint32_t launches_done = 0;
  uint32_t interruptions = 0;
  std::string reason;

  bool finished() const { return state > v1::JOB_STATE_RUNNING; }
};

OpenRun ReadOpenRun(const Query& row) {
  return {.id = row.Int(0),
          .job_id = row.Uint(1),
          .number = static_cast<uint32_t>(row.Int(2)),
          .launch = static_cast<uint32_t>(row.Int(3)),
          .owner_id = row.Int(4),
          .batch_size = static_cast<uint32_t>(row.Int(5)),
          .context_length = static_cast<uint32_t>(row.Int(6))};
}

absl::StatusOr<OpenRun> FindOpenRun(SQLite::Database& database, const v1::Run& run) {
  Query query(database,
              "SELECT id, job_id, number, launch, owner_id, batch_size, context_length, outcome "
              "FROM run WHERE job_id = ? AND number = ?",
              run.job_id(), run.number());
  if (!query.Step()) {
    return absl::NotFoundError(absl::StrCat("there is no run ", run.job_id(), ".", run.number()));
  }
  if (!query.IsNull(7)) {
    return absl::AbortedError(
        absl::StrCat("run ", run.job_id(), ".", run.number(), " is finished already"));
  }
  return ReadOpenRun(query);
}

std::vector<OpenRun> OpenRuns(SQLite::Database& database) {
  std::vector<OpenRun> runs;
  Query query(database,
              "SELECT id, job_id, number, launch, owner_id, batch_size, context_length "
              "FROM run WHERE outcome IS NULL ORDER BY id");
  while (query.Step()) runs.push_back(ReadOpenRun(query));
  return runs;
}

absl::StatusOr<JobHead> ReadJobHead(SQLite::Database& database, const OpenRun& run) {
  Query query(
      database,
      "SELECT state, cancel_requested, launches + traces, launches_done, interruptions, reason "
      "FROM job WHERE id = ?",
      run.job_id);
  if (!query.Step()) {
    return MissingRow("job", absl::StrCat(run.job_id),
                      absl::StrCat("run ", run.job_id, ".", run.number));
  }
  return JobHead{.state = static_cast<v1::JobState>(query.Int(0)),
                 .cancel_requested = query.Int(1) != 0,
                 .launches = static_cast<uint32_t>(query.Int(2)),
                 .launches_done = static_cast<uint32_t>(query.Int(3)),
                 .interruptions = static_cast<uint32_t>(query.Int(4)),
                 .reason = query.Text(5)};
}

void UpdateRun(SQLite::Database& database, const OpenRun& open, const FinishedRun& finished) {
  // What Start has fixed is not for the worker's result to change.
  const RunColumnSet columns(database, "run", {"job_id", "launch", "purpose", "timing", "cause"});
  Query update(database, absl::StrCat("UPDATE run SET ", columns.Assignments(),
                                      ", workload_id = ?, series = ?, environment = ? "
                                      "WHERE id = ? AND outcome IS NULL"));
  columns.Bind(finished.run, update);
  std::optional<int64_t> workload;
  if (!finished.run.workload_hash().empty()) {
    workload = StoreWorkload(database, finished.run, finished.workload_canonical);
  }
  update.Bind(workload);
  update.Bind(StoreSeries(database, finished.run.series_key()));
  update.Bind(StoreEnvironment(database, finished.run.environment_hash(), finished.environment));
  update.Bind(open.id);
  update.Run();
}

void InsertSamples(SQLite::Database& database, int64_t run, const v1::SampleBlock& samples) {
  if (samples.step_ns_size() == 0) return;
  Execute(database, "INSERT INTO sample (run_id, format, steps) VALUES (?, 1, ?)", run,
          Blob{samples.SerializeAsString()});
}

void InsertReadings(SQLite::Database& database, int64_t run, const v1::Readings& readings) {
  std::optional<double> load;
  std::optional<double> temperature;
  if (readings.has_load_average()) load = readings.load_average();
  if (readings.has_temperature_celsius()) temperature = readings.temperature_celsius();
  const std::string message = readings.SerializeAsString();
  if (message.empty()) return;
  Execute(database,
          "INSERT INTO reading (run_id, load_average, temperature_celsius, message) "
          "VALUES (?, ?, ?, ?)",
          run, load, temperature, Blob{message});
}

void InsertFindings(SQLite::Database& database, int64_t run, const v1::Run& finished) {
  if (finished.has_assessment()) {
    Execute(database, "INSERT INTO assessment (run_id, message) VALUES (?, ?)", run,
            Blob{finished.assessment().SerializeAsString()});
  }
  if (finished.has_calibration()) {
    Execute(database,
            "INSERT INTO calibration (run_id, device_id, message) "
            "SELECT id, device_id, ? FROM run WHERE id = ?",
            Blob{finished.calibration().SerializeAsString()}, run);
  }
}

void StoreResult(SQLite::Database& database, const OpenRun& open, const FinishedRun& finished,
                 int64_t now_ns) {
  UpdateRun(database, open, finished);
  InsertSamples(database, open.id, finished.samples);
  InsertReadings(database, open.id, finished.readings);
  InsertFindings(database, open.id, finished.run);
  AddRunToRollup(database, open.id);
  if (finished.run.duration_ns() > 0) {
    AddDeviceUse(database, open.owner_id, finished.run.duration_ns(), now_ns);
  }
}

// What really happens next: the wish to cancel and the limit on interruptions come before another
// try.
AfterRun Decide(const JobHead& job, AfterRun after, const OpenRun& run,
                uint32_t max_interruptions) {
  using Next = AfterRun::Next;
  const bool tries_again = after.next == Next::kTryAgain || after.next == Next::kInterrupted;
  if (tries_again && job.cancel_requested) {
    return {.next = Next::kJobCancelled, .reason = job.reason};
  }
  if (after.next != Next::kInterrupted) return after;
  const uint32_t interruptions = job.interruptions + 1;
  if (max_interruptions > 0 && interruptions >= max_interruptions) {
    return {.next = Next::kJobFailed,
            .reason = absl::StrCat("interrupted ", interruptions, " times, max_interruptions is ",
                                   max_interruptions)};
  }
  after.batch_size = run.batch_size;
  after.context_length = run.context_length;
  return after;
}

void QueueAgain(SQLite::Database& database, const OpenRun& run, const AfterRun& after,
                v1::Cause cause) {
  Execute(database,
          "UPDATE launch SET state = 1, batch_size = ?, context_length = ?, cause = ? "
          "WHERE job_id = ? AND launch = ? AND state = 2",
          after.batch_size, after.context_length, cause, run.job_id, run.launch);
}

void EndLaunch(SQLite::Database& database, const OpenRun& run) {
  Execute(database, "DELETE FROM launch WHERE job_id = ? AND launch = ?", run.job_id, run.launch);
}

void MoveLaunch(SQLite::Database& database, const OpenRun& run, const JobHead& job,
                const AfterRun& after, v1::Cause cause) {
  switch (after.next) {
    case AfterRun::Next::kTryAgain:
    case AfterRun::Next::kInterrupted:
      // Another launch may have failed the job in the meantime.
      return job.finished() ? EndLaunch(database, run) : QueueAgain(database, run, after, cause);
    case AfterRun::Next::kLaunchDone:
      EndLaunch(database, run);
      // All launches of a cell use the size that its first one reached.
      if (job.launches_done == 0) {
        ResizeQueuedLaunches(database, run.job_id, run.batch_size, run.context_length);
      }
      return;
    case AfterRun::Next::kJobFailed:
    case AfterRun::Next::kJobCancelled:
      EndLaunch(database, run);
      return DropQueuedLaunches(database, run.job_id);
    case AfterRun::Next::kSetAside:
      SetAsideLaunch(database, run.job_id, run.launch);
      SetAsideQueuedLaunches(database, run.job_id);
      return;
  }
}

// Of a job that is not finished, from the launches that are left: RUNNING if any runs, else QUEUED
// if any waits.
v1::JobState StateOfLaunches(SQLite::Database& database, uint64_t job_id) {
  const std::optional<int64_t> state =
      SelectInt(database, "SELECT max(state) FROM launch WHERE job_id = ? AND +state < ?", job_id,
                kLaunchSetAside);
  if (state) return static_cast<v1::JobState>(*state);
  // None are left though some were not done: they were set aside, or the wish to cancel has dropped
  // them.
  const bool set_aside =
      SelectInt(database, "SELECT 1 FROM launch WHERE job_id = ? LIMIT 1", job_id).has_value();
  return set_aside ? v1::JOB_STATE_FAILED : v1::JOB_STATE_CANCELLED;
}

v1::JobState StateAfter(SQLite::Database& database, const OpenRun& run, const JobHead& job,
                        const AfterRun& after) {
  if (job.finished()) return job.state;
  switch (after.next) {
    case AfterRun::Next::kJobFailed:
    case AfterRun::Next::kSetAside:
      return v1::JOB_STATE_FAILED;
    case AfterRun::Next::kJobCancelled:
      return v1::JOB_STATE_CANCELLED;
    case AfterRun::Next::kLaunchDone:
      if (job.launches_done + 1 >= job.launches) return v1::JOB_STATE_SUCCEEDED;
      break;
    case AfterRun::Next::kTryAgain:
    case AfterRun::Next::kInterrupted:
      break;
  }
  return StateOfLaunches(database, run.job_id);
}

absl::Status MoveJob(SQLite::Database& database, const OpenRun& run, const JobHead& job,
                     const AfterRun& after, bool interrupted, v1::JobState state, int64_t now_ns) {
  const bool ends = state > v1::JOB_STATE_RUNNING && !job.finished();
  const bool done = after.next == AfterRun::Next::kLaunchDone;
  const int changed = Execute(
      database,
      "UPDATE job SET state = ?, launches_done = launches_done + ?, interruptions = interruptions "
      "+ ?, finished_at_ns = iif(?, ?, finished_at_ns), reason = iif(?, ?, reason) "
      "WHERE id = ? AND state = ?",
      state, done, interrupted, ends, now_ns, ends && !after.reason.empty(), after.reason,
      run.job_id, job.state);
  if (changed == 1) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("job ", run.job_id, " was changed by somebody else"));
}

// Moves launch and job on after a run of them ended.
absl::StatusOr<v1::JobState> Settle(SQLite::Database& database, const OpenRun& run,
                                    v1::Outcome outcome, const AfterRun& asked,
                                    uint32_t max_interruptions, int64_t now_ns) {
  const absl::StatusOr<JobHead> job = ReadJobHead(database, run);
  if (!job.ok()) return job.status();
  const AfterRun after = Decide(*job, asked, run, max_interruptions);
  const bool interrupted = asked.next == AfterRun::Next::kInterrupted;
  const v1::Cause cause = outcome == v1::OUTCOME_INTERRUPTED ? v1::CAUSE_INTERRUPTION : asked.cause;
  MoveLaunch(database, run, *job, after, cause);
  const v1::JobState state = StateAfter(database, run, *job, after);
  absl::Status status = MoveJob(database, run, *job, after, interrupted, state, now_ns);
  if (!status.ok()) return status;
  RecordEvent(database,
              {.job_id = run.job_id, .state = state, .at_ns = now_ns, .run_number = run.number});
  return state;
}

// Nobody is left who knows more than that it did not end. Its workload is known if it is the one
// asked for.
void MarkInterrupted(SQLite::Database& database, const OpenRun& run) {
  Execute(database,
          "UPDATE run SET outcome = ?, workload_id = (SELECT id FROM workload WHERE id = "
          "run.asked_workload_id AND batch_size = run.batch_size AND context_length = "
          "run.context_length) WHERE id = ? AND outcome IS NULL",
          v1::OUTCOME_INTERRUPTED, run.id);
  AddRunToRollup(database, run.id);
}

}  // namespace

absl::StatusOr<v1::JobState> JobStore::FinishRun(const FinishedRun& finished, const AfterRun& after,
                                                 int64_t now_ns) {
  if (finished.run.outcome() == v1::OUTCOME_UNSPECIFIED) {
    return absl::InvalidArgumentError("outcome is unset, must be one of a finished run");
  }
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  absl::Status status = database_->Write([&](SQLite::Database& database) -> absl::Status {
    const absl::StatusOr<OpenRun> open = FindOpenRun(database, finished.run);
    if (!open.ok()) return open.status();
    StoreResult(database, *open, finished, now_ns);
    const absl::StatusOr<v1::JobState> settled =
        Settle(database, *open, finished.run.outcome(), after, max_interruptions_, now_ns);
    if (settled.ok()) state = *settled;
    return settled.status();
  });
  if (!status.ok()) return status;
  return state;
}

absl::StatusOr<uint32_t> JobStore::RecoverInterrupted(int64_t now_ns) {
  uint32_t recovered = 0;
  AfterRun again;
  again.next = AfterRun::Next::kInterrupted;
  absl::Status status = database_->Write([&](SQLite::Database& database) -> absl::Status {
    for (const OpenRun& run : OpenRuns(database)) {
      MarkInterrupted(database, run);
      const absl::StatusOr<v1::JobState> settled =
          Settle(database, run, v1::OUTCOME_INTERRUPTED, again, max_interruptions_, now_ns);
      if (!settled.ok()) return settled.status();
      ++recovered;
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return recovered;
}

}  // namespace torchlap::storage
