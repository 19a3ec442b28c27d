#include <fmt/format.h>

#include "client/commands/commands.h"
#include "client/commands/submission.h"
#include "client/exit_code.h"
#include "client/format/sheet.h"
#include "client/format/show.h"

namespace torchlap::client {
namespace {

format::Sheet SubmittedSheet(const v1::SubmitJobsResponse& response) {
  format::Sheet sheet;
  sheet.names = {"sweep_id", "job_id"};
  for (const uint64_t id : response.job_ids()) {
    sheet.rows.push_back({uint64_t{response.sweep_id()}, uint64_t{id}});
  }
  return sheet;
}

// `sweep:3 jobs 17 18 19`.
void WriteSubmittedLine(const v1::SubmitJobsResponse& response, std::ostream& out) {
  out << fmt::format("sweep:{} {}", response.sweep_id(),
                     response.job_ids_size() == 1 ? "job" : "jobs");
  for (const uint64_t id : response.job_ids()) out << ' ' << id;
  out << '\n';
}

void WriteSubmitted(format::Format format, const v1::SubmitJobsResponse& response,
                    std::ostream& out) {
  switch (format) {
    case format::Format::kCsv:
      return format::WriteCsv(SubmittedSheet(response), out);
    case format::Format::kJson:
      return format::WriteSubmittedJson(response, out);
    case format::Format::kJsonLines:
      return format::WriteJsonLines(SubmittedSheet(response), out);
    default:
      return WriteSubmittedLine(response, out);
  }
}

}  // namespace

absl::StatusOr<int> Execute(const SubmitOptions& options, const Invocation& invocation) {
  auto request = BuildSweep(options.sweep);
  if (!request.ok()) return request.status();
  auto output = ChooseOutput(options.output, RunFormats());
  if (!output.ok()) return output.status();
  auto connection = Connection::Open(invocation.address);
  if (!connection.ok()) return connection.status();
  auto submitted = SubmitOnce(*std::move(request), connection->get());
  if (!submitted.ok()) return submitted.status();
  const absl::Status written = WriteOutput(*output, invocation.console, [&](std::ostream& out) {
    WriteSubmitted(output->format, *submitted, out);
  });
  if (!written.ok()) return written;
  return kExitOk;
}

}  // namespace torchlap::client
