#include "client/format/warmup.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "client/format/advice.h"
#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/sheet.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
#include "client/format/words.h"
#include "client/run_command.h"

namespace torchlap::client::format {
namespace {

using Finding = v1::WarmupFinding;

// What is compared where no --steps are given.
constexpr char kUsualWarmups[] = "0,1,2,5,10";

uint32_t WarmupOf(const v1::Run& run) {
  return run.has_actual_warmup_steps() ? run.actual_warmup_steps() : run.plan().warmup_steps();
}

std::string SettlesClause(uint32_t step, uint32_t settled, uint32_t of) {
  if (of == 1) return fmt::format("The run settles at step {}", step);
  if (settled == of) return fmt::format("The slowest of {} runs settles at step {}", of, step);
  if (settled == 1) return fmt::format("1 of {} runs settles, at step {}", of, step);
  return fmt::format("{} of {} runs settle, the slowest at step {}", settled, of, step);
}

// ` (95 %: -1.2 to +12 %)`; nothing where it is not known.
std::string ShareInterval(const Finding& finding) {
  if (!finding.has_low() || !finding.has_high()) return "";
  std::string low = SignedPercent(finding.low());
  low.erase(low.rfind(' '));
  return fmt::format(" (95 %: {} to {})", low, SignedPercent(finding.high()));
}

std::string FactorInterval(const Finding& finding) {
  if (!finding.has_low() || !finding.has_high()) return "";
  return fmt::format("95 %: {} to {}", Significant(finding.low(), 2),
                     Significant(finding.high(), 2));
}

// ` (3 of 4 runs, 95 %: 2.1 to 3.4)`; nothing for one run of one.
std::string FirstStepSource(const Finding& finding) {
  // Older daemons do not say of how many.
  const uint32_t of = std::max(finding.of(), finding.count());
  if (of <= 1) return "";
  const std::string runs =
      finding.count() < of ? fmt::format("{} of {}", finding.count(), of) : std::to_string(of);
  const std::string interval = FactorInterval(finding);
  return fmt::format(" ({} runs{}{})", runs, interval.empty() ? "" : ", ", interval);
}

// Runs that a finding rests on; older daemons say so of some only.
uint32_t RowsOf(const Finding& finding) {
  if (finding.code() == Finding::CODE_FIRST_STEP_SLOW) return finding.count();
  return std::max(finding.of(), finding.count());
}

// `; all rows contaminated`
std::string ContaminationWords(const Finding& finding) {
  if (finding.contaminated() == 0) return "";
  if (finding.contaminated() >= RowsOf(finding)) return "; all rows contaminated";
  return fmt::format("; {} of {} rows contaminated", finding.contaminated(), RowsOf(finding));
}

// `the mean step is 5.6 % above that after 10 warm-up steps (95 %: -1 to +12 %)`, and whether that
// tells anything.
std::string InflationClause(const Finding& finding, const std::string& longest) {
  const bool is_told = !finding.has_low() || finding.low() > 0;
  return fmt::format("Without warm-up the mean step is {} above that after {}{}{}",
                     PercentShort(finding.value()), longest, ShareInterval(finding),
                     is_told ? "" : ": not distinguishable");
}

std::string EnoughClause(const Finding& finding, const std::string& longest, uint32_t most) {
  if (finding.steps() == most) {
    return fmt::format("No shorter warm-up brings the mean step within {} of that after {}",
                       PercentShort(finding.threshold()), longest);
  }
  const std::string from = Counted(finding.steps(), "warm-up step");
  if (!finding.has_low()) {
    return fmt::format("From {} on the mean step lies within {} of that after {}", from,
                       PercentShort(finding.threshold()), longest);
  }
  return fmt::format(
      "From {} on the mean step is not distinguishable from that after {}; the largest difference "
      "is {}{}",
      from, longest, PercentShort(finding.value()), ShareInterval(finding));
}

std::string NoDifferenceClause(const Finding& finding, const std::string& longest) {
  if (!finding.has_low()) {
    return fmt::format(
        "No mean step differs from that after {} by more than {}; the largest difference is {}",
        longest, PercentShort(finding.threshold()), PercentShort(finding.value()));
  }
  return fmt::format(
      "No mean step is distinguishable from that after {}; the largest difference is {}{}", longest,
      PercentShort(finding.value()), ShareInterval(finding));
}

bool IsAboutSettling(const Finding& finding) {
  return finding.code() == Finding::CODE_SETTLES || finding.code() == Finding::CODE_NEVER_SETTLES;
}

// As the daemon counts it, for the runs that it did not compare.
Finding SettlingOf(const std::vector<v1::Run>& runs) {
  Finding finding;
  for (const v1::Run& run : runs) {
    if (run.outcome() != v1::OUTCOME_OK) continue;
    finding.set_of(finding.of() + 1);
    if (!run.has_settles_at_step()) continue;
    finding.set_count(finding.count() + 1);
    finding.set_steps(std::max(finding.steps(), run.settles_at_step()));
  }
  finding.set_code(finding.count() > 0 ? Finding::CODE_SETTLES : Finding::CODE_NEVER_SETTLES);
  return finding;
}

std::vector<v1::Run> RunsOf(const v1::CompareWarmupsResponse& comparison) {
  return {comparison.runs().begin(), comparison.runs().end()};
}

// `torchlap warmup --model-sizes small --steps 0,4 --device cpu0`
std::string WarmupCommand(const std::vector<v1::Run>& runs, uint32_t tries) {
  v1::Run again = runs.front();
  again.mutable_plan()->clear_warmup_steps();
  again.mutable_plan()->set_retry_contaminated(tries);
  std::set<uint32_t> steps;
  for (const v1::Run& run : runs) steps.insert(WarmupOf(run));
  const std::string numbers = fmt::format("{}", fmt::join(steps, ","));
  const std::string choice = numbers == kUsualWarmups ? "" : " --steps " + numbers;
  const std::string run_it = RunCommand(again);
  return "torchlap warmup" + run_it.substr(std::string_view("torchlap run").size()) + choice;
}

bool IsContaminated(const v1::Run& run) {
  return run.outcome() == v1::OUTCOME_OK && run.validity() == v1::VALIDITY_CONTAMINATED;
}

std::string WarmupCell(const v1::Run& run) { return std::to_string(WarmupOf(run)); }

bool HasColdRatio(const v1::Run& run) { return run.has_cold_steady_ratio(); }

std::string ColdRatioCell(const v1::Run& run) {
  return fmt::format("{:.2f}x", run.cold_steady_ratio());
}

std::string SettlingCell(const v1::Run& run) {
  return run.outcome() == v1::OUTCOME_OK ? SettlingWords(run) : kNotApplicable;
}

Grid WarmupGrid(const std::vector<v1::Run>& runs) {
  Grid grid;
  if (runs.empty()) return grid;
  grid.rows.resize(runs.size());
  grid.caption = CaptionWithModel(runs);
  AddColumn("warm-up", runs, WarmupCell, &grid);
  AddPhaseColumns(runs, &grid);
  AddColumn("CV", runs, CvCell, &grid);
  AddColumnIfAny("first / steady", runs, HasColdRatio, ColdRatioCell, &grid);
  AddColumn("times", runs, SettlingCell, &grid);
  AddNotes(runs, &grid);
  return grid;
}

std::string WarmupClause(const Finding& finding, uint32_t most) {
  const std::string longest = Counted(most, "warm-up step");
  switch (finding.code()) {
    case Finding::CODE_MEAN_INFLATED:
      return InflationClause(finding, longest);
    case Finding::CODE_STD_INFLATED: {
      const std::string interval = FactorInterval(finding);
      return fmt::format("Without warm-up the standard deviation is {} times that after {}{}",
                         Significant(finding.value(), 2), longest,
                         interval.empty() ? "" : " (" + interval + ")");
    }
    case Finding::CODE_FIRST_STEP_SLOW:
      return fmt::format("The first step of a process takes {} times the steady ones{}",
                         Significant(finding.value(), 3), FirstStepSource(finding));
    case Finding::CODE_SETTLES:
      return SettlesClause(finding.steps(), finding.count(), finding.of());
    case Finding::CODE_NEVER_SETTLES:
      return fmt::format("The time of a step does not settle in any of {}",
                         Counted(finding.of(), "run"));
    case Finding::CODE_ENOUGH_WARMUP:
      return EnoughClause(finding, longest, most);
    case Finding::CODE_NO_DIFFERENCE:
      return NoDifferenceClause(finding, longest);
    default:
      return "";
  }
}

}  // namespace

std::string SettlingWords(const v1::Run& run) {
  if (!run.has_settles_at_step()) return "does not settle";
  return fmt::format("settles at step {}", run.settles_at_step());
}

std::string WarmupSentence(const Finding& finding, uint32_t most) {
  const std::string clause = WarmupClause(finding, most);
  return clause.empty() ? "" : clause + ContaminationWords(finding) + ".";
}

uint32_t LongestWarmup(const v1::CompareWarmupsResponse& comparison) {
  uint32_t longest = 0;
  for (const v1::Run& run : comparison.runs()) {
    if (run.outcome() == v1::OUTCOME_OK) longest = std::max(longest, WarmupOf(run));
  }
  return longest;
}

std::vector<std::string> WarmupSentences(const v1::CompareWarmupsResponse& comparison) {
  const uint32_t longest = LongestWarmup(comparison);
  std::vector<std::string> sentences;
  for (const Finding& finding : comparison.findings()) {
    if (std::string text = WarmupSentence(finding, longest); !text.empty())
      sentences.push_back(text);
  }
  const bool is_said =
      std::any_of(comparison.findings().begin(), comparison.findings().end(), IsAboutSettling);
  const Finding settling = SettlingOf(RunsOf(comparison));
  if (!is_said && settling.of() > 0) sentences.push_back(WarmupSentence(settling, longest));
  return sentences;
}

std::vector<std::string> WarmupHints(const v1::CompareWarmupsResponse& comparison) {
  const std::vector<v1::Run> runs = RunsOf(comparison);
  const auto is_of_use = [](const v1::Run& run) {
    return run.outcome() == v1::OUTCOME_OK && !IsContaminated(run);
  };
  const bool is_any = std::any_of(runs.begin(), runs.end(), IsContaminated);
  if (!is_any || std::any_of(runs.begin(), runs.end(), is_of_use)) return {};
  const std::string rows = SubjectName(runs.front().workload()) + ": all rows contaminated";
  if (runs.front().plan().retry_contaminated() > 0) {
    return {rows + " in all of their tries: wait for a quiet device: torchlap doctor"};
  }
  return {rows + ", try them again: " + WarmupCommand(runs, kTriesAgainstNeighbours)};
}

Document ShowWarmups(const v1::CompareWarmupsResponse& comparison, FindDevices find_devices) {
  Document document;
  document.blocks = [comparison, find_devices] {
    const std::vector<v1::Run> runs = RunsOf(comparison);
    const std::string legend =
        LegendLine(runs, find_devices ? find_devices() : NotesOf(RowOfEachDevice(runs)));
    std::vector<Block> blocks = {WarmupGrid(runs)};
    if (!legend.empty()) blocks.emplace_back(Lines{legend});
    blocks.emplace_back(WarmupSentences(comparison));
    return blocks;
  };
  document.hints = [comparison] { return WarmupHints(comparison); };
  document.rows = RunRows(RunsOf(comparison), RunColumns());
  document.object = WarmupsObject(comparison);
  return document;
}

}  // namespace torchlap::client::format
