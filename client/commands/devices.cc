#include "client/commands/commands.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/format/listing.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const DevicesOptions& options, const Invocation& invocation) {
  auto output = ChooseOutput(options.output, format::Content::kList);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  auto response = (*channel)->ListDevices();
  if (!response.ok()) return response.status();
  const format::Document document =
      format::ListDevices({response->devices().begin(), response->devices().end()});
  const absl::Status written = WriteOutput(*output, invocation.console, document);
  if (!written.ok()) return written;
  return kExitOk;
}

}  // namespace torchlap::client
