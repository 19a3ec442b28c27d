// JobStore::Submit: rows for a sweep, its jobs and their launches.
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "proto/suite_limits.h"
#include "storage/finding_store.h"
#include "storage/job_event.h"
#include "storage/job_row.h"
#include "storage/job_store.h"
#include "storage/sqlite_connection.h"
#include "storage/stored_once.h"

namespace torchlap::storage {
namespace {

struct Request {
  const std::string& id;
  const std::string& digest;
  const std::string& sweep_name;
};

std::optional<std::string> OrNull(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

uint32_t Launches(const NewJob& job) { return std::max<uint32_t>(1, job.spec.plan().launches()); }

std::optional<double> OrNull(bool has, double value) {
  if (!has) return std::nullopt;
  return value;
}

uint64_t InsertSweep(SQLite::Database& database, int64_t owner, const Request& request,
                     int64_t now_ns) {
  Execute(database,
          "INSERT INTO sweep (owner_id, name, request_id, request_digest, submitted_at_ns) "
          "VALUES (?, ?, ?, ?, ?)",
          owner, OrNull(request.sweep_name), OrNull(request.id), request.digest, now_ns);
  return static_cast<uint64_t>(database.getLastInsertRowid());
}

int64_t StoreAskedWorkload(SQLite::Database& database, const NewJob& job) {
  v1::Run asked;
  *asked.mutable_workload() = job.spec.workload();
  asked.set_parameters(job.parameters);
  asked.set_workload_hash(job.workload_hash);
  return StoreWorkload(database, asked, job.workload_canonical);
}

uint64_t InsertJob(SQLite::Database& database, uint64_t sweep, int64_t owner, const NewJob& job) {
  const v1::Plan& plan = job.spec.plan();
  Execute(database,
          "INSERT INTO job (sweep_id, owner_id, workload_id, spec, timing, purpose, warmup_steps, "
          "measure_steps, launches, traces, time_limit_ns, seed, execution, memory_fraction, "
          "target_precision, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
          sweep, owner, StoreAskedWorkload(database, job), Blob{job.spec.SerializeAsString()},
          plan.timing(), job.spec.purpose(), plan.warmup_steps(), plan.measure_steps(),
          Launches(job), plan.trace(), plan.time_limit_ns(), plan.seed(), plan.execution(),
          OrNull(plan.has_memory_fraction(), plan.memory_fraction()),
          OrNull(plan.has_target_precision(), plan.target_precision()), v1::JOB_STATE_QUEUED);
  return static_cast<uint64_t>(database.getLastInsertRowid());
}

void InsertLabels(SQLite::Database& database, uint64_t job_id, const NewJob& job) {
  for (const auto& [key, value] : job.spec.labels()) {
    Execute(database, "INSERT INTO label (job_id, k, v) VALUES (?, ?, ?)", job_id, key, value);
  }
}

void QueueLaunch(SQLite::Database& database, const Submitted& submitted, int64_t owner,
                 uint64_t job_id, const NewJob& job, uint32_t launch) {
  const v1::TransformerLm& model = job.spec.workload().transformer_lm();
  Execute(database,
          "INSERT INTO launch (job_id, launch, sweep_id, owner_id, priority, device_key, state, "
          "batch_size, context_length, cause) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?)",
          job_id, launch, submitted.sweep_id, owner, job.spec.priority(), job.device_key,
          model.batch_size(), model.context_length(), v1::CAUSE_FIRST);
}

// Traces come after everything that is measured; their launch is the one after the job's last.
void QueueTraces(SQLite::Database& database, const Submitted& submitted, int64_t owner,
                 const std::vector<NewJob>& jobs) {
  for (size_t cell = 0; cell < jobs.size(); ++cell) {
    if (!jobs[cell].spec.plan().trace()) continue;
    QueueLaunch(database, submitted, owner, submitted.job_ids[cell], jobs[cell],
                Launches(jobs[cell]));
  }
}

// Launch by launch, so that slow drift of the machine does not become a difference between cells.
void QueueLaunches(SQLite::Database& database, const Submitted& submitted, int64_t owner,
                   const std::vector<NewJob>& jobs, const QueueOrder& order) {
  uint32_t most = 0;
  for (const NewJob& job : jobs) most = std::max(most, Launches(job));
  std::vector<size_t> cells(jobs.size());
  std::iota(cells.begin(), cells.end(), size_t{0});
  std::mt19937_64 random(order.shuffle_seed);
  for (uint32_t launch = 0; launch < most; ++launch) {
    if (most > 1 || order.shuffle_cells) std::shuffle(cells.begin(), cells.end(), random);
    for (const size_t cell : cells) {
      if (launch >= Launches(jobs[cell])) continue;
      QueueLaunch(database, submitted, owner, submitted.job_ids[cell], jobs[cell], launch);
    }
  }
}

// Once it has ended. A suite's jobs all have its label.
void RememberToJudge(SQLite::Database& database, uint64_t sweep_id,
                     const std::vector<NewJob>& jobs) {
  for (const NewJob& job : jobs) {
    const auto suite = job.spec.labels().find(kSuiteLabel);
    if (suite == job.spec.labels().end()) continue;
    Execute(database, "INSERT INTO sweep_to_judge (sweep_id, suite) VALUES (?, ?)", sweep_id,
            suite->second);
    return;
  }
}

Submitted Insert(SQLite::Database& database, int64_t owner, const Request& request,
                 const std::vector<NewJob>& jobs, const QueueOrder& order, int64_t now_ns) {
  Submitted submitted;
  submitted.sweep_id = InsertSweep(database, owner, request, now_ns);
  for (const NewJob& job : jobs) {
    const uint64_t id = InsertJob(database, submitted.sweep_id, owner, job);
    InsertLabels(database, id, job);
    RecordEvent(database, {.job_id = id, .state = v1::JOB_STATE_QUEUED, .at_ns = now_ns});
    submitted.job_ids.push_back(id);
  }
  QueueLaunches(database, submitted, owner, jobs, order);
  QueueTraces(database, submitted, owner, jobs);
  RememberToJudge(database, submitted.sweep_id, jobs);
  return submitted;
}

// The answer to an earlier request of this id; nothing if there was none.
absl::StatusOr<std::optional<Submitted>> FindEarlier(SQLite::Database& database, int64_t owner,
                                                     const Request& request) {
  if (request.id.empty()) return std::nullopt;
  Query sweep(database,
              "SELECT id, request_digest FROM sweep WHERE owner_id = ? AND request_id = ?", owner,
              request.id);
  if (!sweep.Step()) return std::nullopt;
  if (sweep.Text(1) != request.digest) {
    return absl::AlreadyExistsError(
        absl::StrCat("request_id ", request.id, " was used before, for sweep ", sweep.Int(0),
                     ", with other content; must be new for a new request"));
  }
  Submitted earlier;
  earlier.sweep_id = sweep.Uint(0);
  Query jobs(database, "SELECT id FROM job WHERE sweep_id = ? ORDER BY id", earlier.sweep_id);
  while (jobs.Step()) earlier.job_ids.push_back(jobs.Uint(0));
  return earlier;
}

// With the traces, which are launches of their own.
QueueAmount AmountOf(const std::vector<NewJob>& jobs) {
  QueueAmount amount{jobs.size(), 0};
  for (const NewJob& job : jobs) {
    amount.launches += uint64_t{Launches(job)} + (job.spec.plan().trace() ? 1 : 0);
  }
  return amount;
}

// By the few keys of devices: the index begins with them, and then has the owner.
uint64_t LaunchesOf(SQLite::Database& database, int64_t owner) {
  return static_cast<uint64_t>(
      SelectOne(database,
                "WITH RECURSIVE keys (k) AS ("
                "SELECT min(device_key) FROM launch INDEXED BY launch_heads WHERE state = 1 "
                "UNION ALL SELECT (SELECT min(device_key) FROM launch INDEXED BY launch_heads "
                "WHERE state = 1 AND device_key > k) FROM keys WHERE k IS NOT NULL) "
                "SELECT count(*) FROM keys JOIN launch INDEXED BY launch_heads "
                "ON launch.device_key = k AND launch.owner_id = ? WHERE launch.state = 1",
                owner));
}

// In the transaction that queues them: two submits at once do not both find room for one.
absl::Status CheckRoomOf(SQLite::Database& database, std::optional<int64_t> owner,
                         const Caller& caller, const QueueAmount& asked,
                         const QueueLimits& limits) {
  QueueUse queued;
  if (owner) queued.launches_of_user = LaunchesOf(database, *owner);
  if (limits.jobs > 0) queued.everyone.jobs = CountJobs(database, v1::JOB_STATE_QUEUED);
  if (limits.launches > 0) {
    queued.everyone.launches = static_cast<uint64_t>(
        SelectOne(database, "SELECT count(*) FROM launch INDEXED BY launch_order WHERE state = 1"));
  }
  return CheckRoom(limits, queued, asked, caller.name, caller.is_admin);
}

std::optional<int64_t> OwnerOf(SQLite::Database& database, const Caller& caller) {
  return SelectInt(database, "SELECT id FROM principal WHERE principal = ?", caller.principal);
}

bool IsKnown(SQLite::Database& database, int64_t owner, const std::string& request_id) {
  return !request_id.empty() &&
         SelectInt(database, "SELECT 1 FROM sweep WHERE owner_id = ? AND request_id = ?", owner,
                   request_id)
             .has_value();
}

}  // namespace

absl::StatusOr<Submitted> JobStore::Submit(const Caller& caller, const std::string& request_id,
                                           const std::string& request_digest,
                                           const std::string& sweep_name,
                                           const std::vector<NewJob>& jobs, const QueueOrder& order,
                                           int64_t now_ns) {
  const Request request{request_id, request_digest, sweep_name};
  Submitted submitted;
  absl::Status status = database_->Write([&](SQLite::Database& database) -> absl::Status {
    const int64_t owner = StorePrincipal(database, caller);
    absl::StatusOr<std::optional<Submitted>> earlier = FindEarlier(database, owner, request);
    if (!earlier.ok()) return earlier.status();
    if (*earlier) {
      submitted = **earlier;
      return absl::OkStatus();
    }
    absl::Status room = CheckRoomOf(database, owner, caller, AmountOf(jobs), limits_);
    if (room.ok()) submitted = Insert(database, owner, request, jobs, order, now_ns);
    return room;
  });
  if (!status.ok()) return status;
  return submitted;
}

absl::Status JobStore::CheckRoomFor(const Caller& caller, const std::string& request_id,
                                    const QueueAmount& asked) const {
  return database_->Read([&](SQLite::Database& database) -> absl::Status {
    const std::optional<int64_t> owner = OwnerOf(database, caller);
    if (owner && IsKnown(database, *owner, request_id)) return absl::OkStatus();
    return CheckRoomOf(database, owner, caller, asked, limits_);
  });
}

absl::Status JobStore::CheckRoomOfAll(const Caller& caller, const QueueAmount& asked) const {
  return CheckRoom(limits_, {}, asked, caller.name, caller.is_admin);
}

absl::StatusOr<std::optional<Submitted>> JobStore::FindSubmitted(
    const Caller& caller, const std::string& request_id, const std::string& request_digest) const {
  absl::StatusOr<std::optional<Submitted>> earlier = std::nullopt;
  absl::Status status = database_->Read([&](SQLite::Database& database) -> absl::Status {
    const std::optional<int64_t> owner = OwnerOf(database, caller);
    if (owner) earlier = FindEarlier(database, *owner, {request_id, request_digest, ""});
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return earlier;
}

}  // namespace torchlap::storage
