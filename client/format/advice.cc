#include "client/format/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>
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

const v1::Evidence* Find(const v1::Run& run, v1::Reason reason) {
  for (const v1::Evidence& evidence : run.assessment().evidence()) {
    if (evidence.reason() == reason) return &evidence;
  }
  return nullptr;
}

// ` of backward`: the phase whose CV the table has; empty where that is the step's.
std::string PhaseOfLargestCv(const v1::Run& run) {
  double largest = run.step().cv();
  std::string phase;
  const auto look = [&](v1::Phase which, const v1::PhaseSummary& summary) {
    if (summary.cv() <= largest || PercentShort(summary.cv()) == PercentShort(largest)) return;
    largest = summary.cv();
    phase = fmt::format(" of {}", Word(which));
  };
  look(v1::PHASE_FORWARD, run.forward());
  look(v1::PHASE_BACKWARD, run.backward());
  look(v1::PHASE_OPTIMIZER, run.optimizer());
  return phase;
}

// What the first piece of advice explains: `CV 14.2 %, `, as the table has it. Over launches the
// table's is that between them, and the noise that of one.
std::string NoiseWords(const v1::Run& run) {
  if (Find(run, v1::REASON_NOISE) == nullptr) return "";
  if (run.pooled_launches() <= 1) {
    return fmt::format("CV {}{}, ", CvCell(run), PhaseOfLargestCv(run));
  }
  if (!run.step().has_within_std_ns() || !(run.step().mean_ns() > 0)) return "";
  return fmt::format("CV {} within a launch, ",
                     Percent(run.step().within_std_ns() / run.step().mean_ns()));
}

std::string WhenTimesSettle(const v1::Run& run) {
  if (!run.has_settles_at_step()) return "times do not settle";
  return fmt::format("times settle at step {}", run.settles_at_step());
}

const v1::Advice* Find(const v1::Run& run, v1::AdviceCode code) {
  for (const v1::Advice& advice : run.assessment().advice()) {
    if (advice.code() == code) return &advice;
  }
  return nullptr;
}

// What advice changes of the plan.
void Change(const v1::Run& run, const v1::Advice& advice, v1::Plan* plan) {
  const auto number = static_cast<uint32_t>(advice.number());
  switch (advice.code()) {
    case v1::ADVICE_MORE_WARMUP:
      plan->set_warmup_steps(number);
      return;
    case v1::ADVICE_MORE_STEPS:
      if (plan->has_target_precision()) {
        plan->set_max_steps(number);
      } else {
        plan->set_measure_steps(number);
      }
      return;
    case v1::ADVICE_LONGER_WINDOW:
      plan->set_measure_steps(number);
      // Else the next verdict would be unverified again; unset it is the usual number.
      if (Find(run, v1::REASON_NO_WARMUP) != nullptr &&
          Find(run, v1::ADVICE_MORE_WARMUP) == nullptr) {
        plan->clear_warmup_steps();
      }
      return;
    case v1::ADVICE_DRIFT:
      plan->set_launches(number);
      return;
    case v1::ADVICE_NEIGHBOUR:
      plan->set_retry_contaminated(kTriesAgainstNeighbours);
      return;
    default:
      return;
  }
}

// One command for all that is to be changed of a plan: two would undo each other.
std::string ChangedPlan(const v1::Run& run) {
  v1::Run again = run;
  for (const v1::Advice& advice : run.assessment().advice()) {
    Change(run, advice, again.mutable_plan());
  }
  return RunCommand(again);
}

AdviceWords MoreWarmup(const v1::Run& run) {
  std::string finding = WhenTimesSettle(run);
  if (const v1::Evidence* cold = Find(run, v1::REASON_COLD_START)) {
    finding = fmt::format("cold start, step {} took {} longer than the steady ones, {}",
                          cold->first_step(), PercentShort(cold->value()), finding);
  }
  return {finding, ChangedPlan(run)};
}

constexpr char kPlainNoise[] = "noise without cold start, drift or two modes";

AdviceWords MoreSteps(const v1::Run& run, const v1::Advice& advice) {
  return {fmt::format("{}, {} steps would bring the mean step to ± {}", kPlainNoise,
                      advice.number(), PercentShort(advice.ratio())),
          ChangedPlan(run)};
}

AdviceWords NoiseRemains(const v1::Advice& advice) {
  return {fmt::format("{}, too much for more steps to help ({} for ± {} of the mean step): wait "
                      "for a quiet device",
                      kPlainNoise, advice.number(), PercentShort(advice.ratio())),
          "torchlap doctor"};
}

