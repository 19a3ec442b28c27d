// Jobs, sweeps and launches: the queue. There is no copy of it in memory. Every change of state is
// one compare-and-set statement in a transaction that also writes the job_event rows.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/database.h"
#include "torchlap/v1/job.pb.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::storage {

// Who the kernel says is calling.
struct Caller {
  std::string principal;  // `uid:1000`
  std::string name;       // account name, or the principal where there is none
  bool is_admin = false;  // may cancel the jobs of others
};

// One job ready to be stored: everything resolved by the daemon.
struct NewJob {
  v1::JobSpec spec;  // complete; spec.device as the user gave it
  // Where it may run: `uuid:<UUID>`, `class:cpu`, `class:cuda` or `any`.
  std::string device_key;
  uint64_t parameters = 0;
  std::string workload_hash;       // of the requested workload
  std::string workload_canonical;  // the text that was hashed
};

// In which order the launches of a sweep are queued.
struct QueueOrder {
  uint64_t shuffle_seed = 0;
  bool shuffle_cells = false;  // also where no cell has more than one launch
};

struct Submitted {
  uint64_t sweep_id = 0;
  std::vector<uint64_t> job_ids;  // in the order given
};

// The first queued launch of one (owner, priority, device key): what the dispatcher chooses among.
struct QueueHead {
  uint64_t job_id = 0;
  uint32_t launch = 0;
  uint64_t position = 0;  // in the queue; smaller is earlier
  std::string owner;
  int32_t priority = 0;
  double owner_recent_device_ns = 0;  // device time, half-life one day, as of `now_ns`
};

struct DeviceIdentity {
  std::string name;  // `cpu0`
  std::string uuid;
  std::string model;
};

// A launch that was taken from the queue; its run is stored without an outcome.
struct StartedRun {
  // The job without runs, state RUNNING.
  v1::Job job;
  // run_id, job_id, number, sweep, user, device*, workload with the sizes to use now, requested
  // sizes, plan, launch, purpose, cause, labels, started_at_ns, boot_id.
  v1::Run run;
};

// What happens to the launch when its run is stored.
struct AfterRun {
  enum class Next {
    kLaunchDone,  // OK: the launch is finished; the job SUCCEEDED if it was the last one
    kTryAgain,   // queue the launch again, in its old place, with `batch_size` and `context_length`
    kJobFailed,  // the job FAILED with `reason`; its queued launches are dropped
    kJobCancelled,  // the job CANCELLED with `reason`; its queued launches are dropped
    kInterrupted,   // as kTryAgain with the run's own size, counted in job.interruptions; FAILED at
                    // the limit
  };
  Next next = Next::kLaunchDone;
  uint32_t batch_size = 0;
  uint32_t context_length = 0;
  std::string reason;
  v1::Cause cause = v1::CAUSE_OOM_RETRY;  // kTryAgain: why, unless the run was INTERRUPTED
};

// Everything stored with a finished run, in the transaction of FinishRun.
struct FinishedRun {
  // Complete: outcome, duration_ns, phases, memory, failure, hashes (workload_hash, series_key,
  // environment_hash).
  v1::Run run;
  std::string workload_canonical;  // text behind run.workload_hash
  v1::SampleBlock samples;         // every step from step 0; may be empty
  std::optional<v1::Environment> environment;
  v1::Readings readings;
};

struct JobFilter {
  std::vector<uint64_t> job_ids;  // with sweep_ids a union; both empty: all
  std::vector<uint64_t> sweep_ids;
  std::vector<v1::JobState> states;  // empty: all
  std::string user;                  // account name or principal; empty: everyone
  uint64_t after_job_id = 0;         // page: ids above this
  uint32_t limit = 100;
};

// Thread-safe. NOT_FOUND messages name the id.
class JobStore {
 public:
  // `boot_id` is put on each run; `max_interruptions` 0 means no limit. `database` outlives the
  // store.
  JobStore(Database* database, std::string boot_id, uint32_t max_interruptions);

  // All jobs or none, as one sweep. With a request_id that this principal used before: the same
  // answer again, or ALREADY_EXISTS if `request_digest` differs. Launches are queued launch by
  // launch, and, where a job has more than one, in an order over the cells shuffled by
  // `order`; a run of purpose trace (plan.trace) is one launch more, after all others.
  // RESOURCE_EXHAUSTED: the disk is full, nothing was stored.
  absl::StatusOr<Submitted> Submit(const Caller& caller, const std::string& request_id,
                                   const std::string& request_digest, const std::string& sweep_name,
                                   const std::vector<NewJob>& jobs, const QueueOrder& order,
                                   int64_t now_ns);

