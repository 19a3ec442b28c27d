#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include "client/format/advice.h"
#include "client/format/calibration.h"
#include "client/format/evidence.h"
#include "client/format/fields.h"
#include "client/format/numbers.h"
#include "client/format/show.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
#include "client/format/warmup.h"
#include "client/format/words.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

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

// With its interval where there is one.
std::string MedianText(const v1::PhaseSummary& summary) {
  const bool has_interval = summary.has_median_low_ns() && summary.has_median_high_ns() &&
                            summary.median_high_ns() > summary.median_low_ns();
  if (!has_interval) return MsText(summary.has_median_ns(), summary.median_ns());
  return InInterval(summary.median_ns() / 1e6, summary.median_low_ns() / 1e6,
                    summary.median_high_ns() / 1e6);
}

Grid PhaseGrid(const v1::Run& run) {
  Grid grid;
  grid.titles = {"phase", "mean (ms)", "median (ms) [95 %]", "min (ms)", "max (ms)", "p95 (ms)",
                 "CV",    "outliers"};
  for (const NamedPhase& phase : kPhases) {
    const v1::PhaseSummary& summary = (run.*phase.summary)();
    if (!summary.has_mean_ns()) continue;
    std::optional<double> std_ms;
    if (summary.has_std_ns()) std_ms = summary.std_ns() / 1e6;
    grid.rows.push_back({phase.name, Measured(summary.mean_ns() / 1e6, std_ms), MedianText(summary),
                         MsText(summary.has_min_ns(), summary.min_ns()),
                         MsText(summary.has_max_ns(), summary.max_ns()),
                         MsText(summary.has_p95_ns(), summary.p95_ns()),
                         summary.has_cv() ? Percent(summary.cv()) : "-",
                         summary.has_outliers() ? std::to_string(summary.outliers()) : "-"});
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
    {"others' CPU (ms)", &v1::SampleBlock::foreign_cpu_ns},
    {"waited (ms)", &v1::SampleBlock::run_delay_ns},
};

using SampleBlocks = std::vector<v1::SampleBlock>;

bool IsTimed(const SampleColumn& column, const SampleBlocks& blocks) {
  return std::any_of(blocks.begin(), blocks.end(), [&column](const v1::SampleBlock& block) {
    return !(block.*column.times)().empty();
  });
}

void AppendSampleRows(const v1::SampleBlock& block, const std::vector<SampleColumn>& columns,
                      Grid* grid) {
  for (int i = 0; i < block.step_ns_size(); ++i) {
    const uint32_t step = block.first_step() + static_cast<uint32_t>(i);
    std::vector<std::string>& row = grid->rows.emplace_back();
    row = {std::to_string(step), step < block.warmup_steps() ? "warm-up" : "-"};
    for (const SampleColumn& column : columns) {
      const auto& times = (block.*column.times)();
      row.push_back(i < times.size() ? fmt::format("{:.3f}", static_cast<double>(times[i]) / 1e6)
                                     : "-");
    }
  }
}

Grid SampleGrid(const SampleBlocks& blocks) {
  std::vector<SampleColumn> columns;
  Grid grid;
  grid.titles = {"step", "warm-up"};
  for (const SampleColumn& column : kSampleColumns) {
    if (!IsTimed(column, blocks)) continue;
    columns.push_back(column);
    grid.titles.emplace_back(column.title);
  }
  for (const v1::SampleBlock& block : blocks) AppendSampleRows(block, columns, &grid);
  return grid;
}

Fields EnvironmentFields(const v1::Environment& environment) {
  Fields fields;
  fields.heading = "environment";
  fields.Add("torchlap", environment.torchlap_version());
  fields.Add("torch", environment.torch_version());
  fields.Add("cuda", environment.cuda_version());
  fields.Add("driver", environment.driver_version());
  fields.Add("gpu", environment.gpu_model());
  fields.Add("cpu", environment.cpu_model());
  fields.Add("capability", environment.cpu_capability());
  fields.Add("cores", environment.cores());
  fields.Add("threads", environment.threads() == 0 ? "" : std::to_string(environment.threads()));
  fields.Add("clocks", environment.clocks_policy());
  fields.Add("kernel", environment.kernel());
  fields.Add("os", environment.os());
  fields.Add("variables", LabelText(environment.variables()));
  return fields;
}

void AddMemory(const v1::Run& run, Fields* fields) {
  const v1::MemoryUse& memory = run.memory();
  if (memory.has_peak_allocated_bytes()) {
    fields->Add("peak", BytesShort(memory.peak_allocated_bytes()));
  }
  if (memory.has_first_step_peak_allocated_bytes()) {
    fields->Add("first step", BytesShort(memory.first_step_peak_allocated_bytes()));
  }
  if (memory.has_device_total_bytes()) {
    fields->Add("device has", BytesShort(memory.device_total_bytes()));
  }
  fields->Add("memory", MemoryWords(run));
}

std::string NeighbourText(const v1::Readings& readings) {
  if (readings.neighbour_pid() == 0) return "";
  v1::Evidence who;
  who.set_pid(readings.neighbour_pid());
  who.set_process(readings.neighbour_process());
  who.set_user(readings.neighbour_user());
  const double seconds = static_cast<double>(readings.neighbour_cpu_ns()) / 1e9;
  return fmt::format("{}, {} s of CPU time", WhoWords(who), Significant(seconds, 3));
}

void AddReadings(const v1::Readings& readings, Fields* fields) {
  if (readings.has_load_average()) {
    fields->Add("load", fmt::format("{:.2f}", readings.load_average()));
  }
  if (readings.has_temperature_celsius()) {
    fields->Add("temperature", fmt::format("{:.0f} C", readings.temperature_celsius()));
  }
  fields->Add("neighbour", NeighbourText(readings));
}

// `12.5`, or `-` where the device does not tell.
template <typename Number>
std::string Reading(bool known, Number number) {
  return known ? fmt::format("{}", number) : "-";
}

// The counters are of use as differences only; they are in json.
Grid DeviceGrid(const v1::Readings& readings) {
  Grid grid;
  grid.titles = {"at (s)", "SM (MHz)", "power (W)", "C", "utilisation", "used", "throttled"};
  for (const v1::DeviceReading& reading : readings.device()) {
    const int64_t since_first = reading.at_ns() - readings.device(0).at_ns();
    grid.rows.push_back(
        {fmt::format("{:.2f}", static_cast<double>(since_first) / 1e9),
         Reading(reading.has_sm_mhz(), reading.sm_mhz()),
         Reading(reading.has_power_watts(), reading.power_watts()),
         Reading(reading.has_temperature_celsius(), reading.temperature_celsius()),
         reading.has_utilisation_ratio() ? PercentShort(reading.utilisation_ratio()) : "-",
         reading.has_used_bytes() ? BytesShort(reading.used_bytes()) : "-",
         reading.has_throttle_reasons() ? fmt::format("{:#x}", reading.throttle_reasons()) : "-"});
  }
  return grid;
}

// `fp32 products in ieee, autocast off, weights float32`
std::string NumericsText(const v1::Numerics& numerics) {
  std::string text;
  const auto add = [&text](const char* before, const std::string& word, const char* after) {
    if (!word.empty())
      text += fmt::format("{}{}{}{}", text.empty() ? "" : ", ", before, word, after);
  };
  add("fp32 products in ", numerics.fp32_matmul(), "");
  add("autocast ", numerics.autocast(), "");
  add("weights ", numerics.weights(), "");
  add("sdpa kernel ", numerics.sdpa_kernel(), "");
  add("", numerics.instructions(), " instructions");
  return text;
}

std::string WhyStopped(v1::StopReason reason) {
  switch (reason) {
    case v1::STOP_REASON_COUNT:
      return "as asked";
    case v1::STOP_REASON_REACHED:
      return "then the target precision was reached";
    case v1::STOP_REASON_SETTLED:
      return "then the noise had settled above the target";
    case v1::STOP_REASON_LIMIT:
      return "then a limit was reached before the target";
    default:
      return "";
  }
}

// `5 warm-up + 10 measured, as asked (count)`
std::string StepsText(const v1::Run& run) {
  if (!run.has_actual_measure_steps()) return "";
  std::string text = fmt::format("{} warm-up + {} measured", run.actual_warmup_steps(),
                                 run.actual_measure_steps());
  if (const std::string why = WhyStopped(run.stop_reason()); !why.empty()) {
    text += fmt::format(", {} ({})", why, Word(run.stop_reason()));
  }
  return text;
}

std::string SettlingText(const v1::Run& run) {
  if (!run.has_cold_steady_ratio() && !run.has_settles_at_step()) return "";
  std::string text = SettlingWords(run);
  if (run.has_cold_steady_ratio()) {
    text +=
        fmt::format(", the first step takes {:.2f} times the steady ones", run.cold_steady_ratio());
  }
  return text;
}

std::string RatioText(const v1::Run& run) {
  if (!run.has_backward_forward_ratio()) return "";
  if (!run.has_backward_forward_low() || !run.has_backward_forward_high()) {
    return fmt::format("{:.2f}x", run.backward_forward_ratio());
  }
  return InInterval(run.backward_forward_ratio(), run.backward_forward_low(),
                    run.backward_forward_high()) +
         " (95 %)";
}

std::string RateText(const v1::Run& run) {
  if (!run.has_tokens_per_s()) return "";
  std::string text = Significant(run.tokens_per_s(), 4) + " tokens/s";
  if (run.has_flops_per_s()) text += ", " + PerSecond(run.flops_per_s(), "FLOP");
  if (run.has_matmul_peak_ratio()) {
    text += fmt::format(", {} of the peak that {} found", Percent(run.matmul_peak_ratio()),
                        run.calibration_run_id());
  }
  return text;
}

void AddAssessment(const v1::Run& run, Fields* fields) {
  const std::string verdict = VerdictWords(run);
  const bool has_verdict = run.validity() != v1::VALIDITY_UNSPECIFIED;
  fields->Add("verdict",
              has_verdict && verdict.empty() ? std::string(Word(run.validity())) : verdict);
  for (const v1::Evidence& evidence : run.assessment().evidence()) {
    fields->Add("evidence", EvidenceWords(evidence));
  }
  if (run.contaminated_tries() > 0) {
    fields->Add("tries", fmt::format("{} contaminated before it", run.contaminated_tries()));
  }
}

void AddMeasured(const v1::Run& run, Fields* fields) {
  fields->Add("steps", StepsText(run));
  fields->Add("times", SettlingText(run));
  fields->Add("bwd/fwd", RatioText(run));
  fields->Add("rate", RateText(run));
  fields->Add("numerics", NumericsText(run.numerics()));
}

void AddRunHead(const v1::Run& run, Fields* fields) {
  fields->heading = fmt::format("run {} of job {}, sweep:{}: {}", run.run_id(), run.job_id(),
                                run.sweep_id(), OutcomeName(run.outcome()));
  fields->Add("model", ModelText(run.workload(), run.parameters()));
  const Subject subject = SubjectOf(run);
  fields->Add("workload", subject.has_parameters ? Caption({run}) : subject.name);
  fields->Add("shrunk", ShrinkWords(run));
  fields->Add("reason", FailureWords(run));
  fields->Add("failure", run.failure().detail());
  fields->Add("user", run.user());
  fields->Add("started", TimeText(run.started_at_ns()));
  if (run.has_duration_ns()) {
    fields->Add("took", ShortDuration(std::chrono::nanoseconds(run.duration_ns())));
  }
  fields->Add("labels", LabelText(run.labels()));
}

Fields RunFields(const RunDetails& details) {
  const v1::Run& run = details.detail.run();
  Fields fields;
  AddRunHead(run, &fields);
  AddAssessment(run, &fields);
  AddMeasured(run, &fields);
  AddMemory(run, &fields);
  AddReadings(details.detail.readings(), &fields);
  return fields;
}

std::vector<Block> RunBlocks(const RunDetails& details) {
  const v1::Run& run = details.detail.run();
  std::vector<Block> blocks = {RunFields(details)};
  if (run.has_calibration()) {
    for (Block& block : CalibrationBlocks(run)) blocks.push_back(std::move(block));
  }
  blocks.emplace_back(PhaseGrid(run));
  if (details.detail.has_environment()) {
    blocks.emplace_back(EnvironmentFields(details.detail.environment()));
  }
  blocks.emplace_back(DeviceGrid(details.detail.readings()));
  blocks.emplace_back(SampleGrid(details.samples));
  return blocks;
}

}  // namespace

Document ShowRun(const RunDetails& details) {
  Document document;
  document.blocks = [details] { return RunBlocks(details); };
  document.hints = [run = details.detail.run()] { return AdviceLines({run}); };
  document.object = RunDetailsObject(details);
  return document;
}

}  // namespace torchlap::client::format
