#include <fmt/format.h>

#include <chrono>

#include "client/format/advice.h"
#include "client/format/evidence.h"
#include "client/format/fields.h"
#include "client/format/grid.h"
#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/show.h"
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
  const v1::TransformerLm& model = run.workload().transformer_lm();
  const std::string phase(Word(failure.phase()));
  return {run.run_id(),
          std::to_string(run.launch()),
          std::string(Word(run.cause())),
          SizeText(model.batch_size()),
          SizeText(model.context_length()),
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
  const v1::TransformerLm& model = job.spec().workload().transformer_lm();
  v1::Run run;
  *run.mutable_workload() = job.spec().workload();
  *run.mutable_plan() = job.spec().plan();
  run.set_requested_batch_size(model.batch_size());
  run.set_requested_context_length(model.context_length());
  return run;
}

std::string WorkloadText(const v1::Job& job) {
  const v1::Workload& workload = job.spec().workload();
  return workload.has_calibration() ? SubjectName(workload) : Caption({AsRun(job)});
}

// Measuring goes without saying.
std::string PurposeText(const v1::JobSpec& spec) {
  if (spec.purpose() == v1::PURPOSE_MEASURE) return "";
  const std::string purpose(Word(spec.purpose()));
  if (spec.purpose() != v1::PURPOSE_FIT) return purpose;
  return fmt::format("{}, the largest {}", purpose,
                     spec.fit_axis() == v1::FIT_AXIS_CONTEXT ? "context" : "batch");
}

void WriteFailures(const v1::Job& job, std::ostream& out) {
  for (const v1::Run& run : job.runs()) {
    if (run.outcome() == v1::OUTCOME_OK || run.outcome() == v1::OUTCOME_UNSPECIFIED) continue;
    out << fmt::format("{}: {}\n", run.run_id(), FailureWords(run));
    if (!run.failure().detail().empty()) out << "  " << run.failure().detail() << '\n';
  }
}

void WriteVerdicts(const v1::Job& job, std::ostream& out) {
  for (const v1::Run& run : job.runs()) {
    const std::string verdict = VerdictWords(run);
    if (!verdict.empty()) out << fmt::format("{}: {}\n", run.run_id(), verdict);
  }
}

}  // namespace

void WriteJob(const v1::Job& job, std::ostream& out) {
  const std::string name = job.sweep_name().empty() ? "" : " (" + job.sweep_name() + ")";
  out << fmt::format("job {} of sweep:{}{}: {}\n", job.job_id(), job.sweep_id(), name,
                     Word(job.state()));
  WriteField("model", ModelText(job.spec().workload(), job.parameters()), out);
  WriteField("workload", WorkloadText(job), out);
  WriteField("purpose", PurposeText(job.spec()), out);
  WriteField("user", job.user(), out);
  WriteField("device", job.device().empty() ? job.spec().device() : job.device(), out);
  if (job.spec().plan().launches() > 1) {
    WriteField("launches",
               fmt::format("{} of {} done", job.launches_done(), job.spec().plan().launches()),
               out);
  }
  WriteField("waits", WaitWords(job.wait()), out);
  WriteField("reason", job.reason(), out);
  WriteField("submitted", TimeText(job.submitted_at_ns()), out);
  WriteField("started", TimeText(job.started_at_ns()), out);
  WriteField("finished", TimeText(job.finished_at_ns()), out);
  WriteField("labels", LabelText(job.spec().labels()), out);
  WriteTable(AttemptGrid(job), out);
  WriteFailures(job, out);
  WriteVerdicts(job, out);
  // What the earlier runs advised, the later ones did.
  if (job.runs_size() > 0) WriteAdvice({*job.runs().rbegin()}, out);
}

}  // namespace torchlap::client::format
