#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/commands/commands.h"
#include "client/commands/followed_sweep.h"
#include "client/commands/job_choice.h"
#include "client/commands/results.h"

namespace torchlap::client {
namespace {

constexpr char kForms[] = "a job (17), a run (17.2), sweep:3, sweep:NAME, last or label:k=v";

// The job of a run is what was asked for: `17.2` means 17.
void MeanJobsOfRuns(v1::Selector* selector) {
  for (const std::string& run_id : selector->run_ids()) {
    selector->add_job_ids(std::stoull(run_id.substr(0, run_id.find('.'))));
  }
  selector->clear_run_ids();
}

absl::StatusOr<Selection> ParseJobs(const std::vector<std::string>& words) {
  if (words.empty()) {
    // `last` would be too easy to hit.
    return absl::InvalidArgumentError(fmt::format("rerun needs a selector: {}", kForms));
  }
  auto selection = ParseSelectors(words);
  if (!selection.ok()) return selection.status();
  if (selection->selector.all()) {
    return absl::InvalidArgumentError(fmt::format("selector is all, must be {}", kForms));
  }
  MeanJobsOfRuns(&selection->selector);
  return selection;
}

absl::StatusOr<std::vector<v1::Job>> FetchJobs(const Selection& selection, DaemonChannel* channel) {
  auto selector = ChooseJobs(selection, {}, channel);
  if (!selector.ok()) return selector.status();
  v1::ListJobsRequest request;
  *request.mutable_selector() = *std::move(selector);
  return ListAllJobs(std::move(request), channel);
}

// What was asked for, without what the daemon filled in where it would be in the way: of a preset
// the name says the shape.
v1::JobSpec AskedFor(v1::JobSpec spec) {
  if (!spec.workload().has_transformer_lm()) return spec;
  v1::TransformerLm* model = spec.mutable_workload()->mutable_transformer_lm();
  if (model->preset().empty()) return spec;
  model->clear_vocab_size();
  model->clear_d_model();
  model->clear_d_ff();
  model->clear_layers();
  model->clear_heads();
  return spec;
}

bool IsWarmup(const v1::JobSpec& spec) { return spec.purpose() == v1::PURPOSE_WARMUP; }

absl::StatusOr<v1::SubmitJobsRequest> RequestOf(const std::vector<v1::Job>& jobs,
                                                const RerunOptions& options) {
  v1::SubmitJobsRequest request;
  request.set_sweep_name(options.name.value_or(""));
  for (const v1::Job& job : jobs) {
    const bool is_chosen = !options.failed || job.state() == v1::JOB_STATE_FAILED;
    if (is_chosen && job.has_spec()) *request.add_jobs() = AskedFor(job.spec());
  }
  if (request.jobs().empty()) {
    return absl::NotFoundError(
        options.failed ? fmt::format("nothing to run again: of {} chosen job{} none FAILED",
                                     jobs.size(), jobs.size() == 1 ? "" : "s")
                       : "nothing to run again: no job is chosen");
  }
  // As they were queued the first time.
  request.set_shuffle(std::any_of(request.jobs().begin(), request.jobs().end(), IsWarmup));
  return request;
}

}  // namespace

absl::StatusOr<int> Execute(const RerunOptions& options, const Invocation& invocation) {
  const auto selection = ParseJobs(options.selectors);
  if (!selection.ok()) return selection.status();
  auto output = ChooseOutput(options.output, format::Content::kRuns);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const auto jobs = FetchJobs(*selection, channel->get());
  if (!jobs.ok()) return jobs.status();
  auto request = RequestOf(*jobs, options);
  if (!request.ok()) return request.status();

  const auto report = [&](const v1::SubmitJobsResponse& submitted, DaemonChannel* asked) {
    v1::RunFilter filter;
    *filter.mutable_selector() = SweepSelector(submitted.sweep_id());
    return PrintResultsAndTable(filter, *output, invocation.console, asked);
  };
  return SubmitAndFollow(*std::move(request), {}, options.output, invocation, report);
}

}  // namespace torchlap::client
