// Which jobs a request means.
#pragma once

#include <absl/status/statusor.h>

#include "storage/job_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

bool NamesSomething(const v1::Selector& selector);

// INVALID_ARGUMENT: it names the caller's baseline, which is runs, to a call that is about jobs.
absl::Status CheckNoBaseline(const v1::Selector& selector);

// Every job that the caller may see.
storage::JobFilter EveryJob(const storage::Caller& caller);

// The selector's jobs; every job where it names nothing. NOT_FOUND: a name in it is not there.
// Others' jobs where the caller may not see them: as JobStore::Resolve says.
absl::StatusOr<storage::JobFilter> ChosenOrAll(const storage::JobStore& jobs,
                                               const storage::Caller& caller,
                                               const v1::Selector& selector);

// The selector's jobs, for calls that are about jobs and must name some. INVALID_ARGUMENT: it names
// a run, a baseline, or nothing at all; NOT_FOUND as above. What is returned may still match no
// job.
absl::StatusOr<storage::JobFilter> ChosenJobs(const storage::JobStore& jobs,
                                              const storage::Caller& caller,
                                              const v1::Selector& selector);

}  // namespace torchlap::rpc
