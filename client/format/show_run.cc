#include <fmt/format.h>

#include <chrono>
#include <vector>

#include "client/format/advice.h"
#include "client/format/calibration.h"
#include "client/format/evidence.h"
#include "client/format/fields.h"
#include "client/format/numbers.h"
#include "client/format/run_tables.h"
#include "client/format/show.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
#include "client/format/warmup.h"
#include "client/format/words.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

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
  if (memory.has_peak_resident_bytes()) {
    fields->Add("resident", BytesShort(memory.peak_resident_bytes()) + " of the process, at most");
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
  fields->Add("verdict", VerdictWords(run));
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
