#include "client/format/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "client/format/evidence.h"
#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
#include "client/format/words.h"
#include "client/run_command.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

constexpr uint32_t kTriesAgainstNeighbours = 3;

const v1::Evidence* Find(const v1::Run& run, v1::Reason reason) {
  for (const v1::Evidence& evidence : run.assessment().evidence()) {
    if (evidence.reason() == reason) return &evidence;
  }
  return nullptr;
}

// What the first piece of advice explains: `CV 14.2 %, `, as the table has it. Over launches the
// table's is that between them, and the noise that of one.
std::string NoiseWords(const v1::Run& run) {
  if (Find(run, v1::REASON_NOISE) == nullptr) return "";
  if (run.pooled_launches() <= 1) return fmt::format("CV {}, ", CvCell(run));
  if (!run.step().has_within_std_ns() || !(run.step().mean_ns() > 0)) return "";
  return fmt::format("CV {} within a launch, ",
                     Percent(run.step().within_std_ns() / run.step().mean_ns()));
}

std::string WhenTimesSettle(const v1::Run& run) {
  if (!run.has_settles_at_step()) return "times do not settle";
  return fmt::format("times settle at step {}", run.settles_at_step());
}

AdviceWords MoreWarmup(const v1::Run& run, const v1::Advice& advice) {
  std::string finding = WhenTimesSettle(run);
  if (const v1::Evidence* cold = Find(run, v1::REASON_COLD_START)) {
    finding = fmt::format("cold start, step {} took {} longer than the steady ones, {}",
                          cold->first_step(), PercentShort(cold->value()), finding);
  }
  v1::Run again = run;
  again.mutable_plan()->set_warmup_steps(static_cast<uint32_t>(advice.number()));
  return {finding, RunCommand(again)};
}

AdviceWords MoreSteps(const v1::Run& run, const v1::Advice& advice) {
  const auto steps = static_cast<uint32_t>(advice.number());
  v1::Run again = run;
  if (run.plan().has_target_precision()) {
    again.mutable_plan()->set_max_steps(steps);
  } else {
    again.mutable_plan()->set_measure_steps(steps);
  }
  return {fmt::format("noise without cold start, drift or two modes, {} steps would bring the mean "
                      "to ± {}",
                      steps, PercentShort(advice.ratio())),
          RunCommand(again)};
}

AdviceWords Drift(const v1::Run& run, const v1::Advice& advice) {
  std::string finding = "times drift";
  if (const v1::Evidence* drift = Find(run, v1::REASON_DRIFT)) {
    finding +=
        fmt::format(" ({} from the first half to the second)", SignedPercent(drift->value()));
  }
  v1::Run again = run;
  again.mutable_plan()->set_launches(static_cast<uint32_t>(advice.number()));
  return {finding, RunCommand(again)};
}

AdviceWords TwoModes(const v1::Run& run) {
  std::string finding = "times fall into two groups";
  if (const v1::Evidence* modes = Find(run, v1::REASON_TWO_MODES)) {
    finding += fmt::format(" (which explains {} of their variance)", PercentShort(modes->value()));
  }
  return {finding, "torchlap show " + run.run_id()};
}

// `, steps 3-7` of the worst interval.
std::string WhenWords(const v1::Run& run, const v1::Advice& advice) {
  const v1::Evidence* worst = nullptr;
  for (const v1::Evidence& evidence : run.assessment().evidence()) {
    const bool is_foreign =
        evidence.reason() == v1::REASON_FOREIGN_CPU || evidence.reason() == v1::REASON_FOREIGN_GPU;
    if (!is_foreign || WhoWords(evidence) != advice.text()) continue;
    if (worst == nullptr || evidence.value() > worst->value()) worst = &evidence;
  }
  const std::string steps = worst == nullptr ? "" : StepWords(*worst);
  return steps.empty() ? "" : " in " + steps;
}

std::string NeighbourWords(const v1::Run& run, const v1::Advice& advice) {
  const std::string who = advice.text().empty() ? "another process" : advice.text();
  return fmt::format("{} had {} of the time of {}{}", who, PercentShort(advice.ratio()),
                     run.device(), WhenWords(run, advice));
}

AdviceWords Neighbour(const v1::Run& run, const v1::Advice& advice) {
  v1::Run again = run;
  again.mutable_plan()->set_retry_contaminated(kTriesAgainstNeighbours);
  return {NeighbourWords(run, advice), RunCommand(again)};
}

// To try again at once would be the same again.
AdviceWords QuietDevice(const v1::Run& run, const v1::Advice& advice) {
  return {fmt::format("{}, {} of {} tries contaminated: wait for a quiet device",
                      NeighbourWords(run, advice), advice.number(), advice.number2()),
          "torchlap doctor"};
}