  // The answer that Submit gave to this request before; nothing if it is new. ALREADY_EXISTS as
  // Submit says.
  absl::StatusOr<std::optional<Submitted>> FindSubmitted(const Caller& caller,
                                                         const std::string& request_id,
                                                         const std::string& request_digest) const;

  // With runs. NOT_FOUND.
  absl::StatusOr<v1::Job> Get(uint64_t job_id) const;
  // Without runs, by id. Ids that are not there are left out.
  absl::StatusOr<std::vector<v1::Job>> List(const JobFilter& filter) const;
  // The same, and the number of the last event that these jobs already show: read at one moment.
  struct JobsAt {
    std::vector<v1::Job> jobs;
    uint64_t sequence = 0;
  };
  absl::StatusOr<JobsAt> ListAt(const JobFilter& filter) const;
  // Queued and running jobs in the order in which they would run (priority, then position), without
  // regard to owners' use: for `behind N jobs`. At most `limit`.
  struct QueueEntry {
    uint64_t job_id = 0;
    std::string device_key;
  };
  absl::StatusOr<std::vector<QueueEntry>> Queue(uint32_t limit) const;

  // Selector's names to ids. `last`: the caller's newest sweep. NOT_FOUND for any job, sweep or
  // sweep name (and, for `last`, a caller without sweeps) that is not there. run_ids of the
  // selector are checked too.
  absl::StatusOr<JobFilter> Resolve(const v1::Selector& selector, const Caller& caller) const;

  // Heads of the queue for a device that matches any of `device_keys`.
  absl::StatusOr<std::vector<QueueHead>> Heads(const std::vector<std::string>& device_keys,
                                               int64_t now_ns) const;
  // Takes the launch: QUEUED -> RUNNING, its run is created, the sweep's other queued launches are
  // pinned to this device if they could run on others (a sweep stays on one device). ABORTED:
  // somebody else was first, or it was cancelled.
  absl::StatusOr<StartedRun> Start(uint64_t job_id, uint32_t launch, const DeviceIdentity& device,
                                   int64_t now_ns);
  // A run of the job's sweep, but not of the job itself, that ran out of memory on the device with
  // the same model, pass and precision at a size that is no larger in batch or context, while
  // nobody else held memory. Nothing: none.
  absl::StatusOr<std::optional<v1::Run>> OutOfMemoryInSweep(uint64_t job_id,
                                                            const std::string& device_uuid,
                                                            uint32_t batch_size,
                                                            uint32_t context_length) const;
  // Stores the run and moves launch and job on, in one transaction; also adds the duration to the
  // owner's device time and the run to the roll-up. If cancellation of the job was asked for in the
  // meantime, kTryAgain and kInterrupted become kJobCancelled. After a first launch that ended OK
  // at a smaller size, the job's other launches use that size. Returns the job's new state.
  // ABORTED: the run is finished already, nothing was changed.
  absl::StatusOr<v1::JobState> FinishRun(const FinishedRun& finished, const AfterRun& after,
                                         int64_t now_ns);

  // Asks for cancellation. Queued jobs are CANCELLED now; for running ones the wish is stored and
  // the caller of this must end their workers. PERMISSION_DENIED (nothing changed): some job is
  // another's and the caller no admin.
  absl::StatusOr<v1::CancelJobsResponse> Cancel(const std::vector<uint64_t>& job_ids,
                                                const Caller& caller, int64_t now_ns);
  // Whether cancellation of a job was asked for.
  absl::StatusOr<bool> CancelRequested(uint64_t job_id) const;

  // At start-up: every run without outcome belongs to a daemon that is gone. It becomes INTERRUPTED
  // (no duration) and its launch is queued again in its old place with the same size (or CANCELLED,
  // if that was asked for; or FAILED at max_interruptions). Returns how many.
  absl::StatusOr<uint32_t> RecoverInterrupted(int64_t now_ns);

  // Events with sequence > `after`, oldest first, at most `limit`; runs in them are complete rows.
  // OUT_OF_RANGE: `after` is above the newest, or older than what is kept.
  absl::StatusOr<std::vector<v1::JobEvent>> Events(uint64_t after, uint32_t limit) const;
  absl::StatusOr<uint64_t> LastSequence() const;

  struct Counts {
    uint32_t queued_jobs = 0;
    uint32_t running_jobs = 0;
    uint64_t finished_runs = 0;
  };
  absl::StatusOr<Counts> Count() const;

 private:
  Database* const database_;
  const std::string boot_id_;
  const uint32_t max_interruptions_;
};

}  // namespace torchlap::storage
