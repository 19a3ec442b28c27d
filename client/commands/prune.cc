#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <string>

#include "client/commands/commands.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/format/numbers.h"
#include "client/selector.h"
#include "client/time_words.h"

namespace torchlap::client {
namespace {

absl::StatusOr<v1::PruneRunsRequest> RequestOf(const PruneOptions& options, int64_t now_ns) {
  v1::PruneRunsRequest request;
  if (!options.samples_older_than && options.runs.empty()) {
    return absl::InvalidArgumentError(
        "prune needs --samples-older-than 180d, --runs SELECTOR, or both");
  }
  if (options.samples_older_than) {
    auto before = ParseTime("--samples-older-than", *options.samples_older_than, now_ns);
    if (!before.ok()) return before.status();
    if (*before <= 0) {
      return absl::InvalidArgumentError(fmt::format(
          "--samples-older-than is {}, must be a time after 1970", *options.samples_older_than));
    }
    request.set_samples_before_ns(*before);
  }
  if (options.runs.empty()) return request;
  auto selection = ParseSelectors(options.runs);
  if (!selection.ok()) return selection.status();
  *request.mutable_runs()->mutable_selector() = std::move(selection->selector);
  request.mutable_runs()->mutable_labels()->insert(selection->labels.begin(),
                                                   selection->labels.end());
  request.mutable_runs()->set_include_invalid(true);
  return request;
}

// 1,234.
std::string Counted(uint64_t count) {
  std::string text = fmt::format("{}", count);
  for (size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

std::string Runs(uint64_t count) {
  return fmt::format("{} {}", Counted(count), count == 1 ? "run" : "runs");
}

// `12 runs and the steps of 1,234 runs`.
std::string WhatOf(const v1::PruneRunsResponse& answer) {
  if (answer.samples() == 0) return Runs(answer.runs());
  const std::string steps = fmt::format("the steps of {}", Runs(answer.samples()));
  return answer.runs() == 0 ? steps : fmt::format("{} and {}", Runs(answer.runs()), steps);
}

bool IsNothing(const v1::PruneRunsResponse& answer) {
  return answer.runs() == 0 && answer.samples() == 0;
}

absl::Status CheckCanAsk(const PruneOptions& options) {
  const bool can_ask = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
  if (options.dry_run || options.yes || can_ask) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "prune asks before it deletes, and there is no terminal to ask at: --yes deletes, --dry-run "
      "only counts");
}

bool IsAgreedTo(const v1::PruneRunsResponse& counted, const Console& console) {
  *console.err << fmt::format("delete {}? [y/N] ", WhatOf(counted)) << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

absl::StatusOr<v1::PruneRunsResponse> Ask(v1::PruneRunsRequest request, bool dry_run,
                                          DaemonChannel* channel) {
  request.set_dry_run(dry_run);
  return channel->PruneRuns(request);
}

std::string Deleted(const v1::PruneRunsResponse& answer) {
  return fmt::format("deleted {}; the database had {}, has {}", WhatOf(answer),
                     format::BytesShort(answer.database_bytes_before()),
                     format::BytesShort(answer.database_bytes_after()));
}

}  // namespace

absl::StatusOr<int> Execute(const PruneOptions& options, const Invocation& invocation) {
  auto request = RequestOf(options, UnixNowNs());
  if (!request.ok()) return request.status();
  if (absl::Status can_ask = CheckCanAsk(options); !can_ask.ok()) return can_ask;
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();

  const bool asks_first = options.dry_run || !options.yes;
  if (asks_first) {
    const auto counted = Ask(*request, /*dry_run=*/true, channel->get());
    if (!counted.ok()) return counted.status();
    if (options.dry_run || IsNothing(*counted)) {
      *invocation.console.out << fmt::format("would delete {}\n",
                                             IsNothing(*counted) ? "nothing" : WhatOf(*counted));
      const absl::Status flushed = FlushStdout(invocation.console);
      return flushed.ok() ? absl::StatusOr<int>(kExitOk) : flushed;
    }
    if (!IsAgreedTo(*counted, invocation.console)) {
      SayLine(invocation.console, "nothing was deleted");
      return kExitOk;
    }
  }
  const auto answer = Ask(*std::move(request), /*dry_run=*/false, channel->get());
  if (!answer.ok()) return answer.status();
  SayLine(invocation.console, IsNothing(*answer) ? "nothing was deleted" : Deleted(*answer));
  return kExitOk;
}

}  // namespace torchlap::client
