#include "client/commands/results.h"

#include "client/format/runs.h"

namespace torchlap::client {

absl::StatusOr<std::vector<v1::Run>> FetchRows(const v1::RunFilter& filter, v1::RowKind kind,
                                               DaemonChannel* channel) {
  v1::ExportRunsRequest request;
  *request.mutable_filter() = filter;
  request.set_rows(kind);
  std::vector<v1::Run> rows;
  const auto take = [&rows](const v1::ExportRunsResponse& part) {
    rows.insert(rows.end(), part.rows().begin(), part.rows().end());
  };
  absl::Status status = channel->ExportRuns(request, take);
  if (status.code() == absl::StatusCode::kUnavailable && channel->Reopen().ok()) {
    rows.clear();
    status = channel->ExportRuns(request, take);
  }
  if (!status.ok()) return status;
  return rows;
}

std::vector<format::DeviceNote> FetchDeviceNotes(const std::vector<v1::Run>& rows,
                                                 DaemonChannel* channel) {
  std::vector<format::DeviceNote> notes = format::NotesOf(format::RowOfEachDevice(rows));
  for (format::DeviceNote& note : notes) {
    v1::GetRunRequest request;
    request.set_run_id(note.run.run_id());
    const absl::Status ignored = channel->GetRun(request, [&note](const v1::GetRunResponse& part) {
      if (part.has_detail()) note.environment = part.detail().environment();
    });
  }
  return notes;
}

absl::Status PrintResults(const v1::RunFilter& filter, const Output& output, const Console& console,
                          DaemonChannel* channel) {
  auto rows = FetchRows(filter, output.format->rows, channel);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) *console.err << "no runs match\n";
  const auto find_devices = [&rows, channel] { return FetchDeviceNotes(*rows, channel); };
  return WriteOutput(output, console, format::ShowResults(*rows, find_devices));
}

absl::Status PrintResultsAndTable(const v1::RunFilter& filter, const Output& output,
                                  const Console& console, DaemonChannel* channel) {
  if (!ShowsTableToo(output, console)) return PrintResults(filter, output, console, channel);
  const absl::Status printed = PrintResults(filter, WithoutAdvice(output), console, channel);
  return printed.ok() ? PrintResults(filter, Output{}, console, channel) : printed;
}

}  // namespace torchlap::client
