#include "client/format/compare.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "client/commands/commands.h"
#include "client/commands/compare_words.h"
#include "client/commands/unreadable.h"
#include "client/commands/until_decided.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/interrupts.h"
#include "client/time_words.h"

namespace torchlap::client {
namespace {

absl::Status NothingToCompare(const CompareWords& words, const DaemonChannel& channel) {
  // Something is there, and cannot be read.
  if (absl::Status damaged = CheckUnreadable(channel); !damaged.ok()) return damaged;
  const std::string sides = words.b.empty() ? words.a : words.a + " and " + words.b;
  return absl::NotFoundError(fmt::format("no run of {} matches", sides));
}

// A file has all columns. Beside it a terminal is shown the table in short.
absl::Status Write(const Output& output, const Console& console,
                   const format::Comparison& comparison) {
  const auto print = [&](const Output& to) {
    return WriteOutput(to, console,
                       format::ShowComparison(comparison, IsTerminalTable(to, console)));
  };
  if (!ShowsTableToo(output, console)) return print(output);
  absl::Status written = print(WithoutAdvice(output));
  return written.ok() ? print(Output{}) : written;
}

// The table stands whatever is said of it.
int Judge(const format::Comparison& comparison, const CompareWords& words, const Console& console) {
  const std::string passed_over = format::PassedOverWords(comparison, words.fail_on);
  if (!passed_over.empty()) {
    SayLine(console,
            "--fail-on slower passes over what may be chance among so many rows: " + passed_over);
  }
  const std::string failed = format::FailWords(comparison, words.fail_on);
  if (failed.empty()) return kExitOk;
  SayLine(console, "torchlap: --fail-on: " + failed);
  return kExitFailOn;
}

}  // namespace

absl::StatusOr<int> Execute(const CompareOptions& options, const Invocation& invocation) {
  const auto words = ParseCompare(options, UnixNowNs());
  if (!words.ok()) return words.status();
  const auto output = ChooseOutput(options.output, format::Content::kResult);
  if (!output.ok()) return output.status();
  // Before the channel starts its threads.
  std::optional<Interrupts> interrupts;
  if (words->max_launches) interrupts.emplace();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const auto response = (*channel)->CompareRuns(words->request);
  if (!response.ok()) return response.status();
  if (response->cells().empty()) return NothingToCompare(*words, **channel);

  format::Comparison comparison = ComparisonOf(*words);
  bool any_job_failed = false;
  if (interrupts) {
    auto decided =
        RunUntilDecided(*words, *response, invocation.console, &*interrupts, channel->get());
    if (!decided.ok()) return decided.status();
    if (decided->exit_code) return *decided->exit_code;
    interrupts->LetThemEnd();
    comparison.cells = std::move(decided->cells);
    comparison.remarks = std::move(decided->remarks);
    any_job_failed = decided->any_job_failed;
  } else {
    for (const v1::ComparedCell& cell : response->cells()) comparison.cells.push_back({cell});
  }
  if (absl::Status written = Write(*output, invocation.console, comparison); !written.ok()) {
    return written;
  }
  SayUnreadable(**channel, invocation.console);
  const int code = Judge(comparison, *words, invocation.console);
  return code == kExitOk && any_job_failed ? kExitJobFailed : code;
}

}  // namespace torchlap::client
