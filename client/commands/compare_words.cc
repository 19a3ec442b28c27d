#include "client/commands/compare_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "client/filter_flags.h"
#include "client/min_effect.h"
#include "client/parse_words.h"
#include "client/value_list.h"
#include "proto/words.h"

namespace torchlap::client {
namespace {

constexpr std::array<std::string_view, 14> kAxes = {
    "precision", "attention", "optimizer", "device",   "device-model", "batch",  "context",
    "size",      "threads",   "timing",    "torchlap", "torch",        "driver", "host"};
constexpr std::string_view kLabelAxis = "label:";

constexpr uint32_t kUsualMaxLaunches = 32;
// One launch a side decides nothing; more than this no job may have.
constexpr uint32_t kLeastMaxLaunches = 2;
constexpr uint32_t kMostMaxLaunches = 1000;

constexpr char kUsage[] =
    "two selectors, A and B (torchlap compare sweep:3 sweep:4), or --by AXIS within one selection";

absl::Status CheckAxis(const std::string& axis) {
  const bool is_label = axis.rfind(kLabelAxis, 0) == 0 && axis.size() > kLabelAxis.size();
  if (is_label || std::find(kAxes.begin(), kAxes.end(), axis) != kAxes.end()) {
    return absl::OkStatus();
  }
  return Invalid(fmt::format("--by is {}, must be {} or label:KEY", axis.empty() ? "''" : axis,
                             fmt::join(kAxes, ", ")));
}

// `precision=fp32`: the axis, and the value that is A.
absl::Status SetAxis(const std::string& by, v1::CompareRunsRequest* request) {
  const std::string axis = by.substr(0, by.find('='));
  if (absl::Status status = CheckAxis(axis); !status.ok()) return status;
  request->set_by(axis);
  if (axis.size() == by.size()) return absl::OkStatus();
  request->set_reference(by.substr(axis.size() + 1));
  if (!request->reference().empty()) return absl::OkStatus();
  return Invalid(fmt::format("--by is {}, must have a value behind the =, or no =", by));
}

// `since 7d is not before until 14d` of what was typed without dashes.
absl::Status WithoutDashes(const absl::Status& status) {
  std::string message = " " + std::string(status.message());
  for (size_t at = 0; (at = message.find(" --", at)) != std::string::npos;)
    message.erase(at + 1, 2);
  return {status.code(), message.substr(1)};
}

// `operands` are of one side.
absl::StatusOr<v1::RunFilter> SideFilter(const FilterWords& flags,
                                         const std::vector<std::string>& operands, int64_t now_ns) {
  FilterWords words;
  for (const std::string& operand : operands) {
    if (absl::Status added = AddFilterText(operand, &words); !added.ok()) return added;
  }
  if (const auto alone = BuildFilter(words, now_ns); !alone.ok()) {
    return WithoutDashes(alone.status());
  }
  const auto all = WithFlags(flags, std::move(words));
  if (!all.ok()) return all.status();
  return BuildFilter(*all, now_ns);
}

absl::Status SetWithin(const CompareOptions& options, int64_t now_ns, CompareWords* words) {
  if (absl::Status status = SetAxis(*options.by, &words->request); !status.ok()) return status;
  auto filter = SideFilter(options.filter, options.operands, now_ns);
  if (!filter.ok()) return filter.status();
  if (options.operands.empty()) filter->mutable_selector()->set_last(true);
  *words->request.mutable_a() = *std::move(filter);
  words->a =
      options.operands.empty() ? "last" : fmt::format("{}", fmt::join(options.operands, " "));
  return absl::OkStatus();
}

bool MayBeAFilter(const std::string& operand) {
  return operand.find('=') != std::string::npos && !operand.starts_with("label:");
}

absl::Status NotTwoSides(const std::vector<std::string>& operands) {
  // The shell took the quotes, or there were none.
  const bool lacks_quotes = std::any_of(operands.begin(), operands.end(), MayBeAFilter);
  return Invalid(fmt::format(
      "compare needs {}, got {} selector{}{}", kUsage, operands.size(),
      operands.size() == 1 ? "" : "s",
      lacks_quotes ? "; the words of one side stand in quotes: \"sweep:3 since=7d\"" : ""));
}

absl::Status SetSides(const CompareOptions& options, int64_t now_ns, CompareWords* words) {
  if (options.operands.size() != 2) return NotTwoSides(options.operands);
  words->a = options.operands[0];
  words->b = options.operands[1];
  return FirstError(
      {Assign(SideFilter(options.filter, {words->a}, now_ns), words->request.mutable_a()),
       Assign(SideFilter(options.filter, {words->b}, now_ns), words->request.mutable_b())});
}

absl::Status SetMinEffect(const std::optional<std::string>& text, CompareWords* words) {
  const auto effect = ParseMinEffect(text);
  if (!effect.ok()) return effect.status();
  words->request.set_learn_min_effect(effect->learned);
  words->request.set_min_effect(effect->share);
  return absl::OkStatus();
}

std::optional<v1::Phase> PhaseOf(const std::string& word) {
  if (word == "step") return v1::PHASE_UNSPECIFIED;
  const auto phase = ParseWord<v1::Phase>(word);
  return phase == v1::PHASE_BUILD ? std::nullopt : phase;
}

absl::Status SetPhases(const std::optional<std::string>& text, CompareWords* words) {
  words->phases = {v1::PHASE_UNSPECIFIED};
  if (!text) return absl::OkStatus();
  const auto list = ParseList("--phase", {*text});
  if (!list.ok()) return list.status();
  words->phases.clear();
  if (*list == std::vector<std::string>{"all"}) return absl::OkStatus();
  for (const std::string& word : *list) {
    const auto phase = PhaseOf(word);
    if (!phase) {
      return Invalid(fmt::format(
          "--phase is {}, must be step, forward, loss, backward, optimizer, or all alone", word));
    }
    words->phases.push_back(*phase);
  }
  return absl::OkStatus();
}

absl::Status SetFailOn(const std::optional<std::string>& text, format::FailOn* fail_on) {
  if (!text) return absl::OkStatus();
  const auto list = ParseList("--fail-on", {*text});
  if (!list.ok()) return list.status();
  for (const std::string& word : *list) {
    if (word == "slower") {
      fail_on->slower = true;
    } else if (word == "inconclusive") {
      fail_on->inconclusive = true;
    } else if (word == "incomparable") {
      fail_on->incomparable = true;
    } else {
      return Invalid(
          fmt::format("--fail-on is {}, must be one of slower, inconclusive, incomparable", word));
    }
  }
  return absl::OkStatus();
}

absl::Status SetMaxLaunches(const CompareOptions& options, CompareWords* words) {
  if (!options.until_decided) {
    if (!options.max_launches) return absl::OkStatus();
    return Invalid(fmt::format("--max-launches is {} without --until-decided, which it limits",
                               *options.max_launches));
  }
  words->max_launches = kUsualMaxLaunches;
  if (!options.max_launches) return absl::OkStatus();
  const auto launches = ReadNumber<uint32_t>(*options.max_launches);
  if (!launches || *launches < kLeastMaxLaunches || *launches > kMostMaxLaunches) {
    return Invalid(fmt::format("--max-launches is {}, must be {} to {}",
                               options.max_launches->empty() ? "''" : *options.max_launches,
                               kLeastMaxLaunches, kMostMaxLaunches));
  }
  words->max_launches = *launches;
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> CompareAxisNames() { return {kAxes.begin(), kAxes.end()}; }

absl::StatusOr<CompareWords> ParseCompare(const CompareOptions& options, int64_t now_ns) {
  CompareWords words;
  const absl::Status status = FirstError(
      {options.by ? SetWithin(options, now_ns, &words) : SetSides(options, now_ns, &words),
       SetMinEffect(options.min_effect, &words), SetPhases(options.phase, &words),
       SetFailOn(options.fail_on, &words.fail_on), SetMaxLaunches(options, &words)});
  if (!status.ok()) return status;
  const v1::CompareRunsRequest& request = words.request;
  const bool is_excluded = request.a().exclude_contaminated() || request.b().exclude_contaminated();
  if (options.include_contaminated && is_excluded) {
    return Invalid(
        "--include-contaminated and --exclude-contaminated are both given, must be one of them");
  }
  words.request.set_include_contaminated(options.include_contaminated);
  return words;
}

format::Comparison ComparisonOf(const CompareWords& words) {
  format::Comparison comparison;
  comparison.a = words.a;
  comparison.b = words.b;
  comparison.by = words.request.by();
  comparison.phases = words.phases;
  comparison.learn_min_effect = words.request.learn_min_effect();
  comparison.until_decided = words.max_launches.has_value();
  return comparison;
}

}  // namespace torchlap::client
