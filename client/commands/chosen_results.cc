#include "client/commands/chosen_results.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "client/commands/followed_sweep.h"
#include "client/format/subject.h"

namespace torchlap::client {
namespace {

using Rows = std::vector<v1::Run>;

bool IsFinished(const v1::Run& row) { return row.outcome() != v1::OUTCOME_UNSPECIFIED; }

// The rows of a sweep, with what they show if they are all that the comparison is of. Rows without
// numbers (cells that wait) come last.
absl::StatusOr<v1::CompareWarmupsResponse> Compared(uint64_t sweep_id, const Rows& rows,
                                                    DaemonChannel* channel) {
  v1::CompareWarmupsRequest request;
  request.set_sweep_id(sweep_id);
  auto compared = channel->CompareWarmups(request);
  const bool has_none = absl::IsFailedPrecondition(compared.status());
  if (!compared.ok() && !has_none) return compared.status();
  std::set<uint64_t> jobs;
  for (const v1::Run& row : rows) jobs.insert(row.job_id());
  v1::CompareWarmupsResponse answer;
  if (!has_none) answer = *std::move(compared);
  const bool is_whole =
      std::all_of(answer.runs().begin(), answer.runs().end(),
                  [&](const v1::Run& run) { return jobs.count(run.job_id()) > 0; });
  if (!is_whole) answer.Clear();
  for (const v1::Run& row : rows) {
    if (!is_whole || !IsFinished(row)) *answer.add_runs() = row;
  }
  return answer;
}

// Each at the size that it tried, which is what tells the rows of a fit from one another.
v1::Run AsTried(v1::Run run) {
  const format::Subject subject = format::SubjectOf(run);
  run.set_requested_batch_size(subject.batch_size);
  run.set_requested_context_length(subject.context_length);
  return run;
}

// Runs that were chosen one by one are no search.
bool IsWhole(const v1::Job& job, const Rows& rows) {
  const auto finished = static_cast<int>(std::count_if(rows.begin(), rows.end(), IsFinished));
  return finished > 0 && finished >= job.runs_size();
}

absl::Status AddFit(uint64_t job_id, const Rows& rows, DaemonChannel* channel,
                    format::Results* results) {
  auto job = FetchJob(job_id, channel);
  if (!job.ok()) return job.status();
  if (IsWhole(*job, rows)) {
    results->fits.push_back(*std::move(job));
  } else {
    for (const v1::Run& row : rows) results->cells.push_back(AsTried(row));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<format::Results> SortResults(const Rows& rows, DaemonChannel* channel) {
  format::Results results;
  std::map<uint64_t, Rows> warmups;
  std::map<uint64_t, Rows> fits;
  for (const v1::Run& row : rows) {
    if (row.purpose() == v1::PURPOSE_WARMUP) {
      warmups[row.sweep_id()].push_back(row);
    } else if (row.purpose() == v1::PURPOSE_FIT) {
      fits[row.job_id()].push_back(row);
    } else if (row.outcome() == v1::OUTCOME_OK && row.has_calibration()) {
      results.calibrations.push_back(row);
    } else {
      results.cells.push_back(row);
    }
  }
  for (const auto& [sweep_id, of_sweep] : warmups) {
    auto comparison = Compared(sweep_id, of_sweep, channel);
    if (!comparison.ok()) return comparison.status();
    results.warmups.push_back(*std::move(comparison));
  }
  for (const auto& [job_id, of_job] : fits) {
    if (absl::Status added = AddFit(job_id, of_job, channel, &results); !added.ok()) return added;
  }
  return results;
}

}  // namespace torchlap::client
