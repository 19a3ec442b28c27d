#include <cstdint>
#include <string>
#include <utility>

#include "client/axes.h"
#include "client/commands/commands.h"
#include "client/commands/known_already.h"
#include "client/commands/submission.h"
#include "client/commands/suite_run.h"
#include "client/exit_code.h"
#include "client/format/submitted.h"

namespace torchlap::client {
namespace {

// A range without a step has more cells than one thinks.
constexpr int kManyCells = 100;

// Leaves of the request what no stored run answers, and says what does.
absl::Status TakeWhatIsLeft(int64_t since_ns, const std::string& typed, const Console& console,
                            DaemonChannel* channel, v1::SubmitJobsRequest* request) {
  auto parted = Part(std::move(*request), since_ns, channel);
  if (!parted.ok()) return parted.status();
  for (const std::string& line : ReusedLines(*parted, typed)) SayLine(console, line);
  *request = std::move(parted->left);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int> Execute(const SubmitOptions& options, const Invocation& invocation) {
  if (options.sweep.file) return SubmitSuiteFile(options, invocation);
  auto request = BuildSweep(options.sweep);
  if (!request.ok()) return request.status();
  const auto since_ns = ParseReuse(options.known, options.sweep);
  if (!since_ns.ok()) return since_ns.status();
  if (options.known.dry_run) return DryRun(*request, *since_ns, options.output, invocation);
  auto output = ChooseOutput(options.output, format::Content::kRuns);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  if (options.known.reuse) {
    const absl::Status taken = TakeWhatIsLeft(*since_ns, *options.known.reuse, invocation.console,
                                              channel->get(), &*request);
    if (!taken.ok()) return taken;
    if (request->jobs().empty()) return kExitOk;
  }
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
