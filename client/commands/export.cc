#include <chrono>

#include "client/commands/commands.h"
#include "client/commands/results.h"
#include "client/connection.h"
#include "client/exit_code.h"

namespace torchlap::client {
namespace {

int64_t NowNs() {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

// A label selects; the flag --label only narrows.
bool NamesRuns(const ExportOptions& options) { return !options.filter.selectors.empty(); }

}  // namespace

absl::StatusOr<int> Execute(const ExportOptions& options, const Invocation& invocation) {
  auto filter = BuildFilter(options.filter, NowNs());
  if (!filter.ok()) return filter.status();
  if (!NamesRuns(options)) filter->mutable_selector()->set_last(true);
  if (filter->purposes().empty()) filter->add_purposes(v1::PURPOSE_MEASURE);
  auto output = ChooseOutput(options.output, RunFormats());
  if (!output.ok()) return output.status();
  auto connection = Connection::Open(invocation.address);
  if (!connection.ok()) return connection.status();
  const absl::Status printed =
      PrintResults(*filter, *output, invocation.console, connection->get());
  if (!printed.ok()) return printed;
  return kExitOk;
}

}  // namespace torchlap::client
