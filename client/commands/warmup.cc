#include "client/format/warmup.h"

#include "client/commands/commands.h"
#include "client/commands/followed_sweep.h"
#include "client/commands/results.h"
#include "client/experiments.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const WarmupOptions& options, const Invocation& invocation) {
  auto request = BuildWarmups(options.sweep, options.steps);
  if (!request.ok()) return request.status();
  auto output = ChooseOutput(options.output, format::Content::kResult);
  if (!output.ok()) return output.status();
  const auto report = [&](const v1::SubmitJobsResponse& submitted, DaemonChannel* channel) {
    v1::CompareWarmupsRequest comparison;
    comparison.set_sweep_id(submitted.sweep_id());
    const auto response = channel->CompareWarmups(comparison);
    if (!response.ok()) return response.status();
    const auto find_devices = [&] {
      return FetchDeviceNotes({response->runs().begin(), response->runs().end()}, channel);
    };
    return WriteOutputAndTable(*output, invocation.console,
                               format::ShowWarmups(*response, find_devices));
  };
  return SubmitAndFollow(*std::move(request), {}, options.output, invocation, report);
}

}  // namespace torchlap::client
