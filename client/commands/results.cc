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

absl::Status PrintResults(const v1::RunFilter& filter, const Output& output, const Console& console,
                          DaemonChannel* channel) {
  auto rows = FetchRows(filter, output.format->rows, channel);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) *console.err << "no runs match\n";
  return WriteOutput(output, console, format::ShowResults(*std::move(rows)));
}

}  // namespace torchlap::client
