#include <fmt/format.h>

#include <chrono>
#include <utility>
#include <vector>

#include "client/format/advice.h"
#include "client/format/evidence.h"
#include "client/format/fields.h"
#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/show.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
#include "client/format/words.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

std::string BytesText(bool known, uint64_t bytes) { return known ? BytesShort(bytes) : "-"; }

std::string SizeText(uint32_t size) { return size == 0 ? "-" : std::to_string(size); }

// Where the numbers of an attempt are: the failed allocation, or what the run reached.
std::vector<std::string> AttemptRow(const v1::Run& run) {
  const v1::Failure& failure = run.failure();
  const Subject subject = SubjectOf(run);
  const std::string phase(Word(failure.phase()));
  return {run.run_id(),
          std::to_string(run.launch()),
          std::string(Word(run.cause())),
          SizeText(subject.batch_size),
          SizeText(subject.context_length),
          OutcomeName(run.outcome()),
          phase.empty() ? "-" : phase,
          BytesText(failure.has_asked_bytes(), failure.asked_bytes()),
          BytesText(failure.has_free_bytes(), failure.free_bytes()),
          BytesText(run.memory().has_peak_allocated_bytes(), run.memory().peak_allocated_bytes()),
          StepTimeCell(run),
          run.has_duration_ns() ? ShortDuration(std::chrono::nanoseconds(run.duration_ns())) : "-"};
}

Grid AttemptGrid(const v1::Job& job) {
  Grid grid;
  grid.titles = {"run",   "launch", "cause", "batch", "context",   "outcome",
                 "phase", "asked",  "free",  "peak",  "step (ms)", "took"};
  for (const v1::Run& run : job.runs()) grid.rows.push_back(AttemptRow(run));
  return grid;
}

// A job as a run that was never made, so that one caption words both.
v1::Run AsRun(const v1::Job& job) {
  const Subject subject = SubjectOf(job.spec().workload());
  v1::Run run;
  *run.mutable_workload() = job.spec().workload();
  *run.mutable_plan() = job.spec().plan();
  run.set_requested_batch_size(subject.batch_size);
  run.set_requested_context_length(subject.context_length);
  return run;
}

std::string WorkloadText(const v1::Job& job) {
  const Subject subject = SubjectOf(job.spec().workload());
  return subject.has_parameters ? Caption({AsRun(job)}) : subject.name;
}

// Measuring goes without saying.
std::string PurposeText(const v1::JobSpec& spec) {
  if (spec.purpose() == v1::PURPOSE_MEASURE) return "";
  const std::string purpose(Word(spec.purpose()));
  if (spec.purpose() != v1::PURPOSE_FIT) return purpose;
  return fmt::format("{}, the largest {}", purpose,
                     spec.fit_axis() == v1::FIT_AXIS_CONTEXT ? "context" : "batch");
}

Lines FailureLines(const v1::Job& job) {
  Lines lines;
  for (const v1::Run& run : job.runs()) {
    if (run.outcome() == v1::OUTCOME_OK || run.outcome() == v1::OUTCOME_UNSPECIFIED) continue;
    lines.push_back(fmt::format("{}: {}", run.run_id(), FailureWords(run)));
    const bool is_said = lines.back().find(run.failure().detail()) != std::string::npos;
    if (!is_said) lines.push_back("  " + run.failure().detail());
  }
  return lines;
}

Lines VerdictLines(const v1::Job& job) {
  Lines lines;
  for (const v1::Run& run : job.runs()) {
    const std::string verdict = VerdictAndCondition(run);
    if (!verdict.empty()) lines.push_back(fmt::format("{}: {}", run.run_id(), verdict));
    const std::string invalid = InvalidWords(run);
    if (!invalid.empty()) lines.push_back(fmt::format("{}: {}", run.run_id(), invalid));
    for (const std::string& line : NoteLines(run)) {
      lines.push_back(fmt::format("{}: note: {}", run.run_id(), line));
    }
  }
  return lines;
}

Fields JobFields(const v1::Job& job) {
  const std::string name = job.sweep_name().empty() ? "" : " (" + job.sweep_name() + ")";
  Fields fields;
  fields.heading = fmt::format("job {} of sweep:{}{}: {}", job.job_id(), job.sweep_id(), name,
                               Word(job.state()));
  fields.Add("model", ModelText(job.spec().workload(), job.parameters()));
  fields.Add("workload", WorkloadText(job));
  fields.Add("purpose", PurposeText(job.spec()));
  fields.Add("user", job.user());
  fields.Add("device", job.device().empty() ? job.spec().device() : job.device());
  if (job.spec().plan().launches() > 1) {
    fields.Add("launches",
               fmt::format("{} of {} done", job.launches_done(), job.spec().plan().launches()));
  }
  fields.Add("waits", WaitWords(job.wait()));
  fields.Add("stored", NotStoredWords(job));
  fields.Add("reason", job.reason());
  fields.Add("submitted", TimeText(job.submitted_at_ns()));
  fields.Add("started", TimeText(job.started_at_ns()));
  fields.Add("finished", TimeText(job.finished_at_ns()));
  fields.Add("labels", LabelText(job.spec().labels()));
  return fields;
}

}  // namespace

Document ShowJob(const v1::Job& job, const std::vector<v1::Run>& cells) {
  Document document;
  document.blocks = [job] {
    return std::vector<Block>{JobFields(job), AttemptGrid(job), FailureLines(job),
                              VerdictLines(job)};
  };
  document.hints = [cells] { return AdviceLines(cells); };
  document.object = JobObject(job);
  return document;
}

Document ShowSweep(const std::vector<v1::Job>& jobs) {
  Document document;
  document.blocks = [jobs] {
    std::vector<Block> blocks;
    for (const v1::Job& job : jobs) {
      if (!blocks.empty()) blocks.emplace_back(Lines{""});
      for (Block& block : ShowJob(job, {}).blocks()) blocks.push_back(std::move(block));
    }
    return blocks;
  };
  document.object = SweepObject(jobs);
  return document;
}

}  // namespace torchlap::client::format
