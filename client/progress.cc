#include "client/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <ostream>
#include <string_view>
#include <utility>

#include "client/format/calibration.h"
#include "client/format/evidence.h"
#include "client/format/fit.h"
#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/subject.h"
#include "client/format/words.h"
#include "client/time_words.h"
#include "proto/base/visible_text.h"
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

// `the last of 3 launches took `; empty of one launch, which is all of its cell.
std::string LastLaunchWords(const v1::JobSpec& spec) {
  const uint32_t launches = spec.plan().launches();
  return launches > 1 ? fmt::format("the last of {} launches took ", launches) : "";
}

std::string ResultWords(const FinishedCell& cell) {
  if (!cell.run || cell.run->outcome() == v1::OUTCOME_UNSPECIFIED) {
    const std::string state(Word(cell.job.state()));
    return cell.job.reason().empty() ? state : state + ": " + cell.job.reason();
  }
  if (cell.job.state() == v1::JOB_STATE_CANCELLED) return std::string(Word(cell.job.state()));
  if (cell.run->outcome() != v1::OUTCOME_OK) return format::FailureWords(*cell.run);
  if (cell.run->workload().has_calibration()) return format::PeakWords(cell.run->calibration());
  std::string words =
      LastLaunchWords(cell.job.spec()) + format::StepTimeCell(*cell.run) + " ms a step";
  const std::string note = format::NoteWords(*cell.run);
  return note.empty() ? words : words + ", " + note;
}

// A job as traits look at it.
v1::Run AskedFor(const v1::JobSpec& spec) {
  v1::Run run;
  *run.mutable_workload() = spec.workload();
  *run.mutable_plan() = spec.plan();
  const format::Subject subject = format::SubjectOf(spec.workload());
  run.set_requested_batch_size(subject.batch_size);
  run.set_requested_context_length(subject.context_length);
  return run;
}

// The sizes and the pass stand in WorkloadWords.
bool IsInWorkloadWords(const format::Trait& trait) {
  const std::string_view title = trait.title;
  return title == "pass" || title == "batch" || title == "context";
}

// `batch 150`, `context 128`; empty if the sizes are the same.
std::string ChangedSizes(const v1::Run& before, const v1::Run& after) {
  const format::Subject old_subject = format::SubjectOf(before);
  const format::Subject subject = format::SubjectOf(after);
  std::vector<std::string> sizes;
  if (subject.batch_size != old_subject.batch_size) {
    sizes.push_back(fmt::format("batch {}", subject.batch_size));
  }
  if (subject.context_length != old_subject.context_length) {
    sizes.push_back(fmt::format("context {}", subject.context_length));
  }
  return fmt::format("{}", fmt::join(sizes, ", "));
}

// Why there is another try: what became of the one before. Short: `show` has the rest.
std::string EndWords(const v1::Run& run) {
  if (run.outcome() == v1::OUTCOME_OK) {
    const std::string verdict = format::VerdictWords(run);
    return verdict.empty() ? "OK" : verdict;
  }
  std::string words = format::OutcomeName(run.outcome());
  if (run.failure().phase() != v1::PHASE_UNSPECIFIED) {
    words += fmt::format(" in {}", Word(run.failure().phase()));
  }
  return words;
}

// Launches follow each other as planned; everything else is another try.
bool IsAnotherTry(v1::Cause cause) {
  return cause != v1::CAUSE_UNSPECIFIED && cause != v1::CAUSE_FIRST;
}

std::string StepWords(const v1::Progress& progress) {
  if (progress.steps_done() == 0 && progress.steps_total() == 0) return "building";
  // A count, not the number of a step: those begin with 0.
  std::string words =
      progress.steps_total() == 0
          ? fmt::format("{} steps", progress.steps_done())
          : fmt::format("{}/{} steps", progress.steps_done(), progress.steps_total());
  if (progress.has_step_ns()) {
    words += ", " + format::Significant(static_cast<double>(progress.step_ns()) / 1e6, 4) + " ms";
  }
  return words;
}

// `launch 2 of 7, `.
std::string LaunchWords(const SweepProgress::Current& current) {
  const uint32_t launches = current.job.spec().plan().launches();
  return launches > 1 ? fmt::format("launch {} of {}, ", current.launch + 1, launches) : "";
}