AdviceWords LongerWindow(const v1::Run& run, const v1::Advice& advice) {
  const v1::Evidence* window = Find(run, v1::REASON_SHORT_WINDOW);
  v1::Run again = run;
  again.mutable_plan()->set_measure_steps(static_cast<uint32_t>(advice.number()));
  // Else the next verdict would be unverified again; unset it is the usual number.
  if (Find(run, v1::REASON_NO_WARMUP) != nullptr) again.mutable_plan()->clear_warmup_steps();
  const auto milliseconds = [](double seconds) { return Significant(seconds * 1000, 2) + " ms"; };
  const std::string finding =
      window == nullptr
          ? "the measured steps are too short for the counters to say anything"
          : fmt::format(
                "{} of measured steps are too short for the counters to say anything, {} "
                "are enough",
                milliseconds(window->value()), milliseconds(window->threshold()));
  return {fmt::format("{}, {} steps would take them", finding, advice.number()), RunCommand(again)};
}

AdviceWords Throttled(const v1::Run& run, const v1::Advice& advice) {
  std::vector<std::string> pieces;
  for (const v1::Evidence& evidence : run.assessment().evidence()) {
    const bool is_named = advice.text().find(Word(evidence.reason())) != std::string::npos;
    if (is_named) pieces.push_back(EvidenceWords(evidence));
  }
  if (pieces.empty()) pieces.push_back(advice.text());
  return {fmt::format("{} was slowed down, {}", run.device(), fmt::join(pieces, ", ")),
          "torchlap doctor"};
}

// `activations`: what they are called; empty to leave them out.
std::string SumOfParts(const v1::MemoryParts& parts, const std::string& activations) {
  if (parts.weights_bytes() == 0) return "";
  std::string words = "weights " + BytesShort(parts.weights_bytes());
  uint64_t sum = parts.weights_bytes();
  const auto add = [&](const std::string& what, uint64_t bytes) {
    if (bytes == 0 || what.empty()) return;
    words += fmt::format(" + {} {}", what, BytesShort(bytes));
    sum += bytes;
  };
  add("gradients", parts.gradients_bytes());
  add("optimizer", parts.optimizer_bytes());
  add(activations, parts.activations_bytes());
  return sum == parts.weights_bytes() ? words : words + " = " + BytesShort(sum);
}

// Which smaller size fits nobody can compute from a failure: it is tried. Older daemons named a
// size and what it would need at least, which was no bound.
AdviceWords Fit(const v1::Run& run, const v1::Advice& advice) {
  const Subject subject = SubjectOf(run);
  const bool by_batch = subject.batch_size > 1;
  const std::string held = SumOfParts(run.assessment().memory(), "");
  std::string finding = SizeWords(subject) + " ran out of memory";
  if (!held.empty()) {
    finding = fmt::format("{} go into the {} of {}, but not with the activations of {} beside them",
                          held, BytesShort(advice.bytes2()), run.device(), SizeWords(subject));
  }
  return {
      fmt::format("{}; try for the largest {} that fits", finding, by_batch ? "batch" : "context"),
      FitCommand(run, by_batch ? v1::FIT_AXIS_BATCH : v1::FIT_AXIS_CONTEXT)};
}

// A peak is the most that the device can do: what exceeds it was measured beside others.
AdviceWords CalibrateAgain(const v1::Run& run, const v1::Advice& advice) {
  const std::string load =
      advice.ratio() > 0 ? fmt::format(" ran at load {:.1f}", advice.ratio()) : " found less";
  return {fmt::format("of peak {}: calibration {}{}; calibrate again",
                      Percent(run.matmul_peak_ratio()), advice.text(), load),
          "torchlap calibrate --device " + run.device()};
}

AdviceWords NothingFits(const v1::Run& run, const v1::Advice& advice) {
  const uint64_t weights = run.assessment().memory().weights_bytes();
  const std::string finding =
      fmt::format("{} before any activation, {} has {}", SumOfParts(run.assessment().memory(), ""),
                  run.device(), BytesShort(advice.bytes2()));
  // The weights alone may fit.
  if (!SubjectOf(run).has_backward || weights == 0 || weights > advice.bytes2()) {
    return {finding + ", so no batch and no pass fits; smaller models", "torchlap presets"};
  }
  v1::Run again = run;
  SetPass(v1::PASS_TYPE_FORWARD, again.mutable_workload());
  return {fmt::format("{}, so no batch fits; a forward holds {}", finding, BytesShort(weights)),
          RunCommand(again)};
}

AdviceWords OtherPrecision(const v1::Run& run, v1::Precision precision,
                           const std::string& finding) {
  v1::Run again = run;
  SetPrecision(precision, again.mutable_workload());
  return {finding, RunCommand(again)};
}

AdviceWords Bf16Weights(const v1::Run& run, const v1::Advice& advice) {
  return OtherPrecision(run, v1::PRECISION_BF16_WEIGHTS,
                        fmt::format("with weights in bf16 the same holds {} of {}",
                                    BytesShort(advice.bytes()), BytesShort(advice.bytes2())));
}

// What disturbed a run explains the rest.
bool IsAboutDisturbance(v1::AdviceCode code) {
  return code == v1::ADVICE_NEIGHBOUR || code == v1::ADVICE_QUIET_DEVICE ||
         code == v1::ADVICE_THROTTLED;
}

