#include "server/rpc/cancel_jobs.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "server/rpc/job_choice.h"
#include "server/rpc/text_check.h"

namespace torchlap::rpc {
namespace {

constexpr uint32_t kJobsAtOnce = 1000;

// Those that cannot be read are left out, and listed in `unreadable`.
absl::StatusOr<std::vector<uint64_t>> Ids(const storage::JobStore& jobs, storage::JobFilter filter,
                                          std::vector<uint64_t>* unreadable) {
  filter.limit = kJobsAtOnce;
  std::vector<uint64_t> ids;
  for (;;) {
    std::vector<uint64_t> of_page;
    const auto page = jobs.List(filter, &of_page);
    if (!page.ok()) return page.status();
    for (const v1::Job& job : *page) ids.push_back(job.job_id());
    unreadable->insert(unreadable->end(), of_page.begin(), of_page.end());
    if (page->size() < kJobsAtOnce) return ids;
    filter.after_job_id = ids.back();
  }
}

constexpr v1::JobState kUnfinished[] = {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING};

// What the request is about, whoever may end it.
absl::StatusOr<storage::JobFilter> Chosen(const storage::JobStore& jobs,
                                          const storage::Caller& caller,
                                          const v1::CancelJobsRequest& request) {
  const bool is_all_of_user = !NamesSomething(request.selector()) && !request.user().empty();
  auto filter = is_all_of_user ? absl::StatusOr<storage::JobFilter>(storage::JobFilter{})
                               : ChosenJobs(jobs, caller, request.selector());
  if (!filter.ok()) return filter;
  filter->user = request.user();
  if (is_all_of_user) filter->states.assign(std::begin(kUnfinished), std::end(kUnfinished));
  return filter;
}

// With table and key of the first, as GetJob has them.
absl::Status NoneCanBeRead(const storage::JobStore& jobs, const std::vector<uint64_t>& ids) {
  const absl::Status first = jobs.Get(ids.front()).status();
  if (!absl::IsDataLoss(first)) {
    return absl::DataLossError(
        fmt::format("job {} cannot be read, as the database is damaged; torchlapd --check tells "
                    "more",
                    ids.front()));
  }
  if (ids.size() == 1) return first;
  return absl::DataLossError(
      fmt::format("none of {} jobs can be read: {}", ids.size(), std::string(first.message())));
}

absl::Status NothingChosen(const v1::CancelJobsRequest& request) {
  if (request.user().empty()) {
    return absl::InvalidArgumentError("selector is empty, must name jobs or sweeps");
  }
  return absl::NotFoundError(NamesSomething(request.selector())
                                 ? fmt::format("none of the chosen jobs is {}'s", request.user())
                                 : fmt::format("{} has no unfinished job", request.user()));
}

}  // namespace

absl::Status CancelJobs::Answer(const storage::Caller& caller, const v1::CancelJobsRequest& request,
                                v1::CancelJobsResponse* response) {
  if (absl::Status texts = CheckTexts(request); !texts.ok()) return texts;
  const auto filter = Chosen(*jobs_, caller, request);
  if (!filter.ok()) return filter.status();
  std::vector<uint64_t> unreadable;
  const auto ids = Ids(*jobs_, *filter, &unreadable);
  if (!ids.ok()) return ids.status();
  if (ids->empty() && !unreadable.empty()) return NoneCanBeRead(*jobs_, unreadable);
  if (ids->empty()) return NothingChosen(request);
  auto cancelled = jobs_->Cancel(*ids, caller, clock_->WallNs());
  if (!cancelled.ok()) {
    spdlog::info("{} may not cancel: {}", caller.name, std::string(cancelled.status().message()));
    return cancelled.status();
  }
  *response = *std::move(cancelled);
  if (response->finished_job_ids_size() == static_cast<int>(ids->size())) {
    return absl::FailedPreconditionError(
        ids->size() == 1 ? fmt::format("job {} has finished already", ids->front())
                         : fmt::format("all {} jobs have finished already", ids->size()));
  }
  spdlog::info("{} cancelled {} queued and {} running jobs", caller.name,
               response->cancelled_job_ids_size(), response->cancelling_job_ids_size());
  hub_->EventsCommitted();
  fleet_->WakeAll();
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
