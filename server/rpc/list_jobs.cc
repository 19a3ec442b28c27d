#include "server/rpc/list_jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "server/rpc/job_choice.h"
#include "server/rpc/page_size.h"
#include "server/rpc/privacy.h"
#include "server/rpc/text_check.h"
#include "storage/filter_limits.h"

namespace torchlap::rpc {
namespace {

constexpr uint32_t kDefaultPage = 100;

absl::StatusOr<uint64_t> ParseJobToken(const std::string& token) {
  uint64_t id = 0;
  if (token.empty()) return id;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), id);
  if (error == std::errc() && end == token.data() + token.size()) return id;
  return absl::InvalidArgumentError(
      fmt::format("page_token is `{}`, must come from the response before", token));
}

}  // namespace

absl::Status GetJob::Answer(const storage::Caller& caller, const v1::GetJobRequest& request,
                            v1::GetJobResponse* response) const {
  absl::Status may_see = jobs_->CheckMaySee(request.job_id(), caller);
  if (!may_see.ok()) return may_see;
  auto job = jobs_->Get(request.job_id());
  if (!job.ok()) return job.status();
  std::vector<v1::Job> one;
  one.push_back(*std::move(job));
  if (absl::Status status = waiting_->Explain(fleet_->Describe(), &one); !status.ok())
    return status;
  *response->mutable_job() = std::move(one[0]);
  return absl::OkStatus();
}

absl::Status ListJobs::Answer(const storage::Caller& caller, const v1::ListJobsRequest& request,
                              v1::ListJobsResponse* response) const {
  if (absl::Status user = CheckText("user", request.user()); !user.ok()) return user;
  absl::Status few = storage::CheckLimit("states", request.states_size(), storage::kMostNames);
  if (!few.ok()) return few;
  absl::Status jobs_alone = CheckNoBaseline(request.selector());
  if (!jobs_alone.ok()) return jobs_alone;
  auto filter = ChosenOrAll(*jobs_, caller, request.selector());
  if (!filter.ok()) return filter.status();
  const auto size = PageSize(request.page_size(), kDefaultPage);
  if (!size.ok()) return size.status();
  const auto after = ParseJobToken(request.page_token());
  if (!after.ok()) return after.status();
  for (const int state : request.states()) {
    filter->states.push_back(static_cast<v1::JobState>(state));
  }
  filter->user = request.user();
  // `all`, as every selector, means what the caller may see whole.
  filter->others_queued = !NamesSomething(request.selector());
  // Nobody asked for them. Whoever names them sees them.
  filter->without_canaries = !NamesSomething(request.selector()) && request.user().empty();
  filter->after_job_id = *after;
  filter->limit = *size;
  std::vector<uint64_t> unreadable;
  auto jobs = jobs_->List(*filter, &unreadable);
  if (!jobs.ok()) return jobs.status();
  if (absl::Status status = waiting_->Explain(fleet_->Describe(), &*jobs); !status.ok())
    return status;
  LeaveOutlines(caller, &*jobs);
  const bool full = jobs->size() == *size;
  const size_t fitting = RowsThatFit(*jobs);
  const bool more = full || fitting < jobs->size();
  jobs->resize(fitting);
  if (more) response->set_next_page_token(std::to_string(jobs->back().job_id()));
  // Those behind it are of the next page.
  const uint64_t last = more ? jobs->back().job_id() : std::numeric_limits<uint64_t>::max();
  response->set_unreadable_jobs(static_cast<uint64_t>(std::count_if(
      unreadable.begin(), unreadable.end(), [last](uint64_t id) { return id <= last; })));
  for (v1::Job& job : *jobs) *response->add_jobs() = std::move(job);
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