AdviceWords Drift(const v1::Run& run) {
  std::string finding = "times drift";
  if (const v1::Evidence* drift = Find(run, v1::REASON_DRIFT)) {
    finding +=
        fmt::format(" ({} from the first half to the second)", SignedPercent(drift->value()));
  }
  return {finding, ChangedPlan(run)};
}

AdviceWords TwoModes(const v1::Run& run) {
  std::string finding = "times fall into two groups";
  if (const v1::Evidence* modes = Find(run, v1::REASON_TWO_MODES)) {
    finding += fmt::format(" (which explains {} of their variance)", PercentShort(modes->value()));
  }
  return {finding, "torchlap show " + ShellWord(run.run_id())};
}

// The worst of what was seen of those that the advice is about.
v1::Evidence WorstOf(const v1::Run& run, const v1::Advice& advice) {
  v1::Evidence worst;
  for (const v1::Evidence& evidence : run.assessment().evidence()) {
    const bool is_foreign =
        evidence.reason() == v1::REASON_FOREIGN_CPU || evidence.reason() == v1::REASON_FOREIGN_GPU;
    if (!is_foreign || WhoWords(evidence) != advice.text()) continue;
    if (worst.reason() == v1::REASON_UNSPECIFIED || evidence.value() > worst.value()) {
      worst = evidence;
    }
  }
  return worst;
}

// Beside a GPU foreign CPU time is the time that the worker's threads waited for a core.
bool IsWaiting(const v1::Run& run, const v1::Evidence& evidence) {
  return evidence.reason() == v1::REASON_FOREIGN_CPU && run.device().rfind("cuda", 0) == 0;
}

std::string OthersWords(const v1::Run& run, const v1::Evidence& worst, double share) {
  if (IsWaiting(run, worst)) {
    return fmt::format("the worker waited for a core for {} of the time", PercentShort(share));
  }
  return fmt::format("others had {} of the time of {}", PercentShort(share), run.device());
}

std::string NeighbourWords(const v1::Run& run, const v1::Advice& advice) {
  const v1::Evidence worst = WorstOf(run, advice);
  const std::string steps = StepWords(worst);
  const std::string when = steps.empty() ? "" : " in " + steps;
  if (!IsMostlyOfProcess(worst)) {
    const bool is_told = worst.reason() != v1::REASON_UNSPECIFIED;
    const double share = is_told ? worst.value() : advice.ratio();
    return OthersWords(run, worst, share) + when + PartWords(worst);
  }
  if (IsWaiting(run, worst)) {
    return fmt::format("{} kept the worker waiting for a core for {} of the time{}", advice.text(),
                       PercentShort(worst.value()), when);
  }
  const double part = worst.has_process_value() ? worst.process_value() : worst.value();
  return fmt::format("{} had {} of the time of {}{}", advice.text(), PercentShort(part),
                     run.device(), when);
}

AdviceWords Neighbour(const v1::Run& run, const v1::Advice& advice) {
  return {NeighbourWords(run, advice), ChangedPlan(run)};
}

// To try again at once would be the same again.
AdviceWords QuietDevice(const v1::Run& run, const v1::Advice& advice) {
  return {fmt::format("{}, {} of {} tries contaminated: wait for a quiet device",
                      NeighbourWords(run, advice), advice.number(), advice.number2()),
          "torchlap doctor"};
}

AdviceWords LongerWindow(const v1::Run& run, const v1::Advice& advice) {
  const v1::Evidence* window = Find(run, v1::REASON_SHORT_WINDOW);
  const auto milliseconds = [](double seconds) { return Significant(seconds * 1000, 2) + " ms"; };
  const std::string finding =
      window == nullptr
          ? "the measured steps are too short for the counters to say anything"
          : fmt::format(
                "{} of measured steps are too short for the counters to say anything, {} "
                "are enough",
                milliseconds(window->value()), milliseconds(window->threshold()));
  return {fmt::format("{}, {} steps would take them", finding, advice.number()), ChangedPlan(run)};
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
          "torchlap calibrate --device " + ShellWord(run.device())};
}

AdviceWords OtherPrecision(const v1::Run& run, v1::Precision precision,
                           const std::string& finding) {
  v1::Run again = run;
  SetPrecision(precision, again.mutable_workload());
  return {finding, RunCommand(again)};
}

