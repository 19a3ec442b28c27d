#include "server/rpc/cancel_jobs.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "server/rpc/job_choice.h"

namespace torchlap::rpc {
namespace {

constexpr uint32_t kJobsAtOnce = 1000;

absl::StatusOr<std::vector<uint64_t>> Ids(const storage::JobStore& jobs,
                                          storage::JobFilter filter) {
  filter.limit = kJobsAtOnce;
  std::vector<uint64_t> ids;
  for (;;) {
    const auto page = jobs.List(filter);
    if (!page.ok()) return page.status();
    for (const v1::Job& job : *page) ids.push_back(job.job_id());
    if (page->size() < kJobsAtOnce) return ids;
    filter.after_job_id = ids.back();
  }
}

}  // namespace

absl::Status CancelJobs::Answer(const storage::Caller& caller, const v1::CancelJobsRequest& request,
                                v1::CancelJobsResponse* response) {
  const auto filter = ChosenJobs(*jobs_, caller, request.selector());
  if (!filter.ok()) return filter.status();
  const auto ids = Ids(*jobs_, *filter);
  if (!ids.ok()) return ids.status();
  if (ids->empty()) {
    return absl::InvalidArgumentError("selector is empty, must name jobs or sweeps");
  }
  auto cancelled = jobs_->Cancel(*ids, caller, clock_->WallNs());
  if (!cancelled.ok()) return cancelled.status();
  *response = *std::move(cancelled);
  if (response->finished_job_ids_size() == static_cast<int>(ids->size())) {
    return absl::FailedPreconditionError(
        ids->size() == 1 ? fmt::format("job {} has finished already", ids->front())
                         : fmt::format("all {} jobs have finished already", ids->size()));
  }
  hub_->EventsCommitted();
  fleet_->WakeAll();
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
