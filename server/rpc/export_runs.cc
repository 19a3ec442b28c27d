#include "server/rpc/export_runs.h"

#include <utility>

#include "server/measure/launch_runs.h"
#include "server/rpc/job_choice.h"

namespace torchlap::rpc {
namespace {

// Runs come by job: collects those of one job and turns them into a row when the next job begins.
class Cells {
 public:
  void Take(v1::Run run, v1::ExportRunsResponse* rows) {
    if (!runs_.empty() && runs_.back().job_id() != run.job_id()) Flush(rows);
    runs_.push_back(std::move(run));
  }
  void Flush(v1::ExportRunsResponse* rows) {
    if (runs_.empty()) return;
    *rows->add_rows() = measure::CellOf(runs_);
    runs_.clear();
  }

 private:
  std::vector<v1::Run> runs_;
};

}  // namespace

absl::Status ExportRuns::Stream(const storage::Caller& caller, const v1::ExportRunsRequest& request,
                                const Sink<v1::ExportRunsResponse>& sink) const {
  const auto selected = ChosenOrAll(*jobs_, caller, request.filter().selector());
  if (!selected.ok()) return selected.status();
  Cells cells;
  const bool by_cell = request.rows() == v1::ROW_KIND_CELL;
  const absl::Status status =
      runs_->Export(request.filter(), *selected, [&](std::vector<v1::Run> runs) {
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

}  // namespace torchlap::rpc