// A graph has no boundaries of phases, and an optimizer that counts on the device.
void ReplayGraph(v1::Run* run) {
  run->mutable_plan()->set_execution(v1::EXECUTION_CUDA_GRAPH);
  run->mutable_plan()->set_timing(v1::TIMING_COMBINED);
  if (SubjectOf(*run).has_optimizer_step)
    SetOptimizer(v1::OPTIMIZER_FUSED, run->mutable_workload());
}

AdviceWords HostBound(const v1::Run& run, const v1::Advice& advice) {
  const std::string finding = fmt::format("{} works for {} of a step and waits for the host else",
                                          run.device(), PercentShort(advice.ratio()));
  v1::Run again = run;
  const auto batch = static_cast<uint32_t>(advice.number());
  if (run.plan().execution() == v1::EXECUTION_CUDA_GRAPH) {
    SetSizes(batch, SubjectOf(run).context_length, again.mutable_workload());
    return {finding + ", which a larger batch makes less of", RunCommand(again)};
  }
  ReplayGraph(&again);
  return {fmt::format("{}, which a larger batch (--batch-size {}) or a CUDA graph makes less of",
                      finding, batch),
          RunCommand(again)};
}

AdviceWords InBf16Words(const v1::Run& run, const v1::Advice& advice) {
  v1::Run again = run;
  const bool is_forward = advice.code() == v1::ADVICE_FORWARD_BF16_WEIGHTS_FIT;
  if (is_forward) SetPass(v1::PASS_TYPE_FORWARD, again.mutable_workload());
  return OtherPrecision(
      again, v1::PRECISION_BF16_WEIGHTS,
      fmt::format("{} holds {} of {}",
                  is_forward ? "a forward with weights in bf16" : "with weights in bf16 the same",
                  BytesShort(advice.bytes()), BytesShort(advice.bytes2())));
}

// The half of the bytes that would fit: as advice of its own it is said beside a forward in fp32,
// else it is what NOTHING_FITS ends with.
const v1::Advice* InBf16(const v1::Run& run) {
  const v1::Advice* same = Find(run, v1::ADVICE_BF16_WEIGHTS_FIT);
  return same != nullptr ? same : Find(run, v1::ADVICE_FORWARD_BF16_WEIGHTS_FIT);
}

// The weights alone may fit.
bool ForwardFits(const v1::Run& run, const v1::Advice& nothing_fits) {
  const uint64_t weights = run.assessment().memory().weights_bytes();
  return SubjectOf(run).has_backward && weights > 0 && weights <= nothing_fits.bytes2();
}

bool IsSaidWithNothingFits(const v1::Run& run, v1::AdviceCode code) {
  const v1::Advice* nothing = Find(run, v1::ADVICE_NOTHING_FITS);
  const bool is_in_bf16 =
      code == v1::ADVICE_BF16_WEIGHTS_FIT || code == v1::ADVICE_FORWARD_BF16_WEIGHTS_FIT;
  return is_in_bf16 && nothing != nullptr && !ForwardFits(run, *nothing);
}