// A shuffled sweep is behind its own jobs; what it waits for is what the first of these waits for.
bool IsAheadOf(const v1::WaitReason& wait, const v1::WaitReason& other) {
  if (other.code() != v1::WaitReason::CODE_BEHIND) return false;
  if (wait.code() == v1::WaitReason::CODE_BEHIND) return wait.jobs_ahead() < other.jobs_ahead();
  return wait.code() != v1::WaitReason::CODE_UNSPECIFIED;
}

std::string WaitingWords(const SweepProgress& progress) {
  const std::string why = format::WaitWords(progress.waiting_reason());
  return why.empty() ? "waiting" : "waiting: " + why;
}

std::string DoingWords(const SweepProgress::Current& current) {
  const std::string not_stored = format::NotStoredWords(current.job);
  return not_stored.empty() ? StepWords(current.progress) : not_stored;
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
  if (change.has_snapshot() && snapshot_is_whole_) Compare();
  if (change.has_waiting()) ApplyWaiting(change.waiting());
  if (change.has_progress()) {
    const auto cell = cells_.find(change.progress().job_id());
    // A late report of a run that has ended says nothing any more.
    if (cell != cells_.end() && cell->second.job.state() == v1::JOB_STATE_RUNNING) {
      cell->second.progress = change.progress();
      if (change.progress().has_step_ns()) {
        pace_.LearnStep(cell->second.job.spec().workload(),
                        static_cast<double>(change.progress().step_ns()) / 1e9);
      }
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
    if (!job.not_stored().empty()) cell.progress.emplace().set_job_id(job.job_id());
    if (IsFinished(job.state())) Report(&cell, nullptr, finished);
  }
  snapshot_is_whole_ = !snapshot.more();
  if (snapshot_is_whole_) sequence_ = snapshot.sequence();
}

void SweepProgress::ApplyEvent(const v1::JobEvent& event, std::vector<FinishedCell>* finished) {
  if (sequence_ && event.sequence() <= *sequence_) return;  // seen before the connection broke
  sequence_ = event.sequence();
  ForgetOldReasons();
  const auto place = cells_.find(event.job_id());
  if (place == cells_.end()) return;
  Cell& cell = place->second;
  cell.job.set_state(event.state());
  cell.job.clear_not_stored();
  cell.job.clear_wait();
  const bool run_ended = event.has_run() && event.run().outcome() != v1::OUTCOME_UNSPECIFIED;
  if (run_ended) {
    cell.progress.reset();
    // What is ruled out by arithmetic ends without having begun.
    if (cell.ended && cell.ended->run_id() != event.run().run_id()) AddTry(event.run(), cell);
    cell.ended = event.run();
    Learn(event.run(), IsFinished(event.state()));
  } else if (event.has_run()) {
    Begin(event.run(), &cell);
  }
  if (run_ended && event.run().purpose() != v1::PURPOSE_TRACE) cell.measured = event.run();
  if (!IsFinished(event.state())) return;
  // A trace is the last run of its job, but what counts is the measured one before it.
  const bool was_traced = run_ended && event.run().purpose() == v1::PURPOSE_TRACE &&
                          event.run().outcome() == v1::OUTCOME_OK && cell.measured;
  if (was_traced) return Report(&cell, &*cell.measured, finished);
  Report(&cell, run_ended ? &event.run() : nullptr, finished);
}

void SweepProgress::Begin(const v1::Run& run, Cell* cell) {
  // The display names the sizes that are being tried.
  *cell->job.mutable_spec()->mutable_workload() = run.workload();
  cell->progress.emplace();
  cell->progress->set_job_id(cell->job.job_id());
  cell->launch = run.launch();
  if (cell->ended) AddTry(run, *cell);
  cell->ended.reset();
}

void SweepProgress::AddTry(const v1::Run& run, const Cell& cell) {
  if (IsAnotherTry(run.cause())) tries_.push_back({*cell.ended, run, DistinctionOf(cell)});
}

void SweepProgress::Learn(const v1::Run& run, bool ends_job) {
  pace_.Learn(run);
  if (!run.has_duration_ns() || !ends_job) return;
  finished_seconds_ += static_cast<double>(run.duration_ns()) / 1e9;
  ++timed_cells_;
}

void SweepProgress::Compare() {
  varying_.clear();
  if (cells_.empty()) return;
  const v1::Run first = AskedFor(cells_.begin()->second.job.spec());
  const auto differs = [&](const auto& value) {
    return std::any_of(cells_.begin(), cells_.end(), [&](const auto& entry) {
      return value(AskedFor(entry.second.job.spec())) != value(first);
    });
  };
  for (const format::Trait& trait : format::Traits()) {
    if (differs(trait.value)) varying_.push_back(&trait);
  }
  models_differ_ = differs([](const v1::Run& run) { return format::SubjectName(run.workload()); });
}

std::string SweepProgress::DistinctionOf(const Cell& cell) const {
  std::vector<const format::Trait*> others;
  std::copy_if(varying_.begin(), varying_.end(), std::back_inserter(others),
               [](const format::Trait* trait) { return !IsInWorkloadWords(*trait); });
  return format::Distinction(AskedFor(cell.job.spec()), others);
}

std::string SweepProgress::ShortName(const Cell& cell) const {
  const v1::Workload& workload = cell.job.spec().workload();
  const std::string distinction = format::Distinction(AskedFor(cell.job.spec()), varying_);
  // An eager cell has no word beside one that is captured.
  if (distinction.empty()) return format::WorkloadWords(workload);
  // A narrow terminal has no room for what is the same everywhere.
  return models_differ_ ? format::SubjectName(workload) + distinction : distinction.substr(2);
}

std::vector<NextTry> SweepProgress::TakeTries() { return std::exchange(tries_, {}); }

void SweepProgress::Report(Cell* cell, const v1::Run* run, std::vector<FinishedCell>* finished) {
  if (cell->reported) return;
  cell->reported = true;
  FinishedCell& done = finished->emplace_back();
  done.job = cell->job;
  done.distinction = DistinctionOf(*cell);
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

size_t SweepProgress::cancelled() const {
  return static_cast<size_t>(std::count_if(cells_.begin(), cells_.end(), [](const auto& entry) {
    return entry.second.job.state() == v1::JOB_STATE_CANCELLED;
  }));
}

std::optional<uint64_t> SweepProgress::waiting_job() const {
  const v1::Job* next = nullptr;
  for (const auto& [id, cell] : cells_) {
    if (cell.job.state() == v1::JOB_STATE_RUNNING) return std::nullopt;
    if (cell.job.state() != v1::JOB_STATE_QUEUED) continue;
    if (next == nullptr || IsAheadOf(cell.job.wait(), next->wait())) next = &cell.job;
  }
  return next == nullptr ? std::nullopt : std::optional(next->job_id());
}

// An older daemon does not say when they change.
void SweepProgress::ForgetOldReasons() {
  if (is_told_of_waiting_) return;
  for (auto& [id, cell] : cells_) cell.job.clear_wait();
}

void SweepProgress::ApplyWaiting(const v1::Waiting& waiting) {
  is_told_of_waiting_ = true;
  const auto place = cells_.find(waiting.job_id());
  if (place == cells_.end() || place->second.job.state() != v1::JOB_STATE_QUEUED) return;
  *place->second.job.mutable_wait() = waiting.reason();
}

v1::WaitReason SweepProgress::waiting_reason() const {
  const std::optional<uint64_t> job_id = waiting_job();
  return job_id ? cells_.at(*job_id).job.wait() : v1::WaitReason();
}

std::vector<uint64_t> SweepProgress::job_ids() const {
  std::vector<uint64_t> ids;
  for (const auto& [id, cell] : cells_) ids.push_back(id);
  return ids;
}

std::optional<v1::Job> SweepProgress::first_job() const {
  if (cells_.empty()) return std::nullopt;
  return cells_.begin()->second.job;
}

std::optional<SweepProgress::Current> SweepProgress::current() const {
  for (const auto& [id, cell] : cells_) {
    if (cell.job.state() == v1::JOB_STATE_RUNNING && cell.progress) {
      return Current{cell.job, *cell.progress, cell.launch, ShortName(cell)};
    }
  }
  return std::nullopt;
}

std::optional<double> SweepProgress::SecondsOfLaunch(const v1::JobSpec& spec) const {
  if (const std::optional<double> seconds = pace_.LaunchSeconds(spec)) return seconds;
  if (timed_cells_ == 0) return std::nullopt;
  return finished_seconds_ / static_cast<double>(timed_cells_);
}

std::optional<double> SweepProgress::SecondsLeft(const Cell& cell) const {
  const v1::JobSpec& spec = cell.job.spec();
  const std::optional<double> launch = SecondsOfLaunch(spec);
  if (!launch) return std::nullopt;
  const double launches = std::max(spec.plan().launches(), 1U);
  if (!cell.progress || cell.job.state() != v1::JOB_STATE_RUNNING) return launches * *launch;
  const double after = std::max(launches - 1 - cell.launch, 0.0) * *launch;
  const v1::Progress& now = *cell.progress;
  if (!now.has_step_ns() || now.steps_total() == 0) return after + *launch;
  const uint32_t steps = now.steps_total() - std::min(now.steps_done(), now.steps_total());
  return after + steps * static_cast<double>(now.step_ns()) / 1e9;
}

std::optional<double> SweepProgress::remaining_seconds() const {
  double sum = 0;
  for (const auto& [id, cell] : cells_) {
    if (IsFinished(cell.job.state())) continue;
    const std::optional<double> seconds = SecondsLeft(cell);
    if (!seconds) return std::nullopt;
    sum += *seconds;
  }
  return sum;
}

std::string FinishedLine(const FinishedCell& cell, size_t done, size_t total) {
  // A size that the ladder reached is in the result's note; the line names what was asked for.
  v1::Workload workload = cell.job.spec().workload();
  if (cell.run && cell.run->requested_batch_size() != 0) {
    format::SetSizes(cell.run->requested_batch_size(), cell.run->requested_context_length(),
                     &workload);
  }
  return fmt::format("{} {}: {} ({} of {})", cell.job.job_id(),
                     format::WorkloadWords(workload) + cell.distinction, ResultWords(cell), done,
                     total);
}

std::string NextTryLine(const NextTry& next) {
  if (next.begun.purpose() == v1::PURPOSE_FIT) return format::TryLine(next.ended);
  const std::string sizes = ChangedSizes(next.ended, next.begun);
  return fmt::format("{} {}: {}, trying {}", next.ended.job_id(),
                     format::WorkloadWords(next.ended.workload()) + next.distinction,
                     EndWords(next.ended), sizes.empty() ? "again" : sizes);
}

std::string UnsuccessfulWords(const SweepProgress& progress) {
  const size_t cancelled = progress.cancelled();
  const size_t failed = progress.failed() - cancelled;
  std::string words;
  if (failed > 0 || cancelled == 0) words = fmt::format("{} failed", failed);
  if (cancelled > 0) words += fmt::format("{}{} cancelled", words.empty() ? "" : ", ", cancelled);
  return words;
}

std::string ProgressLine(const SweepProgress& progress, int columns, bool color) {
  const std::string bar = Bar(progress.done(), progress.total());
  std::string rest = fmt::format(" {}/{}", progress.done(), progress.total());
  if (progress.failed() > 0) rest += ", " + UnsuccessfulWords(progress);
  const auto current = progress.current();
  if (!progress.finished()) {
    rest +=
        "  " + (current ? LaunchWords(*current) + DoingWords(*current) : WaitingWords(progress));
  }
  rest += EstimateWords(progress);
  // Last, as it is what a narrow terminal can do without.
  if (current) rest += "  " + current->name;
  // The last column stays free: writing to it wraps on some terminals.
  const size_t room = static_cast<size_t>(std::max(columns - 1, kBarWidth + 2)) - bar.size();
  return Colored(bar, progress.failed() > 0 ? "31" : "32", color) + Shortened(Visible(rest), room);
}

void ProgressDisplay::Show(const SweepProgress& progress, const std::vector<FinishedCell>& finished,
                           const std::vector<NextTry>& tries) {
  if (quiet_) return;
  for (const NextTry& next : tries) Say(NextTryLine(next));
  size_t number = progress.done() - std::min(finished.size(), progress.done());
  for (const FinishedCell& cell : finished) Say(FinishedLine(cell, ++number, progress.total()));
  if (!console_.live) return;
  *console_.err << kEraseLine << ProgressLine(progress, console_.columns, console_.color)
                << std::flush;
  drawn_ = true;
}

void ProgressDisplay::Say(const std::string& line) {
  Clear();
  SayLine(console_, line);
}

void ProgressDisplay::SayWhereNothingIsDrawn(const std::string& line) {
  if (!quiet_ && !console_.live) Say(line);
}

void ProgressDisplay::Clear() {
  if (drawn_) *console_.err << kEraseLine << std::flush;
  drawn_ = false;
}

}  // namespace torchlap::client
