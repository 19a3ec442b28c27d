#include "client/commands/commands.h"
#include "client/commands/results.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/time_words.h"

namespace torchlap::client {
namespace {

// The latest sweep is what was measured, not how its steps look in a profiler.
void MeanLatestSweep(v1::RunFilter* filter) {
  filter->mutable_selector()->set_last(true);
  if (!filter->purposes().empty()) return;
  for (const v1::Purpose purpose :
       {v1::PURPOSE_MEASURE, v1::PURPOSE_WARMUP, v1::PURPOSE_FIT, v1::PURPOSE_CALIBRATE}) {
    filter->add_purposes(purpose);
  }
}

// A label selects; the flag --label only narrows. What is named is exported, whatever it was for.
bool NamesRuns(const ExportOptions& options) { return !options.filter.selectors.empty(); }

}  // namespace

absl::StatusOr<int> Execute(const ExportOptions& options, const Invocation& invocation) {
  auto filter = BuildFilter(options.filter, UnixNowNs());
  if (!filter.ok()) return filter.status();
  if (!NamesRuns(options)) MeanLatestSweep(&*filter);
  auto output = ChooseOutput(options.output,
                             options.samples ? format::Content::kSamples : format::Content::kRuns);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const auto print = options.samples ? PrintSamples : PrintResults;
  const absl::Status printed = print(*filter, *output, invocation.console, channel->get());
  if (!printed.ok()) return printed;
  return kExitOk;
}

}  // namespace torchlap::client