AdviceWords NothingFits(const v1::Run& run, const v1::Advice& advice) {
  const v1::MemoryParts& memory = run.assessment().memory();
  const std::string finding =
      fmt::format("{} before any activation, {} has {}", SumOfParts(memory, ""), run.device(),
                  BytesShort(advice.bytes2()));
  if (ForwardFits(run, advice)) {
    v1::Run again = run;
    SetPass(v1::PASS_TYPE_FORWARD, again.mutable_workload());
    return {fmt::format("{}, so no batch fits; a forward holds {}", finding,
                        BytesShort(memory.weights_bytes())),
            RunCommand(again)};
  }
  if (const v1::Advice* lighter = InBf16(run)) {
    const AdviceWords words = InBf16Words(run, *lighter);
    return {fmt::format("{}, so no batch fits; {}", finding, words.finding), words.command};
  }
  return {finding + ", so no batch and no pass fits; smaller models", "torchlap presets"};
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
      return {device + " has no clean calibration, so its peak is not known",
              "torchlap calibrate --device " + ShellWord(device)};
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

// A fact of the size, whatever batch and context were asked for.
bool IsAboutSize(v1::AdviceCode code) {
  return code == v1::ADVICE_NOTHING_FITS || code == v1::ADVICE_BF16_WEIGHTS_FIT ||
         code == v1::ADVICE_FORWARD_BF16_WEIGHTS_FIT;
}

std::vector<const Trait*> WithoutSizes(std::vector<const Trait*> traits) {
  const auto is_size = [](const Trait* trait) {
    return std::string_view(trait->title) == "batch" || std::string_view(trait->title) == "context";
  };
  traits.erase(std::remove_if(traits.begin(), traits.end(), is_size), traits.end());
  return traits;
}

// The lines of all rows, each fact once.
class Advised {
 public:
  explicit Advised(const std::vector<v1::Run>& rows)
      : varying_(VaryingTraits(rows)), varying_but_sizes_(WithoutSizes(varying_)) {}

  void Add(const v1::Run& row) {
    std::string noise = NoiseWords(row);
    std::string last_command;
    for (const v1::Advice& advice : WorstFirst(row)) {
      const AdviceWords words = WordAdvice(row, advice);
      if (words.finding.empty() || IsSaidWithNothingFits(row, advice.code())) continue;
      if (IsSaid(row, advice.code(), words)) continue;
      if (IsAboutDevice(advice.code())) {
        of_devices_.push_back(words.finding + ": " + words.command);
        continue;
      }
      AddOfRow(NameOf(row, advice.code()) + ": ", noise + words.finding, words.command,
               &last_command);
      noise.clear();
    }
  }

  std::vector<std::string> Lines(const std::vector<std::string>& last) const {
    std::vector<std::string> lines = of_rows_;
    lines.insert(lines.end(), of_devices_.begin(), of_devices_.end());
    lines.insert(lines.end(), last.begin(), last.end());
    return lines;
  }

 private:
  std::string NameOf(const v1::Run& row, v1::AdviceCode code) const {
    return SubjectName(row.workload()) +
           Distinction(row, IsAboutSize(code) ? varying_but_sizes_ : varying_);
  }

  bool IsSaid(const v1::Run& row, v1::AdviceCode code, const AdviceWords& words) {
    std::string fact;
    if (IsAboutDevice(code)) {
      fact = row.device();
    } else if (IsAboutSize(code)) {
      fact = NameOf(row, code) + words.finding;
    } else if (code == v1::ADVICE_FIT || code == v1::ADVICE_SMALLER_FITS) {
      fact = words.command;
    } else {
      return false;
    }
    return !said_.insert({code, fact}).second;
  }

  // Pieces that end in the same command are one line.
  void AddOfRow(const std::string& name, const std::string& finding, const std::string& command,
                std::string* last_command) {
    if (!of_rows_.empty() && command == *last_command) {
      std::string& line = of_rows_.back();
      line.insert(line.size() - command.size() - 2, "; " + finding);
    } else {
      of_rows_.push_back(name + finding + ": " + command);
    }
    *last_command = command;
  }

  const std::vector<const Trait*> varying_;
  const std::vector<const Trait*> varying_but_sizes_;
  std::set<std::pair<v1::AdviceCode, std::string>> said_;
  std::vector<std::string> of_rows_;
  std::vector<std::string> of_devices_;
};

}  // namespace

AdviceWords WordAdvice(const v1::Run& run, const v1::Advice& advice) {
  switch (advice.code()) {
    case v1::ADVICE_MORE_WARMUP:
      return MoreWarmup(run);
    case v1::ADVICE_MORE_STEPS:
      return MoreSteps(run, advice);
    case v1::ADVICE_NOISE_REMAINS:
      return NoiseRemains(advice);
    case v1::ADVICE_DRIFT:
      return Drift(run);
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
    case v1::ADVICE_HOST_BOUND:
      return HostBound(run, advice);
    case v1::ADVICE_CALIBRATE_AGAIN:
      return CalibrateAgain(run, advice);
    case v1::ADVICE_SMALLER_FITS:
    case v1::ADVICE_FIT:
      return Fit(run, advice);
    case v1::ADVICE_NOTHING_FITS:
      return NothingFits(run, advice);
    case v1::ADVICE_BF16_WEIGHTS_FIT:
    case v1::ADVICE_FORWARD_BF16_WEIGHTS_FIT:
      return InBf16Words(run, advice);
    case v1::ADVICE_USE_TF32:
    case v1::ADVICE_USE_BF16:
    case v1::ADVICE_CALIBRATE:
      return AboutDevice(run, advice.code());
    default:
      return {};
  }
}

std::vector<std::string> AdviceLines(const std::vector<v1::Run>& rows) {
  if (rows.empty()) return {};
  Advised advised(rows);
  for (const v1::Run& row : rows) advised.Add(row);
  return advised.Lines(EmulatedFormats(rows));
}

std::string MemoryWords(const v1::Run& run) {
  // Of a run that ran out of memory only what was there by then.
  const bool is_bound = run.outcome() != v1::OUTCOME_OK;
  return SumOfParts(run.assessment().memory(), is_bound ? "activations at least" : "activations");
}

}  // namespace torchlap::client::format
