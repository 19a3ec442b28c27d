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
#include "storage/queue_limits.h"
#include "storage/recent_events.h"
#include "storage/records.h"
#include "torchlap/v1/job.pb.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::storage {

// Thread-safe. NOT_FOUND messages name the id.
class JobStore {
 public:
  // `boot_id` is put on each run; a limit of 0 means none. `database` outlives the store.
  JobStore(Database* database, std::string boot_id, uint32_t max_interruptions,
           const QueueLimits& limits = {});

  // All jobs or none, as one sweep. With a request_id that this principal used before: the same
  // answer again, or ALREADY_EXISTS if `request_digest` differs. Launches are queued launch by
  // launch, and, where a job has more than one, in an order over the cells shuffled by
  // `order`; a run of purpose trace (plan.trace) is one launch more, after all others.
  // RESOURCE_EXHAUSTED: more would be queued than the limits allow, or the disk is full; nothing
  // was stored. A request that was answered before is answered again all the same.
  absl::StatusOr<Submitted> Submit(const Caller& caller, const std::string& request_id,
                                   const std::string& request_digest, const std::string& sweep_name,
                                   const std::vector<NewJob>& jobs, const QueueOrder& order,
                                   int64_t now_ns);

  // Whether Submit would find room, before anything is made of the request. OK if the caller used
  // this request_id before.
  absl::Status CheckRoomFor(const Caller& caller, const std::string& request_id,
                            const QueueAmount& asked) const;
  // The same of an empty queue: what is refused by it is always refused.
  absl::Status CheckRoomOfAll(const Caller& caller, const QueueAmount& asked) const;

  // The answer that Submit gave to this request before; nothing if it is new. ALREADY_EXISTS as
  // Submit says.
  absl::StatusOr<std::optional<Submitted>> FindSubmitted(const Caller& caller,
                                                         const std::string& request_id,
                                                         const std::string& request_digest) const;

  // With runs. NOT_FOUND.
  absl::StatusOr<v1::Job> Get(uint64_t job_id) const;
  // PERMISSION_DENIED: it is another's, and the caller may not see it (visibility.h).
  absl::Status CheckMaySee(uint64_t job_id, const Caller& caller) const;
  // Without runs, by id. Ids that are not there are left out, and jobs that cannot be read, as
  // they, or what they refer to, are damaged or missing: `unreadable` are those up to the last one
  // that is listed, and behind it where there are no more.
  absl::StatusOr<std::vector<v1::Job>> List(const JobFilter& filter,
                                            std::vector<uint64_t>* unreadable = nullptr) const;
  // The same, and the number of the last event that these jobs already show: read at one moment.
  struct JobsAt {
    std::vector<v1::Job> jobs;
    std::vector<uint64_t> unreadable;
    uint64_t sequence = 0;
  };
  absl::StatusOr<JobsAt> ListAt(const JobFilter& filter) const;
  // The whole queue, for `behind N jobs`, in the order in which jobs start if nobody's use of the
  // devices changes: some 20 ms for 100,000 jobs.
  absl::StatusOr<Queued> Queue() const;

  // Selector's names to ids. `last`: the caller's newest sweep. NOT_FOUND for any job, sweep or
  // sweep name (and, for `last`, a caller without sweeps) that is not there. run_ids of the
  // selector are checked too. INVALID_ARGUMENT: more ids than filter_limits.h allows, a name that
  // several sweeps have. Of a caller who may not see all (visibility.h) others' sweeps have no
  // names, and `all` is his own jobs; PERMISSION_DENIED: a job, run or sweep by id is another's.
  // `baseline` is the caller's; where nothing else is named and he has none: NOT_FOUND.
  absl::StatusOr<JobFilter> Resolve(const v1::Selector& selector, const Caller& caller) const;

