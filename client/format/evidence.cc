#include "client/format/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "client/format/numbers.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

constexpr size_t kMostIntervals = 3;  // that a mark names

// Something outside of the program that happened at some time: worth its numbers in a mark. The
// other reasons are about the times themselves, which stand in the same row.
bool IsEvent(v1::Reason reason) {
  switch (reason) {
    case v1::REASON_FOREIGN_CPU:
    case v1::REASON_FOREIGN_GPU:
    case v1::REASON_THERMAL:
    case v1::REASON_POWER_BRAKE:
    case v1::REASON_HARDWARE_SLOWDOWN:
    case v1::REASON_CLOCK_DROP:
      return true;
    default:
      return false;
  }
}

// Too little evidence is no news beside evidence, but that nobody could see who else computed is.
bool IsSmallGap(v1::Reason reason) {
  return reason == v1::REASON_FEW_STEPS || reason == v1::REASON_NO_WARMUP;
}

// Whether the verdict stands on the reason, and not on a worse one.
bool Supports(const std::string& word, v1::Validity verdict) {
  const v1::Reason reason = ParseWord<v1::Reason>(word).value_or(v1::REASON_UNSPECIFIED);
  if (verdict == v1::VALIDITY_CONTAMINATED) return IsEvent(reason);
  return verdict != v1::VALIDITY_SUSPECT || !IsSmallGap(reason);
}

// Of a fall the smallest number is the worst one.
bool IsFall(v1::Reason reason) {
  return reason == v1::REASON_CLOCK_DROP || reason == v1::REASON_LOW_EFFICIENCY;
}

std::string Amount(v1::Reason reason, double value) {
  if (reason == v1::REASON_SHORT_WINDOW) return Significant(value, 2) + " s";
  if (reason == v1::REASON_FEW_STEPS || reason == v1::REASON_NO_WARMUP) {
    return fmt::format("{:.0f} step{}", value, value == 1 ? "" : "s");
  }
  return reason == v1::REASON_DRIFT ? SignedPercent(value) : PercentShort(value);
}

bool IsAboutSettling(v1::Reason reason) {
  return reason == v1::REASON_SETTLED || reason == v1::REASON_NOT_SETTLED;
}

// `: waited 42 s, 49 C`
std::string WaitedWords(const v1::Evidence& evidence) {
  std::string words = fmt::format(": waited {:.0f} s", evidence.value());
  if (evidence.has_celsius()) words += fmt::format(", {} C", evidence.celsius());
  const bool gave_up =
      evidence.reason() == v1::REASON_NOT_SETTLED && evidence.value() >= evidence.threshold();
  return gave_up ? words + ", gave up" : words;
}

// What the device was not when the run began, though its owner wants it so.
bool IsAmiss(v1::Reason reason) {
  return reason == v1::REASON_NOT_SETTLED || reason == v1::REASON_SETTINGS_MISSING;
}

std::string ValueWords(const v1::Evidence& evidence) {
  if (!evidence.has_value()) return "";
  const std::string amount = Amount(evidence.reason(), evidence.value());
  if (evidence.reason() == v1::REASON_CLOCK_DROP) return " to " + amount;
  if (evidence.reason() == v1::REASON_LOW_EFFICIENCY && !evidence.run_id().empty()) {
    return fmt::format(" {} of {}", amount, evidence.run_id());
  }
  return " " + amount;
}

std::string Interval(const v1::Evidence& evidence) {
  if (!evidence.has_first_step()) return "";
  if (evidence.last_step() <= evidence.first_step()) return std::to_string(evidence.first_step());
  return fmt::format("{}-{}", evidence.first_step(), evidence.last_step());
}

const v1::Evidence& Worst(const std::vector<v1::Evidence>& pieces) {
  const auto is_milder = [](const v1::Evidence& a, const v1::Evidence& b) {
    return IsFall(a.reason()) ? a.value() > b.value() : a.value() < b.value();
  };
  return *std::max_element(pieces.begin(), pieces.end(), is_milder);
}

// `, steps 3-7, 12-14`
std::string Intervals(const std::vector<v1::Evidence>& pieces) {
  std::vector<std::string> intervals;
  for (const v1::Evidence& piece : pieces) {
    if (std::string interval = Interval(piece); !interval.empty()) intervals.push_back(interval);
  }
  if (intervals.empty()) return "";
  if (intervals.size() == 1) return ", " + StepWords(pieces.front());
  const size_t more = intervals.size() - std::min(intervals.size(), kMostIntervals);
  intervals.resize(intervals.size() - more);
  const std::string rest = more == 0 ? "" : fmt::format(" and {} more", more);
  return fmt::format(", steps {}{}", fmt::join(intervals, ", "), rest);
}

// All evidence for one reason.
std::string EventWords(const std::vector<v1::Evidence>& pieces) {
  const v1::Evidence& worst = Worst(pieces);
  return fmt::format("{}{}{}{}", Word(worst.reason()), ValueWords(worst), PartWords(worst),
                     Intervals(pieces));
}

