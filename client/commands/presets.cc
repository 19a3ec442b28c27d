#include "client/commands/commands.h"
#include "client/connection.h"
#include "client/exit_code.h"
#include "client/format/listing.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const PresetsOptions& options, const Invocation& invocation) {
  auto output = ChooseOutput(options.output, format::Content::kList);
  if (!output.ok()) return output.status();
  auto connection = Connection::Open(invocation.address);
  if (!connection.ok()) return connection.status();
  auto response = (*connection)->ListPresets();
  if (!response.ok()) return response.status();
  const format::Document document =
      format::ListPresets({response->presets().begin(), response->presets().end()});
  const absl::Status written = WriteOutput(*output, invocation.console, document);
  if (!written.ok()) return written;
  return kExitOk;
}

}  // namespace torchlap::client
