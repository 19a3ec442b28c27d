#include "server/rpc/run_streams.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <utility>
#include <vector>

#include "proto/samples.h"
#include "proto/words.h"
#include "server/host/state_folders.h"
#include "server/measure/summary.h"

namespace torchlap::rpc {
namespace {

constexpr int kStepsInAMessage = 10000;

absl::Status ReaderGone() { return absl::CancelledError("the reader is gone"); }

// Runs come by job: collects those of one job and turns them into a row when the next job begins.
class Cells {
 public:
  void Take(v1::Run run, v1::ExportRunsResponse* rows) {
    if (!runs_.empty() && runs_.back().job_id() != run.job_id()) Flush(rows);
    runs_.push_back(std::move(run));
  }
  void Flush(v1::ExportRunsResponse* rows) {
    if (runs_.empty()) return;
    *rows->add_rows() = CellOf(runs_);
    runs_.clear();
  }

 private:
  std::vector<v1::Run> runs_;
};

constexpr size_t kTraceBytesInAMessage = 256 * 1024;

// Whether the run may have a trace.
absl::Status CheckTraced(const v1::Run& run) {
  if (run.purpose() != v1::PURPOSE_TRACE) {
    return absl::NotFoundError(fmt::format("run {} has no trace: its purpose is {}, not trace",
                                           run.run_id(), Word(run.purpose())));
  }
  if (run.outcome() == v1::OUTCOME_UNSPECIFIED) {
    return absl::FailedPreconditionError(
        fmt::format("run {} has no trace yet: it is not finished", run.run_id()));
  }
  return absl::OkStatus();
}

}  // namespace

v1::Run CellOf(const std::vector<v1::Run>& runs) {
  std::vector<v1::Run> ok;
  std::copy_if(runs.begin(), runs.end(), std::back_inserter(ok), [](const v1::Run& run) {
    return run.outcome() == v1::OUTCOME_OK && run.purpose() != v1::PURPOSE_TRACE;
  });
  return ok.empty() ? runs.back() : measure::PoolLaunches(ok);
}

absl::Status StreamRun(const Requests& requests, const storage::Caller& /*caller*/,
                       const v1::GetRunRequest& request,
                       const std::function<bool(v1::GetRunResponse)>& sink) {
  auto detail = requests.setting().runs->Get(request.run_id());
  if (!detail.ok()) return detail.status();
  const auto samples = requests.setting().runs->Samples(request.run_id());
  if (!samples.ok()) return samples.status();
  v1::GetRunResponse head;
  *head.mutable_detail() = *std::move(detail);
  if (!sink(std::move(head))) return ReaderGone();
  const int steps = samples->step_ns_size();
  for (int begin = 0; begin < steps; begin += kStepsInAMessage) {
    v1::GetRunResponse part;
    *part.mutable_samples() = Slice(*samples, begin, std::min(steps, begin + kStepsInAMessage));
    if (!sink(std::move(part))) return ReaderGone();
  }
  return absl::OkStatus();
}

absl::Status StreamExport(const Requests& requests, const storage::Caller& caller,
                          const v1::ExportRunsRequest& request,
                          const std::function<bool(v1::ExportRunsResponse)>& sink) {
  storage::JobFilter selected;
  if (request.filter().selector().ByteSizeLong() > 0) {
    auto resolved = requests.setting().jobs->Resolve(request.filter().selector(), caller);
    if (!resolved.ok()) return resolved.status();
    selected = *std::move(resolved);
  }
  Cells cells;
  const bool by_cell = request.rows() == v1::ROW_KIND_CELL;
  const absl::Status status =
      requests.setting().runs->Export(request.filter(), selected, [&](std::vector<v1::Run> runs) {
        v1::ExportRunsResponse batch;
        for (v1::Run& run : runs) {
          if (by_cell) {
            cells.Take(std::move(run), &batch);
          } else {
            *batch.add_rows() = std::move(run);
          }
        }
        return batch.rows().empty() || sink(std::move(batch)) ? absl::OkStatus() : ReaderGone();
      });
  if (!status.ok()) return status;
  v1::ExportRunsResponse last;
  cells.Flush(&last);
  return last.rows().empty() || sink(std::move(last)) ? absl::OkStatus() : ReaderGone();
}

absl::Status StreamTrace(const Requests& requests, const storage::Caller& /*caller*/,
                         const v1::ReadTraceRequest& request,
                         const std::function<bool(v1::ReadTraceResponse)>& sink) {
  const auto detail = requests.setting().runs->Get(request.run_id());
  if (!detail.ok()) return detail.status();
  if (absl::Status traced = CheckTraced(detail->run()); !traced.ok()) return traced;
  std::ifstream file(
      host::TraceFile(requests.setting().configuration->state_folder, request.run_id()),
      std::ios::binary);
  if (!file) {
    return absl::NotFoundError(fmt::format("run {} left no trace: it ended {}", request.run_id(),
                                           Word(detail->run().outcome())));
  }
  std::string piece(kTraceBytesInAMessage, '\0');
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())), file.gcount() > 0) {
    v1::ReadTraceResponse part;
    part.set_data(piece.data(), static_cast<size_t>(file.gcount()));
    if (!sink(std::move(part))) return ReaderGone();
  }
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
