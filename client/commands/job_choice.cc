#include "client/commands/job_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "proto/base/visible_text.h"

namespace torchlap::client {
namespace {

constexpr uint32_t kPageSize = 1000;

// Also by what lists show of it, where it has characters that nobody sees, which older programs
// took.
bool HasLabel(const v1::Job& job, const std::pair<const std::string, std::string>& label) {
  const auto& of_job = job.spec().labels();
  return std::any_of(of_job.begin(), of_job.end(), [&](const auto& entry) {
    const bool is_same = entry.first == label.first && entry.second == label.second;
    return is_same ||
           (Visible(entry.first) == label.first && Visible(entry.second) == label.second);
  });
}

bool HasLabels(const v1::Job& job, const std::map<std::string, std::string>& labels) {
  return std::all_of(labels.begin(), labels.end(),
                     [&](const auto& label) { return HasLabel(job, label); });
}

}  // namespace

absl::StatusOr<std::vector<v1::Job>> ListJobsUpTo(uint32_t most, v1::ListJobsRequest request,
                                                  DaemonChannel* channel) {
  std::vector<v1::Job> jobs;
  while (jobs.size() < most) {
    request.set_page_size(std::min(kPageSize, most - static_cast<uint32_t>(jobs.size())));
    auto page = channel->ListJobs(request);
    if (!page.ok()) return page.status();
    std::move(page->mutable_jobs()->begin(), page->mutable_jobs()->end(), std::back_inserter(jobs));
    request.set_page_token(page->next_page_token());
    if (request.page_token().empty()) break;
  }
  return jobs;
}

absl::StatusOr<std::vector<v1::Job>> ListAllJobs(v1::ListJobsRequest request,
                                                 DaemonChannel* channel) {
  return ListJobsUpTo(std::numeric_limits<uint32_t>::max(), std::move(request), channel);
}

absl::StatusOr<v1::Selector> ChooseJobs(const Selection& selection,
                                        const std::vector<v1::JobState>& states,
                                        DaemonChannel* channel) {
  if (selection.labels.empty()) return selection.selector;
  v1::ListJobsRequest request;
  *request.mutable_selector() = selection.selector;
  for (const v1::JobState state : states) request.add_states(state);
  auto jobs = ListAllJobs(std::move(request), channel);
  if (!jobs.ok()) return jobs.status();
  v1::Selector selector;
  for (const v1::Job& job : *jobs) {
    if (HasLabels(job, selection.labels)) selector.add_job_ids(job.job_id());
  }
  if (selector.job_ids_size() == 0) {
    const auto& [key, value] = *selection.labels.begin();
    return absl::NotFoundError(fmt::format("no {}job has the label {}={}",
                                           states.empty() ? "" : "unfinished ", key, value));
  }
  return selector;
}

}  // namespace torchlap::client
