#include "client/format/fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "client/format/advice.h"
#include "client/format/evidence.h"
#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/sheet.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
#include "client/format/words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

uint32_t SizeOn(v1::FitAxis axis, const v1::Run& run) {
  const Subject subject = SubjectOf(run);
  return axis == v1::FIT_AXIS_CONTEXT ? subject.context_length : subject.batch_size;
}

// The size on the other axis, which stays.
std::string OtherSize(v1::FitAxis axis, const v1::Run& run) {
  const Subject subject = SubjectOf(run);
  return axis == v1::FIT_AXIS_CONTEXT ? fmt::format("batch {}", subject.batch_size)
                                      : fmt::format("context {}", subject.context_length);
}

std::string PeakOfDevice(const v1::Run& run) {
  if (!run.memory().has_peak_allocated_bytes()) return "";
  std::string words = ", peak " + BytesShort(run.memory().peak_allocated_bytes());
  // Contexts and others have their part in the total.
  if (run.memory().has_device_free_bytes()) {
    words += " of " + BytesShort(run.memory().device_free_bytes());
  } else if (run.memory().has_device_total_bytes()) {
    words += " of " + BytesShort(run.memory().device_total_bytes());
  }
  return words;
}

// A try that was skipped because its device was busy says nothing of its size.
bool IsTooLarge(const v1::Run& run) {
  return run.outcome() == v1::OUTCOME_OUT_OF_MEMORY ||
         (run.outcome() == v1::OUTCOME_SKIPPED && run.failure().has_asked_bytes());
}

// A short try fits until the complete run says so.
std::string OutcomeCell(const v1::Run& run, const std::string& verified) {
  if (run.outcome() == v1::OUTCOME_OK) return run.run_id() == verified ? "fits, verified" : "fits";
  const std::string phase(Word(run.failure().phase()));
  return OutcomeName(run.outcome()) + (phase.empty() ? "" : " in " + phase);
}

bool HasPeak(const v1::Run& run) { return run.memory().has_peak_allocated_bytes(); }
std::string PeakCell(const v1::Run& run) { return BytesShort(run.memory().peak_allocated_bytes()); }
bool HasAsked(const v1::Run& run) { return run.failure().has_asked_bytes(); }
std::string AskedCell(const v1::Run& run) { return BytesShort(run.failure().asked_bytes()); }

// Not NoteWords: the sizes of a search are its own, and its failures have a column.
std::string TryNote(const v1::Run& run) {
  const std::string invalid = InvalidWords(run);
  const std::string verdict = VerdictMark(run);
  return invalid + (invalid.empty() || verdict.empty() ? "" : "; ") + verdict;
}
bool HasNote(const v1::Run& run) { return !TryNote(run).empty(); }

Grid TryGrid(const v1::Job& job) {
  const FitResult result = ResultOf(job);
  const v1::FitAxis axis = result.axis;
  const std::string verified = result.largest ? result.largest->run_id() : "";
  const std::vector<v1::Run> runs(job.runs().begin(), job.runs().end());
  Grid grid;
  grid.rows.resize(runs.size());
  AddColumn(
      "run", runs, [](const v1::Run& run) { return run.run_id(); }, &grid);
  AddColumn(
      std::string(Word(axis)), runs,
      [axis](const v1::Run& run) { return std::to_string(SizeOn(axis, run)); }, &grid);
  AddColumn(
      "outcome", runs, [&](const v1::Run& run) { return OutcomeCell(run, verified); }, &grid);
  AddColumn(
      "peak", runs,
      [](const v1::Run& run) { return HasPeak(run) ? PeakCell(run) : kNotApplicable; }, &grid);
  AddColumnIfAny("asked", runs, HasAsked, AskedCell, &grid);
  AddColumn("step (ms)", runs, StepTimeCell, &grid);
  StrikeInvalid(runs, grid.titles.size() - 1, &grid);
  AddColumnIfAny("note", runs, HasNote, TryNote, &grid);
  return grid;
}

// Model, pass, precision, device: what all tries share but the size that grows.
std::string Heading(const v1::Job& job) {
  const v1::Workload& workload = job.spec().workload();
  const Subject subject = SubjectOf(workload);
  const std::string heading =
      fmt::format("{}, {}, {}, {} attention", ModelShort(workload, job.parameters()),
                  PassName(subject), subject.precision, subject.attention);
  return job.device().empty() ? heading : heading + ", " + job.device();
}

}  // namespace

FitResult ResultOf(const v1::Job& job) {
  FitResult result;
  if (job.spec().fit_axis() != v1::FIT_AXIS_UNSPECIFIED) result.axis = job.spec().fit_axis();
  if (job.state() == v1::JOB_STATE_SUCCEEDED) {
    for (const v1::Run& run : job.runs()) {
      if (run.outcome() == v1::OUTCOME_OK) result.largest = run;  // the last one verified it
    }
  }
  for (const v1::Run& run : job.runs()) {
    const uint32_t size = SizeOn(result.axis, run);
    const bool is_above = !result.largest || size > SizeOn(result.axis, *result.largest);
    if (!IsTooLarge(run) || !is_above) continue;
    result.too_large = std::min(result.too_large.value_or(size), size);
  }
  return result;
}

std::string TryLine(const v1::Run& run) {
  std::string result =
      run.outcome() == v1::OUTCOME_OK ? "fits" + PeakOfDevice(run) : FailureWords(run);
  if (HasNote(run)) result += ", " + TryNote(run);
  return fmt::format("{} {}: {}", run.run_id(), SizeWords(SubjectOf(run)), result);
}

std::string FitLine(const v1::Job& job) {
  const FitResult result = ResultOf(job);
  const std::string axis(Word(result.axis));
  if (!result.largest) {
    const std::string why = job.reason().empty() ? std::string(Word(job.state())) : job.reason();
    return fmt::format("no {} was found that fits: {}", axis, why);
  }
  const v1::Run& run = *result.largest;
  std::string line = fmt::format("largest {} that fits: {} ({}){}", axis, SizeOn(result.axis, run),
                                 OtherSize(result.axis, run), PeakOfDevice(run));
  if (result.too_large) line += fmt::format("; {} runs out of memory", *result.too_large);
  return line;
}

Lines FitLines(const v1::Job& job) {
  Lines lines = {Heading(job) + ":", "  " + FitLine(job)};
  for (const v1::Run& run : job.runs()) lines.push_back("  " + TryLine(run));
  return lines;
}

Document ShowFit(const v1::Job& job, FindDevices find_devices) {
  const std::vector<v1::Run> runs(job.runs().begin(), job.runs().end());
  Document document;
  document.blocks = [job, runs, find_devices] {
    std::vector<Block> blocks = {Lines{Heading(job)}, Lines{FitLine(job)}, TryGrid(job)};
    const std::string legend = LegendLine(
        runs, find_devices ? find_devices() : NotesOf(RowOfEachDevice(runs)), CvKind::kNone);
    if (!legend.empty()) blocks.emplace_back(Lines{legend});
    return blocks;
  };
  if (!runs.empty() && !ResultOf(job).largest) {
    document.hints = [last = runs.back()] { return AdviceLines({last}); };
  }
  document.rows = RunRows(runs, RunColumns());
  document.object = FitObject(job);
  return document;
}

}  // namespace torchlap::client::format
