#include "client/format/show.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "client/commands/commands.h"
#include "client/commands/followed_sweep.h"
#include "client/commands/job_choice.h"
#include "client/commands/results.h"
#include "client/commands/unreadable.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"

namespace torchlap::client {
namespace {

constexpr uint32_t kMostJobs = 100;

absl::Status ShowJob(uint64_t job_id, const Output& output, const Console& console,
                     DaemonChannel* channel) {
  v1::GetJobRequest request;
  request.set_job_id(job_id);
  auto response = channel->GetJob(request);
  if (!response.ok()) return response.status();
  // What the job came to as a whole, as `export` has it: only the daemon puts launches together.
  v1::ExportRunsRequest as_cell;
  as_cell.mutable_filter()->mutable_selector()->add_job_ids(job_id);
  as_cell.set_rows(v1::ROW_KIND_CELL);
  const auto cells = FetchRows(as_cell, channel);
  if (!cells.ok()) return cells.status();
  return WriteOutput(output, console, format::ShowJob(response->job(), *cells));
}

// A sweep of one job is that job.
absl::Status ShowSweep(const v1::Selector& sweep, const Output& output, const Console& console,
                       DaemonChannel* channel) {
  v1::ListJobsRequest request;
  *request.mutable_selector() = sweep;
  const auto listed = ListJobsUpTo(kMostJobs + 1, std::move(request), channel);
  if (!listed.ok()) return listed.status();
  if (listed->empty()) {
    const absl::Status damaged = CheckUnreadable(*channel);
    return damaged.ok() ? absl::NotFoundError("the sweep has no jobs") : damaged;
  }
  if (listed->size() == 1) return ShowJob(listed->front().job_id(), output, console, channel);
  if (listed->size() > kMostJobs) {
    return absl::FailedPreconditionError(
        fmt::format("sweep:{0} has more than {1} jobs: show one of them (show {2}), or all as a "
                    "table: torchlap export sweep:{0}",
                    listed->front().sweep_id(), kMostJobs, listed->front().job_id()));
  }
  std::vector<v1::Job> jobs;
  for (const v1::Job& job : *listed) {
    auto whole = FetchJob(job.job_id(), channel);
    if (!whole.ok()) return whole.status();
    jobs.push_back(*std::move(whole));
  }
  return WriteOutput(output, console, format::ShowSweep(jobs));
}

absl::Status ShowRun(const std::string& run_id, const Output& output, const Console& console,
                     DaemonChannel* channel) {
  v1::GetRunRequest request;
  request.set_run_id(run_id);
  format::RunDetails run;
  const absl::Status status = channel->GetRun(request, [&run](const v1::GetRunResponse& part) {
    if (part.has_detail()) run.detail = part.detail();
    if (part.has_samples()) run.samples.push_back(part.samples());
  });
  if (!status.ok()) return status;
  return WriteOutput(output, console, format::ShowRun(run));
}

absl::Status Show(const Id& id, const Output& output, const Console& console,
                  DaemonChannel* channel) {
  if (id.sweep) return ShowSweep(*id.sweep, output, console, channel);
  if (!id.run_id.empty()) return ShowRun(id.run_id, output, console, channel);
  return ShowJob(id.job_id, output, console, channel);
}

}  // namespace

absl::StatusOr<int> Execute(const ShowOptions& options, const Invocation& invocation) {
  auto id = ParseId(options.id);
  if (!id.ok()) return id.status();
  auto output = ChooseOutput(options.output, format::Content::kDetails);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const absl::Status shown = Show(*id, *output, invocation.console, channel->get());
  if (!shown.ok()) return shown;
  SayUnreadable(**channel, invocation.console);
  return kExitOk;
}

}  // namespace torchlap::client
