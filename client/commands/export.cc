#include "client/commands/commands.h"
#include "client/commands/results.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/time_words.h"

namespace torchlap::client {
namespace {

// A label selects; the flag --label only narrows.
bool NamesRuns(const ExportOptions& options) { return !options.filter.selectors.empty(); }

}  // namespace

absl::StatusOr<int> Execute(const ExportOptions& options, const Invocation& invocation) {
  auto filter = BuildFilter(options.filter, UnixNowNs());
  if (!filter.ok()) return filter.status();
  if (!NamesRuns(options)) filter->mutable_selector()->set_last(true);
  if (filter->purposes().empty()) filter->add_purposes(v1::PURPOSE_MEASURE);
  auto output = ChooseOutput(options.output, format::Content::kRuns);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const absl::Status printed = PrintResults(*filter, *output, invocation.console, channel->get());
  if (!printed.ok()) return printed;
  return kExitOk;
}

}  // namespace torchlap::client
