#include "client/format/show.h"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <optional>

#include "client/format/grid.h"
#include "client/format/numbers.h"
#include "client/format/traits.h"
#include "client/format/words.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

void WriteField(const char* name, const std::string& value, std::ostream& out) {
  if (!value.empty()) out << fmt::format("  {:<12} {}\n", name, value);
}

std::string TimeText(int64_t unix_ns) { return unix_ns == 0 ? "" : Rfc3339(unix_ns); }

std::string BytesText(bool known, uint64_t bytes) { return known ? BytesShort(bytes) : "-"; }

std::string LabelText(const google::protobuf::Map<std::string, std::string>& labels) {
  std::map<std::string, std::string> sorted(labels.begin(), labels.end());
  std::string text;
  for (const auto& [key, value] : sorted) text += (text.empty() ? "" : ", ") + key + "=" + value;
  return text;
}

// Where the numbers of an attempt are: the failed allocation, or what the run reached.
std::vector<std::string> AttemptRow(const v1::Run& run) {
  const v1::Failure& failure = run.failure();
  const v1::TransformerLm& model = run.workload().transformer_lm();
  const std::string phase(Word(failure.phase()));
  std::optional<double> std_ms;
  if (run.step().has_std_ns()) std_ms = run.step().std_ns() / 1e6;
  return {run.run_id(),
          std::to_string(run.launch()),
          std::string(Word(run.cause())),
          std::to_string(model.batch_size()),
          std::to_string(model.context_length()),
          OutcomeName(run.outcome()),
          phase.empty() ? "-" : phase,
          BytesText(failure.has_asked_bytes(), failure.asked_bytes()),
          BytesText(failure.has_free_bytes(), failure.free_bytes()),
          BytesText(run.memory().has_peak_allocated_bytes(), run.memory().peak_allocated_bytes()),
          run.step().has_mean_ns() ? Measured(run.step().mean_ns() / 1e6, std_ms) : "-",
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

std::string ModelText(const v1::TransformerLm& model, uint64_t parameters) {
  return fmt::format("{} ({} parameters)", SizeName(model), ParametersShort(parameters));
}

void WriteFailures(const v1::Job& job, std::ostream& out) {
  for (const v1::Run& run : job.runs()) {
    if (run.outcome() == v1::OUTCOME_OK || run.outcome() == v1::OUTCOME_UNSPECIFIED) continue;
    out << fmt::format("{}: {}\n", run.run_id(), FailureWords(run));
    if (!run.failure().detail().empty()) out << "  " << run.failure().detail() << '\n';
  }
}

struct NamedPhase {
  const char* name;
  const v1::PhaseSummary& (v1::Run::*summary)() const;
};

constexpr NamedPhase kPhases[] = {{"forward", &v1::Run::forward},
                                  {"loss", &v1::Run::loss},
                                  {"backward", &v1::Run::backward},
                                  {"optimizer", &v1::Run::optimizer},
                                  {"step", &v1::Run::step}};

std::string MsText(bool known, double ns) { return known ? Significant(ns / 1e6, 5) : "-"; }

Grid PhaseGrid(const v1::Run& run) {
  Grid grid;
  grid.titles = {"phase", "mean (ms)", "median (ms)", "min (ms)", "max (ms)", "p95 (ms)", "CV"};
  for (const NamedPhase& phase : kPhases) {
    const v1::PhaseSummary& summary = (run.*phase.summary)();
    if (!summary.has_mean_ns()) continue;
    std::optional<double> std_ms;
    if (summary.has_std_ns()) std_ms = summary.std_ns() / 1e6;
    grid.rows.push_back({phase.name, Measured(summary.mean_ns() / 1e6, std_ms),
                         MsText(summary.has_median_ns(), summary.median_ns()),
                         MsText(summary.has_min_ns(), summary.min_ns()),
                         MsText(summary.has_max_ns(), summary.max_ns()),
                         MsText(summary.has_p95_ns(), summary.p95_ns()),
                         summary.has_cv() ? Percent(summary.cv()) : "-"});
  }
  return grid;
}

struct SampleColumn {
  const char* title;
  const google::protobuf::RepeatedField<int64_t>& (v1::SampleBlock::*times)() const;
};

constexpr SampleColumn kSampleColumns[] = {
    {"forward (ms)", &v1::SampleBlock::forward_ns},
    {"loss (ms)", &v1::SampleBlock::loss_ns},
    {"backward (ms)", &v1::SampleBlock::backward_ns},
    {"optimizer (ms)", &v1::SampleBlock::optimizer_ns},
    {"step (ms)", &v1::SampleBlock::step_ns},
};

void AppendSampleRows(const v1::SampleBlock& block, Grid* grid) {
  for (int i = 0; i < block.step_ns_size(); ++i) {
    const uint32_t step = block.first_step() + static_cast<uint32_t>(i);
    std::vector<std::string>& row = grid->rows.emplace_back();
    row = {std::to_string(step), step < block.warmup_steps() ? "warm-up" : "-"};
    for (const SampleColumn& column : kSampleColumns) {
      const auto& times = (block.*column.times)();
      row.push_back(i < times.size() ? fmt::format("{:.3f}", static_cast<double>(times[i]) / 1e6)
                                     : "-");
    }
  }
}

Grid SampleGrid(const std::vector<v1::SampleBlock>& blocks) {
  Grid grid;
  grid.titles = {"step", "warm-up"};
  for (const SampleColumn& column : kSampleColumns) grid.titles.emplace_back(column.title);
  for (const v1::SampleBlock& block : blocks) AppendSampleRows(block, &grid);
  return grid;
}

void WriteEnvironment(const v1::Environment& environment, std::ostream& out) {
  out << "environment\n";
  WriteField("torchlap", environment.torchlap_version(), out);
  WriteField("torch", environment.torch_version(), out);
  WriteField("cuda", environment.cuda_version(), out);
  WriteField("driver", environment.driver_version(), out);
  WriteField("gpu", environment.gpu_model(), out);
  WriteField("cpu", environment.cpu_model(), out);
  WriteField("capability", environment.cpu_capability(), out);
  WriteField("cores", environment.cores(), out);
  WriteField("threads", environment.threads() == 0 ? "" : std::to_string(environment.threads()),
             out);
  WriteField("clocks", environment.clocks_policy(), out);
  WriteField("kernel", environment.kernel(), out);
  WriteField("os", environment.os(), out);
  WriteField("variables", LabelText(environment.variables()), out);
}

void WriteMemory(const v1::MemoryUse& memory, std::ostream& out) {
  if (memory.has_peak_allocated_bytes()) {
    WriteField("peak", BytesShort(memory.peak_allocated_bytes()), out);
  }
  if (memory.has_first_step_peak_allocated_bytes()) {
    WriteField("first step", BytesShort(memory.first_step_peak_allocated_bytes()), out);
  }
  if (memory.has_device_total_bytes()) {
    WriteField("device has", BytesShort(memory.device_total_bytes()), out);
  }
}

void WriteReadings(const v1::Readings& readings, std::ostream& out) {
  if (readings.has_load_average()) {
    WriteField("load", fmt::format("{:.2f}", readings.load_average()), out);
  }
  if (readings.has_temperature_celsius()) {
    WriteField("temperature", fmt::format("{:.0f} C", readings.temperature_celsius()), out);
  }
}

void WriteRunHead(const v1::Run& run, std::ostream& out) {
  out << fmt::format("run {} of job {}, sweep:{}: {}\n", run.run_id(), run.job_id(), run.sweep_id(),
                     OutcomeName(run.outcome()));
  WriteField("model", ModelText(run.workload().transformer_lm(), run.parameters()), out);
  WriteField("workload", Caption({run}), out);
  WriteField("note", NoteWords(run), out);
  WriteField("failure", run.failure().detail(), out);
  WriteField("user", run.user(), out);
  WriteField("started", TimeText(run.started_at_ns()), out);
  if (run.has_duration_ns()) {
    WriteField("took", ShortDuration(std::chrono::nanoseconds(run.duration_ns())), out);
  }
  WriteField("labels", LabelText(run.labels()), out);
}

}  // namespace

void WriteJob(const v1::Job& job, std::ostream& out) {
  const std::string name = job.sweep_name().empty() ? "" : " (" + job.sweep_name() + ")";
  out << fmt::format("job {} of sweep:{}{}: {}\n", job.job_id(), job.sweep_id(), name,
                     Word(job.state()));
  WriteField("model", ModelText(job.spec().workload().transformer_lm(), job.parameters()), out);
  WriteField("workload", Caption({AsRun(job)}), out);
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
}

void WriteRun(const RunDetails& run, std::ostream& out) {
  WriteRunHead(run.detail.run(), out);
  WriteMemory(run.detail.run().memory(), out);
  WriteReadings(run.detail.readings(), out);
  WriteTable(PhaseGrid(run.detail.run()), out);
  if (run.detail.has_environment()) WriteEnvironment(run.detail.environment(), out);
  WriteTable(SampleGrid(run.samples), out);
}

}  // namespace torchlap::client::format
