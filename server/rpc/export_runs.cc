#include "server/rpc/export_runs.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proto/samples.h"
#include "server/measure/launch_runs.h"
#include "server/rpc/job_choice.h"
#include "server/rpc/text_check.h"
#include "storage/row_damage.h"

namespace torchlap::rpc {
namespace {

constexpr int kStepsInAMessage = 10'000;

bool LeftOut(const v1::Run& run, bool exclude_contaminated) {
  return exclude_contaminated && run.validity() == v1::VALIDITY_CONTAMINATED;
}

// The rows of one job's runs. Launches are pooled where they repeat one measurement. What a `fit`
// tries has a size of its own each time, and what warm-up steps change does not survive pooling.
void AppendCells(std::vector<v1::Run> runs, bool exclude_contaminated,
                 v1::ExportRunsResponse* rows) {
  switch (runs.front().purpose()) {
    case v1::PURPOSE_FIT:
      for (v1::Run& run : runs) {
        if (!LeftOut(run, exclude_contaminated)) *rows->add_rows() = std::move(run);
      }
      return;
    case v1::PURPOSE_WARMUP:
    case v1::PURPOSE_CALIBRATE: {
      v1::Run row = measure::OneOf(runs);
      if (!LeftOut(row, exclude_contaminated)) *rows->add_rows() = std::move(row);
      return;
    }
    default:
      if (std::optional<v1::Run> row =
              exclude_contaminated ? measure::QuietCellOf(runs) : measure::CellOf(runs)) {
        *rows->add_rows() = *std::move(row);
      }
  }
}

// What stays in a cell though it is invalid: all, or what is named.
struct Kept {
  explicit Kept(const v1::RunFilter& filter) : all(filter.include_invalid()) {
    if (filter.selector().all()) return;
    run_ids.insert(filter.selector().run_ids().begin(), filter.selector().run_ids().end());
  }
  bool all = false;
  std::set<std::string> run_ids;
};

// Runs come by job: collects those of one job and turns them into rows when the next job begins.
class Cells {
 public:
  explicit Cells(const v1::RunFilter& filter)
      : exclude_contaminated_(filter.exclude_contaminated()), kept_(filter) {}

  void Take(v1::Run run, v1::ExportRunsResponse* rows) {
    if (!runs_.empty() && runs_.back().job_id() != run.job_id()) Flush(rows);
    runs_.push_back(std::move(run));
  }
  void Flush(v1::ExportRunsResponse* rows) {
    std::vector<v1::Run> runs;
    runs.swap(runs_);
    if (!kept_.all) runs = measure::ValidRuns(std::move(runs), kept_.run_ids);
    if (!runs.empty()) AppendCells(std::move(runs), exclude_contaminated_, rows);
  }

 private:
  const bool exclude_contaminated_;
  const Kept kept_;
  std::vector<v1::Run> runs_;
};

absl::Status Written(bool is_taken) { return is_taken ? absl::OkStatus() : ReaderGone(); }

// Where the rows were not counted message by message: in a last one.
absl::Status TellUnreadable(uint64_t rows, const Sink<v1::ExportRunsResponse>& sink) {
  if (rows == 0) return absl::OkStatus();
  v1::ExportRunsResponse last;
  last.set_unreadable_rows(rows);
  return Written(sink(std::move(last)));
}

}  // namespace

absl::Status ExportRuns::Stream(const storage::Caller& caller, const v1::ExportRunsRequest& request,
                                const Sink<v1::ExportRunsResponse>& sink) const {
  if (absl::Status texts = CheckTexts(request.filter()); !texts.ok()) return texts;
  const auto selected = ChosenOrAll(*jobs_, caller, request.filter().selector());
  if (!selected.ok()) return selected.status();
  if (request.rows() == v1::ROW_KIND_CELL) {
    if (!request.with_samples()) return StreamCells(request, *selected, sink);
    return absl::InvalidArgumentError("with_samples is set and rows is a row a cell, must be runs");
  }
  if (request.with_samples()) {
    uint64_t unreadable = 0;
    const absl::Status status = runs_->Export(
        request.filter(), *selected, request.with_unfinished(),
        [&](storage::RunRows runs) { return WriteWithSamples(std::move(runs), sink, &unreadable); },
        &unreadable);
    return status.ok() ? TellUnreadable(unreadable, sink) : status;
  }
  const auto parts = request.without_assessment() ? storage::RunParts::kWithoutAssessment
                                                  : storage::RunParts::kAll;
  return runs_->ExportEncoded(
      request.filter(), *selected, request.with_unfinished(), parts,
      [&](v1::ExportRunsResponse rows) { return Written(sink(std::move(rows))); });
}

absl::Status ExportRuns::StreamCells(const v1::ExportRunsRequest& request,
                                     const storage::JobFilter& selected,
                                     const Sink<v1::ExportRunsResponse>& sink) const {
  v1::RunFilter filter = request.filter();
  Cells cells(filter);
  // A cell must know of the result that it leaves out: else a failure before it would stand there.
  filter.clear_exclude_contaminated();
  filter.set_include_invalid(true);
  uint64_t unreadable = 0;
  const absl::Status status = runs_->Export(
      filter, selected, request.with_unfinished(),
      [&](storage::RunRows runs) {
        v1::ExportRunsResponse batch;
        for (v1::Run& run : runs) cells.Take(std::move(run), &batch);
        return Written(batch.rows().empty() || sink(std::move(batch)));
      },
      &unreadable);
  if (!status.ok()) return status;
  v1::ExportRunsResponse last;
  cells.Flush(&last);
  if (!last.rows().empty() && !sink(std::move(last))) return ReaderGone();
  return TellUnreadable(unreadable, sink);
}

// A message a run, the first of its steps with it; the others follow.
absl::Status ExportRuns::WriteWithSamples(storage::RunRows runs,
                                          const Sink<v1::ExportRunsResponse>& sink,
                                          uint64_t* unreadable) const {
  for (v1::Run& run : runs) {
    v1::SampleBlock samples;
    if (!run.run_id().empty()) {
      auto stored = runs_->Samples(run.run_id());
      if (storage::IsRowDamaged(stored.status())) {
        ++*unreadable;
        continue;
      }
      if (!stored.ok()) return stored.status();
      samples = *std::move(stored);
    }
    v1::ExportRunsResponse message;
    *message.add_rows() = std::move(run);
    const int steps = samples.step_ns_size();
    for (int begin = 0; begin == 0 || begin < steps; begin += kStepsInAMessage) {
      const int end = std::min(steps, begin + kStepsInAMessage);
      if (steps > 0) *message.mutable_samples() = Slice(samples, begin, end);
      if (!sink(std::move(message))) return ReaderGone();
      message.Clear();
    }
  }
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
