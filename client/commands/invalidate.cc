#include <string>

#include "client/commands/commands.h"
#include "client/commands/named_runs.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/format/words.h"
#include "client/output.h"
#include "client/parse_words.h"

namespace torchlap::client {
namespace {

absl::StatusOr<v1::InvalidateRunsRequest> RequestOf(const InvalidateOptions& options) {
  auto filter = NamedRuns("invalidate", options.selectors, "--reason R or --undo");
  if (!filter.ok()) return filter.status();
  if (options.reason.has_value() == options.undo) {
    return Invalid(options.undo
                       ? "--reason and --undo are both given, must be one of them"
                       : "invalidate needs --reason R, or --undo, which makes runs valid again");
  }
  if (options.reason && options.reason->empty()) {
    return Invalid("--reason is '', must say why; --undo makes runs valid again");
  }
  v1::InvalidateRunsRequest request;
  *request.mutable_filter() = *std::move(filter);
  request.set_reason(options.reason.value_or(""));
  return request;
}

// `declared 3 runs invalid`, `1 run is valid again`
std::string Done(uint32_t count, bool undo) {
  const std::string runs = format::Counted(count, "run");
  if (!undo) return "declared " + runs + " invalid";
  return runs + (count == 1 ? " is" : " are") + " valid again";
}

}  // namespace

absl::StatusOr<int> Execute(const InvalidateOptions& options, const Invocation& invocation) {
  const auto request = RequestOf(options);
  if (!request.ok()) return request.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const auto response = (*channel)->InvalidateRuns(*request);
  if (!response.ok()) return response.status();
  *invocation.console.out << Done(response->runs(), options.undo) << "\n";
  if (absl::Status said = FlushStdout(invocation.console); !said.ok()) return said;
  return kExitOk;
}

}  // namespace torchlap::client
