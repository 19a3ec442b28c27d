// What users say of jobs and runs after the fact: labels, notes, and that a run is not to be
// counted.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "storage/database.h"
#include "storage/records.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::storage {

// Of one call: each is read and written, while others wait to write.
inline constexpr size_t kMostLabelledJobs = 10'000;

struct LabelChange {
  std::map<std::string, std::string> set;
  // Keys, as they are stored or as lists show them. One that a job does not have is passed over.
  std::vector<std::string> remove;
};

// Thread-safe. Each call is one transaction: everything is changed or nothing. `filter` and
// `selected` are as in RunStore::List, but runs that were declared invalid are among the chosen.
// Texts are stored as they are given. NOT_FOUND: nothing is chosen. PERMISSION_DENIED with the job
// or run and its owner: one of the chosen is another's, and the caller no admin. INVALID_ARGUMENT:
// more than 100,000 are chosen, which would hold up the queue; as List. DATA_LOSS: a job's row is
// damaged.
class RunWords {
 public:
  // `database` outlives it.
  explicit RunWords(Database* database, size_t most_labelled_jobs = kMostLabelledJobs)
      : database_(database), most_labelled_jobs_(most_labelled_jobs) {}

  // Of the jobs of the chosen runs, and of those that were chosen and have no finished run (with
  // `all` there are none of these). What has these labels is not written again. Returns how many
  // were chosen. INVALID_ARGUMENT: a job would have more than kMostLabels, or more jobs than
  // `most_labelled_jobs` are chosen.
  absl::StatusOr<uint32_t> Label(const v1::RunFilter& filter, const JobFilter& selected,
                                 const LabelChange& change, const Caller& caller);
  // Of finished runs; empty: none any more. Returns how many were chosen.
  absl::StatusOr<uint32_t> Note(const v1::RunFilter& filter, const JobFilter& selected,
                                const std::string& note, const Caller& caller);
  // The same with why they are invalid; empty: they are valid again. Sums over runs (run_rollup)
  // are those of valid ones afterwards. Returns how many were chosen, or, of those that are valid
  // again, how many were not.
  absl::StatusOr<uint32_t> Invalidate(const v1::RunFilter& filter, const JobFilter& selected,
                                      const std::string& reason, const Caller& caller);

 private:
  // `change` says how many it has changed; `runs`: an IdList (id_list.h).
  absl::StatusOr<uint32_t> Change(
      const char* verb, const v1::RunFilter& filter, const JobFilter& selected,
      const Caller& caller,
      const std::function<int(SQLite::Database&, const std::string& runs)>& change);

  Database* const database_;
  const size_t most_labelled_jobs_;
};

}  // namespace torchlap::storage