std::vector<v1::Advice> WorstFirst(const v1::Run& run) {
  std::vector<v1::Advice> advice(run.assessment().advice().begin(),
                                 run.assessment().advice().end());
  std::stable_partition(advice.begin(), advice.end(),
                        [](const v1::Advice& piece) { return IsAboutDisturbance(piece.code()); });
  return advice;
}

// Said once for all rows.
bool IsAboutDevice(v1::AdviceCode code) {
  return code == v1::ADVICE_USE_TF32 || code == v1::ADVICE_USE_BF16 || code == v1::ADVICE_CALIBRATE;
}

AdviceWords AboutDevice(const v1::Run& run, v1::AdviceCode code) {
  const std::string& device = run.device();
  switch (code) {
    case v1::ADVICE_USE_TF32:
      return OtherPrecision(run, v1::PRECISION_TF32,
                            device + " has TF32, which products in fp32 do not use");
    case v1::ADVICE_USE_BF16:
      return OtherPrecision(run, v1::PRECISION_BF16, device + " has bf16, which fp32 does not use");
    default:
      return {device + " was never calibrated, so its peak is not known",
              "torchlap calibrate --device " + device};
  }
}

// What no advice helps against, but belongs beside the numbers: once for a format and device.
std::vector<std::string> EmulatedFormats(const std::vector<v1::Run>& rows) {
  std::vector<std::string> lines;
  for (const v1::Run& row : rows) {
    if (row.outcome() != v1::OUTCOME_OK || row.numerics().instructions() != "emulated") continue;
    const bool is_gpu = row.device().rfind("cuda", 0) == 0;
    const std::string line = fmt::format("{} is emulated on this {} ({})", SubjectOf(row).precision,
                                         is_gpu ? "GPU" : "CPU", row.device());
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
  }
  return lines;
}

}  // namespace

AdviceWords WordAdvice(const v1::Run& run, const v1::Advice& advice) {
  switch (advice.code()) {
    case v1::ADVICE_MORE_WARMUP:
      return MoreWarmup(run, advice);
    case v1::ADVICE_MORE_STEPS:
      return MoreSteps(run, advice);
    case v1::ADVICE_DRIFT:
      return Drift(run, advice);
    case v1::ADVICE_TWO_MODES:
      return TwoModes(run);
    case v1::ADVICE_NEIGHBOUR:
      return Neighbour(run, advice);
    case v1::ADVICE_THROTTLED:
      return Throttled(run, advice);
    case v1::ADVICE_QUIET_DEVICE:
      return QuietDevice(run, advice);
    case v1::ADVICE_LONGER_WINDOW:
      return LongerWindow(run, advice);
    case v1::ADVICE_CALIBRATE_AGAIN:
      return CalibrateAgain(run, advice);
    case v1::ADVICE_SMALLER_FITS:
    case v1::ADVICE_FIT:
      return Fit(run, advice);
    case v1::ADVICE_NOTHING_FITS:
      return NothingFits(run, advice);
    case v1::ADVICE_BF16_WEIGHTS_FIT:
      return Bf16Weights(run, advice);
    case v1::ADVICE_USE_TF32:
    case v1::ADVICE_USE_BF16:
    case v1::ADVICE_CALIBRATE:
      return AboutDevice(run, advice.code());
    default:
      return {};
  }
}

std::vector<std::string> AdviceLines(const std::vector<v1::Run>& rows) {
  std::vector<std::string> of_rows;
  std::vector<std::string> of_devices;
  if (rows.empty()) return of_rows;
  std::set<std::pair<v1::AdviceCode, std::string>> said;
  const std::vector<const Trait*> varying = VaryingTraits(rows);
  for (const v1::Run& row : rows) {
    const std::string name = SubjectName(row.workload()) + Distinction(row, varying);
    std::string noise = NoiseWords(row);
    for (const v1::Advice& advice : WorstFirst(row)) {
      const AdviceWords words = WordAdvice(row, advice);
      if (words.finding.empty()) continue;
      const std::string line = words.finding + ": " + words.command;
      if (!IsAboutDevice(advice.code())) {
        of_rows.push_back(fmt::format("{}: {}{}", name, noise, line));
        noise.clear();
      } else if (said.insert({advice.code(), row.device()}).second) {
        of_devices.push_back(line);
      }
    }
  }
  of_rows.insert(of_rows.end(), of_devices.begin(), of_devices.end());
  const std::vector<std::string> emulated = EmulatedFormats(rows);
  of_rows.insert(of_rows.end(), emulated.begin(), emulated.end());
  return of_rows;
}

std::string MemoryWords(const v1::Run& run) {
  // Of a run that ran out of memory only what was there by then.
  const bool is_bound = run.outcome() != v1::OUTCOME_OK;
  return SumOfParts(run.assessment().memory(), is_bound ? "activations at least" : "activations");
}

}  // namespace torchlap::client::format
