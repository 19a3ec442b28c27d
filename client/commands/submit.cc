#include "client/axes.h"
#include "client/commands/commands.h"
#include "client/commands/submission.h"
#include "client/exit_code.h"
#include "client/format/submitted.h"

namespace torchlap::client {
namespace {

// A range without a step has more cells than one thinks.
constexpr int kManyCells = 100;

}  // namespace

absl::StatusOr<int> Execute(const SubmitOptions& options, const Invocation& invocation) {
  auto request = BuildSweep(options.sweep);
  if (!request.ok()) return request.status();
  auto output = ChooseOutput(options.output, format::Content::kRuns);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  auto submitted = SubmitOnce(*std::move(request), channel->get());
  if (!submitted.ok()) return submitted.status();
  if (submitted->job_ids_size() > kManyCells) {
    *invocation.console.err << StartLine(*submitted) << '\n';
  }
  const absl::Status written =
      WriteOutput(*output, invocation.console, format::ShowSubmitted(*submitted));
  if (!written.ok()) return WithRemark(written, SubmittedWords(*submitted));
  return kExitOk;
}

}  // namespace torchlap::client