  // Heads of the queue for a device that matches any of `device_keys`.
  absl::StatusOr<std::vector<QueueHead>> Heads(const std::vector<std::string>& device_keys,
                                               int64_t now_ns) const;
  // Takes the launch: QUEUED -> RUNNING, its run is created, the sweep's other queued launches are
  // pinned to this device if they could run on others (a sweep stays on one device). ABORTED:
  // somebody else was first, or it was cancelled. FAILED_PRECONDITION: it can never start, as its
  // job is missing, finished or cannot be read; it was set aside (launch.h) with all that wait
  // beside it, the job FAILED if it is there and was not finished, and the message says why.
  absl::StatusOr<StartedRun> Start(uint64_t job_id, uint32_t launch, const DeviceIdentity& device,
                                   int64_t now_ns);
  // A run of the job's sweep, but not of the job itself, that ran out of memory on the device with
  // the same model, pass and precision at a size that is no larger in batch or context, by its own
  // fault (own_fault.h). Nothing: none.
  absl::StatusOr<std::optional<v1::Run>> OutOfMemoryInSweep(uint64_t job_id,
                                                            const std::string& device_uuid,
                                                            uint32_t batch_size,
                                                            uint32_t context_length) const;
  // Stores the run and moves launch and job on, in one transaction; also adds the duration to the
  // owner's device time and the run to the roll-up. If cancellation of the job was asked for in the
  // meantime, kTryAgain and kInterrupted become kJobCancelled. After a first launch that ended OK
  // at a smaller size, the job's other launches use that size. Returns the job's new state.
  // ABORTED: the run is finished already, nothing was changed. NOT_FOUND, DATA_LOSS: the run, or
  // its job, is not there any more; nothing was changed, and trying again heals nothing.
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

  // At start-up, before RecoverInterrupted: what can come from damage alone, so that the rest goes
  // on. Launches whose job is missing or finished are set aside (launch.h), runs without outcome
  // whose job is missing become INTERRUPTED, launches that run without a run wait again, and
  // unfinished jobs without a launch are FAILED. Returns a line for each of these, at most 100.
  absl::StatusOr<std::vector<std::string>> SetAsideOrphans(int64_t now_ns);

  // At start-up, after RecoverInterrupted: queued launches that may run only on a device that is
  // not `present` any more. Those that were asked for by class and are pinned to it (Start) go back
  // to their class, all of a sweep together, where the class has a device. The job of a launch that
  // was asked for by name or UUID is FAILED, if the device is gone for good.
  // Gone for good is a CPU device (`uuid:CPU-...`): the configuration makes it, so that it is there
  // or was taken away. A GPU may only be missing, because its driver is not loaded or it was not
  // plugged in: its launches wait. A device that is claimed, or cannot work now, is present.
  absl::StatusOr<Rehomed> Rehome(const PresentDevices& present, int64_t now_ns);

  // Events with sequence > `after`, oldest first, at most `limit`; runs in them are complete rows.
  // OUT_OF_RANGE: `after` is above the newest, or older than what is kept.
  absl::StatusOr<std::vector<v1::JobEvent>> Events(uint64_t after, uint32_t limit) const;
  absl::StatusOr<uint64_t> LastSequence() const;

  struct Counts {
    uint32_t queued_jobs = 0;
    uint32_t running_jobs = 0;
    uint64_t finished_runs = 0;
  };
  // Jobs of everyone; finished runs of `only_owner` alone, if there is one.
  absl::StatusOr<Counts> Count(const std::string& only_owner = "") const;

 private:
  absl::StatusOr<StartedRun> TryStart(uint64_t job_id, uint32_t launch,
                                      const DeviceIdentity& device, int64_t now_ns);
  // Returns FAILED_PRECONDITION with `why`.
  absl::Status SetAside(uint64_t job_id, uint32_t launch, const std::string& why, int64_t now_ns);

  Database* const database_;
  const std::string boot_id_;
  const uint32_t max_interruptions_;
  const QueueLimits limits_;
  mutable RecentEvents recent_events_;
};

}  // namespace torchlap::storage