std::vector<v1::Evidence> EvidenceFor(const v1::Run& run, std::string_view reason) {
  std::vector<v1::Evidence> pieces;
  for (const v1::Evidence& piece : run.assessment().evidence()) {
    if (Word(piece.reason()) == reason) pieces.push_back(piece);
  }
  return pieces;
}

std::vector<std::string> StoredReasons(const v1::Run& run) {
  std::vector<std::string> reasons;
  std::string rest = run.validity_reasons();
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    reasons.push_back(rest.substr(0, comma));
    rest.erase(0, comma + 1);
  }
  return reasons;
}

std::string ReasonInMark(const v1::Run& run, const std::string& reason) {
  const std::vector<v1::Evidence> pieces = EvidenceFor(run, reason);
  if (pieces.empty()) return reason;
  if (IsEvent(pieces.front().reason())) return EventWords(pieces);
  // Against what the efficiency is low is not in the row.
  if (pieces.front().reason() == v1::REASON_LOW_EFFICIENCY) {
    return reason + ValueWords(Worst(pieces));
  }
  return reason;
}

}  // namespace

std::vector<std::string> Reasons(const v1::Run& run) {
  std::vector<std::string> reasons = StoredReasons(run);
  std::stable_partition(reasons.begin(), reasons.end(), [&run](const std::string& reason) {
    return Supports(reason, run.validity());
  });
  return reasons;
}

std::string VerdictWord(const v1::Run& run) {
  return run.invalid_reason().empty() ? std::string(Word(run.validity())) : "invalid";
}

std::string VerdictWords(const v1::Run& run) {
  const bool has_verdict =
      run.outcome() == v1::OUTCOME_OK && run.validity() != v1::VALIDITY_UNSPECIFIED;
  if (!has_verdict) return "";
  std::vector<std::string> reasons;
  // Only the first with its numbers: a mark is to be short.
  for (const std::string& reason : Reasons(run)) {
    if (!Supports(reason, run.validity())) continue;
    reasons.push_back(reasons.empty() ? ReasonInMark(run, reason) : reason);
  }
  const std::string verdict(Word(run.validity()));
  return reasons.empty() ? verdict : fmt::format("{}: {}", verdict, fmt::join(reasons, ", "));
}

std::string VerdictMark(const v1::Run& run) {
  const bool does_not_count = !run.invalid_reason().empty() && run.validity() == v1::VALIDITY_CLEAN;
  return does_not_count ? "" : VerdictAndCondition(run);
}

std::string ConditionWords(const v1::Run& run) {
  std::vector<std::string> words;
  for (const v1::Evidence& evidence : run.assessment().evidence()) {
    if (IsAmiss(evidence.reason())) words.push_back(EvidenceWords(evidence));
  }
  return fmt::format("{}", fmt::join(words, "; "));
}

std::string VerdictAndCondition(const v1::Run& run) {
  const std::string verdict = VerdictWords(run);
  const std::string condition = ConditionWords(run);
  return verdict.empty() || condition.empty() ? verdict + condition : verdict + "; " + condition;
}

std::string EvidenceWords(const v1::Evidence& evidence) {
  if (IsAboutSettling(evidence.reason())) {
    return std::string(Word(evidence.reason())) + WaitedWords(evidence);
  }
  std::string words = std::string(Word(evidence.reason())) + ValueWords(evidence);
  if (evidence.has_threshold()) {
    words += fmt::format(" (threshold {})", evidence.reason() == v1::REASON_DRIFT
                                                ? PercentShort(evidence.threshold())
                                                : Amount(evidence.reason(), evidence.threshold()));
  }
  words += PartWords(evidence);
  if (const std::string steps = StepWords(evidence); !steps.empty()) words += ", " + steps;
  return words;
}

std::string WhoWords(const v1::Evidence& evidence) {
  if (evidence.pid() == 0) return evidence.process();
  const std::string user = evidence.user().empty() ? "" : ", " + evidence.user();
  return fmt::format("{} (pid {}{})", evidence.process(), evidence.pid(), user);
}

bool IsMostlyOfProcess(const v1::Evidence& evidence) {
  if (WhoWords(evidence).empty()) return false;
  // A GPU tells of each process what it had.
  if (evidence.reason() != v1::REASON_FOREIGN_CPU) return true;
  return evidence.has_process_value() && evidence.process_value() >= evidence.value() / 2;
}

std::string PartWords(const v1::Evidence& evidence) {
  if (IsMostlyOfProcess(evidence)) return " by " + WhoWords(evidence);
  if (!WhoWords(evidence).empty()) {
    const std::string part =
        evidence.has_process_value() ? " " + PercentShort(evidence.process_value()) : "";
    return fmt::format(", the largest: {}{}", WhoWords(evidence), part);
  }
  return evidence.has_process_value() ? ", mostly by processes that have ended" : "";
}

std::string StepWords(const v1::Evidence& evidence) {
  const std::string interval = Interval(evidence);
  if (interval.empty()) return "";
  return (interval.find('-') == std::string::npos ? "step " : "steps ") + interval;
}

}  // namespace torchlap::client::format
