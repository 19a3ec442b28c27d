#include "client/commands/traces.h"

#include <fmt/format.h>

#include <filesystem>
#include <vector>

#include "client/commands/results.h"
#include "client/exit_code.h"

namespace torchlap::client {
namespace {

absl::Status FetchTrace(const std::string& run_id, const std::string& path, const Console& console,
                        DaemonChannel* channel) {
  v1::ReadTraceRequest request;
  request.set_run_id(run_id);
  std::string trace;
  const absl::Status status = channel->ReadTrace(
      request, [&trace](const v1::ReadTraceResponse& part) { trace += part.data(); });
  if (!status.ok()) return status;
  if (absl::Status written = WriteFileWhole(path, trace); !written.ok()) return written;
  SayLine(console, "wrote " + path);
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeTraceFolder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (std::filesystem::is_directory(folder, error)) return absl::OkStatus();
  return OutputError(fmt::format("--trace is {}, must be a folder that can be made and written to",
                                 folder.empty() ? "''" : folder));
}

absl::Status FetchTraces(const v1::Selector& selector, const std::string& folder,
                         const Console& console, DaemonChannel* channel) {
  v1::RunFilter filter;
  *filter.mutable_selector() = selector;
  filter.add_purposes(v1::PURPOSE_TRACE);
  filter.add_outcomes(v1::OUTCOME_OK);
  v1::ExportRunsRequest request;
  *request.mutable_filter() = filter;
  request.set_rows(v1::ROW_KIND_RUN);
  const auto runs = FetchRows(request, channel);
  if (!runs.ok()) return runs.status();
  if (runs->empty()) *console.err << "no traces: no run of purpose trace ended OK\n";
  for (const v1::Run& run : *runs) {
    const std::string path = (std::filesystem::path(folder) / (run.run_id() + ".json")).string();
    if (absl::Status status = FetchTrace(run.run_id(), path, console, channel); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace torchlap::client
