// What is handed to the stores and what they hand out, beside the contract's messages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "torchlap/v1/job.pb.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::storage {

// Who the kernel says is calling.
struct Caller {
  std::string principal;  // `uid:1000`
  std::string name;       // account name, or the principal where there is none
  bool is_admin = false;  // may cancel the jobs of others
  // False: of others' jobs only that they exist (storage/visibility.h).
  bool sees_all = true;
};

// Owner of what the daemon runs of its own accord (server/run/canary.h). No account has it: in a
// user's own daemon the account of the daemon is the user's, whose `last` is what he asked for.
inline constexpr char kDaemonPrincipal[] = "daemon";

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
    // As kJobFailed, but its launches are set aside (launch.h): damage, which may be looked at.
    kSetAside,
    kInterrupted,  // as kTryAgain with the run's own size, counted in job.interruptions; FAILED at
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

// What a daemon has, at its start.
struct PresentDevices {
  std::vector<DeviceIdentity> devices;
  std::vector<std::string> keys;  // of all of them: what launches may run there
};

// What became of queued launches whose device is gone.
struct Rehomed {
  uint32_t launches = 0;     // wait for their class again
  uint32_t failed_jobs = 0;  // were asked for on a device that is gone for good
};

// Queued and running jobs in the order in which they would run if nobody's use of the devices
// changed: the running ones, then by priority, the owner's use and position. Compact: there may be
// 100,000.
struct Queued {
  struct Entry {
    uint64_t job_id = 0;
    uint32_t key = 0;  // device key of its first launch: a place in `keys`
  };
  uint64_t sequence = 0;  // of the newest job_event when it was read
  std::vector<std::string> keys;
  std::vector<Entry> entries;
};

struct JobFilter {
  // With sweep_ids a union; both empty: all. From JobStore::Resolve in order, each once: then a
  // page of a long list costs no more than itself.
  std::vector<uint64_t> job_ids;
  std::vector<uint64_t> sweep_ids;
  // Principal whose baseline's runs are chosen too (Selector.baseline); empty: nobody's. Of lists
  // of runs alone.
  std::string baseline_of;
  std::vector<v1::JobState> states;  // empty: all
  std::string user;                  // account name or principal; empty: everyone
  // Principal whose jobs alone the caller may see (OnlyOwner); empty: everyone's. With
  // `others_queued` also those of others that are queued or running.
  std::string only_owner;
  bool others_queued = false;
  bool without_canaries = false;
  uint64_t after_job_id = 0;  // page: ids above this
  uint32_t limit = 100;
};

}  // namespace torchlap::storage
