#include "client/commands/followed_sweep.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "client/commands/submission.h"
#include "client/exit_code.h"
#include "client/interrupts.h"
#include "client/run_command.h"

namespace torchlap::client {
namespace {

// Within this time a second Ctrl-C cancels.
constexpr std::chrono::seconds kSecondInterrupt{3};

void CancelSweep(uint64_t sweep_id, const Console& console, DaemonChannel* channel) {
  v1::CancelJobsRequest request;
  *request.mutable_selector() = SweepSelector(sweep_id);
  const auto response = channel->CancelJobs(request);
  if (!response.ok()) {
    SayLine(console, "torchlap: " + OneLine(response.status()));
    return;
  }
  *console.err << fmt::format("cancelled sweep:{} ({} queued, {} running)\n", sweep_id,
                              response->cancelled_job_ids_size(),
                              response->cancelling_job_ids_size());
}

int Detach(const std::vector<uint64_t>& sweep_ids, const OutputWords& output,
           const std::string& compare, const Console& console, Interrupts* interrupts,
           DaemonChannel* channel) {
  std::string words = SweepsDetachedWords(sweep_ids, output, compare);
  if (!interrupts->was_terminated()) {
    words += fmt::format(", or Ctrl-C again within {} s", kSecondInterrupt.count());
  }
  *console.err << words << std::endl;
  const bool is_cancelled =
      !interrupts->was_terminated() && interrupts->WaitForSecond(kSecondInterrupt);
  if (is_cancelled) CancelSweeps(sweep_ids, console, channel);
  return interrupts->exit_code();
}

// What is spoken of: one sweep, or several.
struct Pronouns {
  const char* object;
  const char* ended;
};
constexpr Pronouns kIt = {"it", "it has ended"};
constexpr Pronouns kThem = {"them", "they have ended"};

// `; write a.csv when it has ended: torchlap export sweep:3 -o a.csv`; empty where no file was
// asked for.
std::string FileWords(const std::string& selectors, const OutputWords& output,
                      const Pronouns& they) {
  if (output.file.empty()) return "";
  const std::string format = output.format ? " --format " + *output.format : "";
  return fmt::format("; write {} when {}: torchlap export {} -o {}{}", output.file, they.ended,
                     selectors, ShellWord(output.file), format);
}

std::string ComparisonWords(const std::string& command, const Pronouns& they) {
  return command.empty() ? "" : fmt::format("; compare when {}: {}", they.ended, command);
}

// `then`: what is to be done when they have ended.
std::string DetachedFrom(const std::string& what, const std::string& selectors,
                         const std::string& then, const Pronouns& they) {
  return fmt::format(
      "detached: {0}; follow {1}: torchlap watch {2}{3}; cancel {1}: torchlap cancel {2}", what,
      they.object, selectors, then);
}

// A daemon that does not come back leaves the user with a sweep to look for.
absl::Status WithSweeps(const absl::Status& status, const std::vector<uint64_t>& sweep_ids) {
  if (status.code() != absl::StatusCode::kUnavailable) return status;
  const bool is_one = sweep_ids.size() == 1;
  return WithRemark(status, fmt::format("{0} {1} queued, follow {2} later: torchlap watch {0}",
                                        SweepWordsOf(sweep_ids), is_one ? "stays" : "stay",
                                        is_one ? "it" : "them"));
}

std::string ShellWords(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + ShellWord(word);
  return text;
}

}  // namespace

std::string DetachedWords(const std::string& what, const std::string& selectors,
                          const OutputWords& output) {
  return DetachedFrom(what, selectors, FileWords(selectors, output, kIt), kIt);
}

std::string SweepsDetachedWords(const std::vector<uint64_t>& sweep_ids, const OutputWords& output,
                                const std::string& compare) {
  const bool is_one = sweep_ids.size() == 1;
  const Pronouns& they = is_one ? kIt : kThem;
  const std::string sweeps = SweepWordsOf(sweep_ids);
  return DetachedFrom(sweeps + (is_one ? " goes on" : " go on"), sweeps,
                      FileWords(sweeps, output, they) + ComparisonWords(compare, they), they);
}

std::string DetachedLine(const std::vector<std::string>& typed, const std::optional<v1::Job>& job,
                         const OutputWords& output) {
  const bool is_last = typed.empty() || (typed.size() == 1 && typed.front() == "last");
  std::string selectors = is_last && job ? fmt::format("sweep:{}", job->sweep_id()) : "last";
  if (!is_last) selectors = ShellWords(typed);
  return DetachedWords("what was followed goes on", selectors, output) + '\n';
}

std::string SweepEndedWords(uint64_t sweep_id) {
  return fmt::format("sweep:{0} has ended all the same, print it again: torchlap export sweep:{0}",
                     sweep_id);
}

std::string SweepWordsOf(const std::vector<uint64_t>& sweep_ids) {
  std::string words;
  for (const uint64_t id : sweep_ids)
    words += fmt::format("{}sweep:{}", words.empty() ? "" : " ", id);
  return words;
}

void CancelSweeps(const std::vector<uint64_t>& sweep_ids, const Console& console,
                  DaemonChannel* channel) {
  for (const uint64_t id : sweep_ids) CancelSweep(id, console, channel);
}

v1::Selector SweepSelector(uint64_t sweep_id) {
  v1::Selector selector;
  selector.add_sweep_ids(sweep_id);
  return selector;
}

absl::StatusOr<v1::Job> FetchJob(uint64_t job_id, DaemonChannel* channel) {
  v1::GetJobRequest request;
  request.set_job_id(job_id);
  auto response = channel->GetJob(request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_job());
}

absl::StatusOr<FollowedJobs> FollowSweeps(const std::vector<uint64_t>& sweep_ids,
                                          const FollowOptions& options, const OutputWords& output,
                                          const Console& console, Interrupts* interrupts,
                                          DaemonChannel* channel, const std::string& compare) {
  v1::Selector selector;
  selector.mutable_sweep_ids()->Add(sweep_ids.begin(), sweep_ids.end());
  SweepProgress progress;
  ProgressDisplay display(console);
  auto end = Follow(selector, options, channel, interrupts, &progress, &display);
  display.Clear();
  if (!end.ok()) return WithSweeps(end.status(), sweep_ids);
  FollowedJobs followed;
  followed.failed_jobs = progress.failed();
  if (*end == FollowEnd::kInterrupted) {
    followed.exit_code = Detach(sweep_ids, output, compare, console, interrupts, channel);
  }
  return followed;
}

absl::StatusOr<FollowedSweep> SubmitAndFollowOn(v1::SubmitJobsRequest request,
                                                const FollowOptions& options,
                                                const OutputWords& output, const Console& console,
                                                Interrupts* interrupts, DaemonChannel* channel) {
  auto submitted = SubmitOnce(std::move(request), channel);
  if (!submitted.ok()) return submitted.status();
  *console.err << StartLine(*submitted) << std::endl;
  const auto jobs =
      FollowSweeps({submitted->sweep_id()}, options, output, console, interrupts, channel);
  if (!jobs.ok()) return jobs.status();
  return FollowedSweep{*std::move(submitted), jobs->failed_jobs, jobs->exit_code};
}

absl::StatusOr<int> SubmitAndFollow(v1::SubmitJobsRequest request, const FollowOptions& options,
                                    const OutputWords& output, const Invocation& invocation,
                                    const ReportSweep& report) {
  Interrupts interrupts;
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const auto followed = SubmitAndFollowOn(std::move(request), options, output, invocation.console,
                                          &interrupts, channel->get());
  if (!followed.ok()) return followed.status();
  if (followed->exit_code) return *followed->exit_code;
  interrupts.LetThemEnd();
  if (absl::Status status = report(followed->submitted, channel->get()); !status.ok()) {
    return WithRemark(status, SweepEndedWords(followed->submitted.sweep_id()));
  }
  return followed->failed_jobs == 0 ? kExitOk : kExitJobFailed;
}

}  // namespace torchlap::client
