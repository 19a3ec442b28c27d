#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <limits>
#include <utility>

#include "client/commands/commands.h"
#include "client/commands/job_choice.h"
#include "client/commands/unreadable.h"
#include "client/exit_code.h"
#include "client/format/listing.h"
#include "proto/base/clock.h"

namespace torchlap::client {
namespace {

constexpr uint32_t kUsualLimit = 1000;
constexpr uint32_t kAll = std::numeric_limits<uint32_t>::max();

absl::StatusOr<uint32_t> ParseLimit(const std::optional<std::string>& text) {
  if (!text) return kUsualLimit;
  uint32_t limit = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
  if (error == std::errc() && end == text->data() + text->size()) return limit == 0 ? kAll : limit;
  return absl::InvalidArgumentError(
      fmt::format("--limit is {}, must be a whole number; 0 shows all", *text));
}

v1::ListJobsRequest InState(v1::JobState state) {
  v1::ListJobsRequest request;
  request.add_states(state);
  return request;
}

// All that run, then those that wait, at most `limit`; by id.
absl::StatusOr<std::vector<v1::Job>> ListQueue(uint32_t limit, DaemonChannel* channel) {
  auto jobs = ListJobsUpTo(limit, InState(v1::JOB_STATE_RUNNING), channel);
  if (!jobs.ok()) return jobs.status();
  const uint32_t left = limit - static_cast<uint32_t>(jobs->size());
  auto queued = ListJobsUpTo(left, InState(v1::JOB_STATE_QUEUED), channel);
  if (!queued.ok()) return queued.status();
  std::move(queued->begin(), queued->end(), std::back_inserter(*jobs));
  // One that began in between is in neither list, or in both.
  std::sort(jobs->begin(), jobs->end(),
            [](const v1::Job& a, const v1::Job& b) { return a.job_id() < b.job_id(); });
  jobs->erase(
      std::unique(jobs->begin(), jobs->end(),
                  [](const v1::Job& a, const v1::Job& b) { return a.job_id() == b.job_id(); }),
      jobs->end());
  return jobs;
}

absl::Status SayIfThereAreMore(size_t shown, const Console& console, DaemonChannel* channel) {
  const auto status = channel->GetDaemonStatus();
  if (!status.ok()) return status.status();
  const uint64_t all = uint64_t{status->queued_jobs()} + status->running_jobs();
  if (all > shown) {
    *console.err << fmt::format("{} of {} jobs are shown; --limit 0 shows all\n", shown, all);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int> Execute(const QueueOptions& options, const Invocation& invocation) {
  auto output = ChooseOutput(options.output, format::Content::kList);
  if (!output.ok()) return output.status();
  auto limit = ParseLimit(options.limit);
  if (!limit.ok()) return limit.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();

  auto jobs = ListQueue(*limit, channel->get());
  if (!jobs.ok()) return jobs.status();
  SayUnreadable(**channel, invocation.console);
  if (jobs->empty()) *invocation.console.err << "the queue is empty\n";
  const absl::Status written =
      WriteOutput(*output, invocation.console, format::ListQueue(*jobs, WallNs()));
  if (!written.ok()) return written;
  if (jobs->size() >= *limit) {
    const absl::Status said = SayIfThereAreMore(jobs->size(), invocation.console, channel->get());
    if (!said.ok()) return said;
  }
  return kExitOk;
}

}  // namespace torchlap::client
