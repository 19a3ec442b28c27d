#include "client/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ostream>

#include "client/format/calibration.h"
#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/subject.h"
#include "client/format/words.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client {
namespace {

constexpr int kBarWidth = 20;
constexpr char kEraseLine[] = "\r\x1b[K";

bool IsFinished(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

std::string Colored(const std::string& text, const char* code, bool color) {
  return color ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

std::string ResultWords(const FinishedCell& cell) {
  if (!cell.run || cell.run->outcome() == v1::OUTCOME_UNSPECIFIED) {
    const std::string state(Word(cell.job.state()));
    return cell.job.reason().empty() ? state : state + ": " + cell.job.reason();
  }
  if (cell.job.state() == v1::JOB_STATE_CANCELLED) return std::string(Word(cell.job.state()));
  if (cell.run->outcome() != v1::OUTCOME_OK) return format::FailureWords(*cell.run);
  if (cell.run->workload().has_calibration()) return format::PeakWords(cell.run->calibration());
  std::string words = format::StepTimeCell(*cell.run) + " ms a step";
  const std::string note = format::NoteWords(*cell.run);
  return note.empty() ? words : words + ", " + note;
}

// What tells the jobs of a warm-up comparison apart.
std::string WarmupWords(const v1::JobSpec& spec) {
  if (spec.purpose() != v1::PURPOSE_WARMUP) return "";
  return fmt::format(", {} warm-up", spec.plan().warmup_steps());
}

std::string StepWords(const v1::Progress& progress) {
  if (progress.steps_done() == 0 && progress.steps_total() == 0) return "building";
  std::string words = progress.steps_total() == 0 ? fmt::format("step {}", progress.steps_done())
                                                  : fmt::format("step {}/{}", progress.steps_done(),
                                                                progress.steps_total());
  if (progress.has_step_ns()) {
    words += ", " + format::Significant(static_cast<double>(progress.step_ns()) / 1e6, 4) + " ms";
  }
  return words;
}

// Only while there is something left.
std::string EstimateWords(const SweepProgress& progress) {
  const std::optional<double> seconds = progress.remaining_seconds();
  if (!seconds || *seconds <= 0) return "";
  const auto left =
      std::chrono::ceil<std::chrono::seconds>(std::chrono::duration<double>(*seconds));
  return fmt::format(", about {} left", ShortDuration(left));
}

std::string Bar(size_t done, size_t total) {
  const size_t filled = total == 0 ? 0 : done * kBarWidth / total;
  return "[" + std::string(filled, '=') + std::string(kBarWidth - filled, ' ') + "]";
}

// Cut by code points, so that no character is torn.
std::string Shortened(const std::string& text, size_t columns) {
  size_t seen = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80 && seen++ == columns) {
      return text.substr(0, i);
    }
  }
  return text;
}

}  // namespace

std::vector<FinishedCell> SweepProgress::Apply(const v1::WatchJobsResponse& change) {
  std::vector<FinishedCell> finished;
  if (change.has_snapshot()) ApplySnapshot(change.snapshot(), &finished);
  if (change.has_event()) ApplyEvent(change.event(), &finished);
  if (change.has_progress()) {
    const auto cell = cells_.find(change.progress().job_id());
    // A late report of a run that has ended says nothing any more.
    if (cell != cells_.end() && cell->second.job.state() == v1::JOB_STATE_RUNNING) {
      cell->second.progress = change.progress();
    }
  }
  return finished;
}

void SweepProgress::ApplySnapshot(const v1::JobSnapshot& snapshot,
                                  std::vector<FinishedCell>* finished) {
  for (const v1::Job& job : snapshot.jobs()) {
    Cell& cell = cells_[job.job_id()];
    cell.job = job;
    cell.progress.reset();
    if (IsFinished(job.state())) Report(&cell, nullptr, finished);
  }
  snapshot_is_whole_ = !snapshot.more();
  if (snapshot_is_whole_) sequence_ = snapshot.sequence();
}

void SweepProgress::ApplyEvent(const v1::JobEvent& event, std::vector<FinishedCell>* finished) {
  if (sequence_ && event.sequence() <= *sequence_) return;  // seen before the connection broke
  sequence_ = event.sequence();
  const auto place = cells_.find(event.job_id());
  if (place == cells_.end()) return;
  Cell& cell = place->second;
  cell.job.set_state(event.state());
  const bool run_ended = event.has_run() && event.run().outcome() != v1::OUTCOME_UNSPECIFIED;
  if (run_ended) {
    cell.progress.reset();
    if (event.run().has_duration_ns() && IsFinished(event.state())) {
      finished_seconds_ += static_cast<double>(event.run().duration_ns()) / 1e9;
      ++timed_cells_;
    }
  } else if (event.has_run()) {
    // The display names the sizes that are being tried.
    *cell.job.mutable_spec()->mutable_workload() = event.run().workload();
    cell.progress.emplace();
    cell.progress->set_job_id(event.job_id());
  }
  if (run_ended && event.run().purpose() != v1::PURPOSE_TRACE) cell.measured = event.run();
  if (!IsFinished(event.state())) return;
  // A trace is the last run of its job, but what counts is the measured one before it.
  const bool was_traced = run_ended && event.run().purpose() == v1::PURPOSE_TRACE &&
                          event.run().outcome() == v1::OUTCOME_OK && cell.measured;
  if (was_traced) return Report(&cell, &*cell.measured, finished);
  Report(&cell, run_ended ? &event.run() : nullptr, finished);
}

