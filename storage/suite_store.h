// Suites: sweeps that the daemon submits again and again for their owners.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "storage/database.h"
#include "storage/records.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::storage {

// A message may be megabytes, and each is kept as long as its owner likes.
inline constexpr uint32_t kMostSuites = 100;

// What the request ids of the daemon's own submits of suites begin with.
inline constexpr char kSuiteRequests[] = "suite/";

// A suite without its jobs.
struct StoredSuite {
  std::string principal;  // of its owner
  std::string user;       // the owner's account name as of the last submit
  std::string account;    // the same when it was added
  std::string name;
  v1::SuiteTime time;
  std::vector<std::string> devices;  // that its jobs ask for, each once; "": any
  uint32_t sweeps = 0;
  uint32_t jobs = 0;
  int64_t added_at_ns = 0;
  int64_t last_at_ns = 0;  // 0: not yet
  std::vector<uint64_t> last_sweep_ids;
  std::string problem;
};

// Thread-safe.
class SuiteStore {
 public:
  // `database` outlives it.
  explicit SuiteStore(Database* database) : database_(database) {}

  // Stores the suite, or replaces the caller's of this name: when it last ran, and what came of
  // that, stays known. True: there was one. RESOURCE_EXHAUSTED: the caller has kMostSuites others.
  absl::StatusOr<bool> Put(const Caller& caller, const v1::AddSuiteRequest& asked, int64_t now_ns);

  // By owner and name. `user` is an account name or principal, empty: everyone; of `only_owner`
  // alone, if there is one.
  absl::StatusOr<std::vector<StoredSuite>> List(const std::string& user = "",
                                                const std::string& only_owner = "") const;

  // What was asked for. NOT_FOUND: it was removed, or replaced, since `suite` was read. DATA_LOSS:
  // it cannot be read.
  absl::StatusOr<v1::AddSuiteRequest> Asked(const StoredSuite& suite) const;

  // Notes what came of its last time; without sweeps those of the time before stay. Nothing is
  // changed of one that was removed or replaced since `suite` was read.
  absl::Status Note(const StoredSuite& suite, int64_t last_at_ns,
                    const std::vector<uint64_t>& sweep_ids, const std::string& problem);

  // Of `user` (account name or principal). NOT_FOUND. PERMISSION_DENIED: another's, and the caller
  // no admin.
  absl::Status Remove(const Caller& caller, const std::string& user, const std::string& name);

  // Of these sweeps the ones that have a job that waits or runs.
  absl::StatusOr<std::vector<uint64_t>> Unfinished(const std::vector<uint64_t>& sweep_ids) const;

 private:
  Database* const database_;
};

}  // namespace torchlap::storage
