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

// `power limit 300 W, application clock 1410 MHz, of the memory 1215 MHz, ECC on, persistence off,
// compute mode default, MIG 1g.5gb`, as far as it is known.
std::string GpuSettingsText(const v1::Environment& environment) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (environment.gpu_power_limit_mw() > 0) {
    add(fmt::format("power limit {:g} W", environment.gpu_power_limit_mw() / 1000.0));
  }
  if (!environment.gpu_locked_clocks().empty()) {
    add("clocks locked at " + environment.gpu_locked_clocks());
  }
  if (environment.gpu_application_mhz() > 0) {
    add(fmt::format("application clock {} MHz", environment.gpu_application_mhz()));
  }
  if (environment.gpu_application_memory_mhz() > 0) {
    add(fmt::format("of the memory {} MHz", environment.gpu_application_memory_mhz()));
  }
  if (!environment.gpu_ecc().empty()) add("ECC " + environment.gpu_ecc());
  if (!environment.gpu_persistence().empty()) add("persistence " + environment.gpu_persistence());
  if (!environment.gpu_compute_mode().empty()) {
    add("compute mode " + environment.gpu_compute_mode());
  }
  if (!environment.mig_profile().empty()) add("MIG " + environment.mig_profile());
  return text;
}

// `generation 4 x16`
std::string PcieText(const v1::Environment& environment) {
  std::string text;
  if (environment.pcie_generation() > 0) {
    text = fmt::format("generation {}", environment.pcie_generation());
  }
  if (environment.pcie_width() > 0) {
    text += fmt::format("{}x{}", text.empty() ? "" : " ", environment.pcie_width());
  }
  return text;
}

}  // namespace

Fields EnvironmentFields(const v1::Environment& environment) {
  Fields fields;
  fields.heading = "environment";
  fields.Add("torchlap", environment.torchlap_version());
  fields.Add("torch", environment.torch_version());
  fields.Add("cuda", environment.cuda_version());
  fields.Add("driver", environment.driver_version());
  fields.Add("gpu", environment.gpu_model());
  fields.Add("settings", GpuSettingsText(environment));
  fields.Add("pcie", PcieText(environment));
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

namespace {

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

// `3.81 J a step, 3.72 mJ a token`
std::string EnergyText(const v1::DeviceSummary& device) {
  if (!device.has_energy_per_step_j()) return "";
  std::string text = Significant(device.energy_per_step_j(), 3) + " J a step";
  if (device.has_energy_per_token_mj()) {
    text += ", " + Significant(device.energy_per_token_mj(), 3) + " mJ a token";
  }
  const bool is_marked = device.energy_source() == v1::ENERGY_SOURCE_INTEGRATED;
  return is_marked ? text + " (integrated: from power readings)" : text;
}

// `251 W, at most 300 W; 1410 MHz, at most 1755 MHz; 61 C, at most 64 C`
std::string DeviceText(const v1::DeviceSummary& device) {
  std::string text;
  const auto add = [&text](double mean, double peak, const char* unit) {
    text += fmt::format("{}{:.0f} {}, at most {:.0f} {}", text.empty() ? "" : "; ", mean, unit,
                        peak, unit);
  };
  if (device.has_power_mean_watts()) {
    add(device.power_mean_watts(), device.power_peak_watts(), "W");
  }
  if (device.has_sm_clock_mean_mhz()) {
    add(device.sm_clock_mean_mhz(), device.sm_clock_peak_mhz(), "MHz");
  }
  if (device.has_temperature_mean_celsius()) {
    add(device.temperature_mean_celsius(), device.temperature_peak_celsius(), "C");
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
  fields->Add("energy", EnergyText(run.device_summary()));
  fields->Add("device", DeviceText(run.device_summary()));
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
  fields->Add("invalid", run.invalid_reason());
  for (const std::string& line : NoteLines(run)) fields->Add("note", line);
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