void SweepProgress::Report(Cell* cell, const v1::Run* run, std::vector<FinishedCell>* finished) {
  if (cell->reported) return;
  cell->reported = true;
  FinishedCell& done = finished->emplace_back();
  done.job = cell->job;
  if (run != nullptr) done.run = *run;
}

bool SweepProgress::finished() const { return snapshot_is_whole_ && done() == total(); }

size_t SweepProgress::done() const {
  return static_cast<size_t>(std::count_if(cells_.begin(), cells_.end(), [](const auto& entry) {
    return IsFinished(entry.second.job.state());
  }));
}

size_t SweepProgress::failed() const {
  return static_cast<size_t>(std::count_if(cells_.begin(), cells_.end(), [](const auto& entry) {
    return IsFinished(entry.second.job.state()) &&
           entry.second.job.state() != v1::JOB_STATE_SUCCEEDED;
  }));
}

std::vector<uint64_t> SweepProgress::job_ids() const {
  std::vector<uint64_t> ids;
  for (const auto& [id, cell] : cells_) ids.push_back(id);
  return ids;
}

std::optional<SweepProgress::Current> SweepProgress::current() const {
  for (const auto& [id, cell] : cells_) {
    if (cell.job.state() == v1::JOB_STATE_RUNNING && cell.progress) {
      return Current{cell.job, *cell.progress};
    }
  }
  return std::nullopt;
}

std::optional<double> SweepProgress::SecondsLeftInCurrent() const {
  const auto now = current();
  if (!now || !now->progress.has_step_ns() || now->progress.steps_total() == 0) {
    return std::nullopt;
  }
  const uint32_t left = now->progress.steps_total() - now->progress.steps_done();
  return left * static_cast<double>(now->progress.step_ns()) / 1e9;
}

std::optional<double> SweepProgress::remaining_seconds() const {
  const std::optional<double> in_current = SecondsLeftInCurrent();
  const size_t waiting = total() - done() - (current() ? 1 : 0);
  if (timed_cells_ > 0) {
    const double typical = finished_seconds_ / static_cast<double>(timed_cells_);
    return in_current.value_or(current() ? typical : 0) + typical * static_cast<double>(waiting);
  }
  if (!in_current) return std::nullopt;
  const auto now = current();
  const double whole =
      now->progress.steps_total() * static_cast<double>(now->progress.step_ns()) / 1e9;
  return *in_current + whole * static_cast<double>(waiting);
}

std::string FinishedLine(const FinishedCell& cell, size_t done, size_t total) {
  // A size that the ladder reached is in the result's note; the line names what was asked for.
  v1::Workload workload = cell.job.spec().workload();
  if (cell.run && cell.run->requested_batch_size() != 0) {
    format::SetSizes(cell.run->requested_batch_size(), cell.run->requested_context_length(),
                     &workload);
  }
  return fmt::format("{} {}: {} ({} of {})", cell.job.job_id(),
                     format::WorkloadWords(workload) + WarmupWords(cell.job.spec()),
                     ResultWords(cell), done, total);
}

std::string ProgressLine(const SweepProgress& progress, int columns, bool color) {
  const std::string bar = Bar(progress.done(), progress.total());
  std::string rest = fmt::format(" {}/{}", progress.done(), progress.total());
  if (progress.failed() > 0) rest += fmt::format(", {} failed", progress.failed());
  const auto current = progress.current();
  if (!progress.finished()) rest += "  " + (current ? StepWords(current->progress) : "waiting");
  rest += EstimateWords(progress);
  // Last, as it is what a narrow terminal can do without.
  if (current) {
    const v1::JobSpec& spec = current->job.spec();
    rest += "  " + format::WorkloadWords(spec.workload()) + WarmupWords(spec);
  }
  // The last column stays free: writing to it wraps on some terminals.
  const size_t room = static_cast<size_t>(std::max(columns - 1, kBarWidth + 2)) - bar.size();
  return Colored(bar, progress.failed() > 0 ? "31" : "32", color) + Shortened(rest, room);
}

void ProgressDisplay::Show(const SweepProgress& progress,
                           const std::vector<FinishedCell>& finished) {
  if (quiet_) return;
  if (console_.live) {
    *console_.err << kEraseLine << ProgressLine(progress, console_.columns, console_.color)
                  << std::flush;
    drawn_ = true;
    return;
  }
  size_t number = progress.done() - std::min(finished.size(), progress.done());
  for (const FinishedCell& cell : finished) Say(FinishedLine(cell, ++number, progress.total()));
}

void ProgressDisplay::Say(const std::string& line) {
  Clear();
  *console_.err << line << '\n' << std::flush;
}

void ProgressDisplay::Clear() {
  if (drawn_) *console_.err << kEraseLine << std::flush;
  drawn_ = false;
}

}  // namespace torchlap::client
