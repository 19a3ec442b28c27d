#include "client/selector.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>
#include <utility>

#include "client/parse_words.h"
#include "client/time_words.h"
#include "client/value_list.h"
#include "proto/words.h"

namespace torchlap::client {
namespace {

constexpr char kSelectorForms[] =
    "a job (17), a run (17.2), sweep:3, sweep:NAME, last, baseline, all or label:k=v";
constexpr char kJobSelectorForms[] = "a job (17), sweep:3, sweep:NAME, last or label:k=v";

// A positive number; nothing for anything else.
std::optional<uint64_t> ReadNumber(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0) return std::nullopt;
  return number;
}

// The word in its plain form (`017.2` is `17.2`), or nothing.
std::optional<std::string> ReadRunId(const std::string& word) {
  const size_t dot = word.find('.');
  if (dot == std::string::npos) return std::nullopt;
  const auto job = ReadNumber(std::string_view(word).substr(0, dot));
  const auto number = ReadNumber(std::string_view(word).substr(dot + 1));
  if (!job || !number) return std::nullopt;
  return fmt::format("{}.{}", *job, *number);
}

absl::Status AddLabel(const std::string& what, const std::string& text,
                      std::map<std::string, std::string>* labels) {
  auto pair = ParsePair(what, text);
  if (!pair.ok()) return pair.status();
  const auto [place, is_new] = labels->insert(*pair);
  if (is_new || place->second == pair->second) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{} {} is both {} and {}, must be one of them",
                                                what, pair->first, place->second, pair->second));
}

bool AddSweep(const std::string& word, v1::Selector* selector) {
  constexpr std::string_view kPrefix = "sweep:";
  if (word.rfind(kPrefix, 0) != 0 || word.size() == kPrefix.size()) return false;
  const std::string name = word.substr(kPrefix.size());
  if (const auto id = ReadNumber(name)) {
    selector->add_sweep_ids(*id);
  } else {
    selector->add_sweep_names(name);
  }
  return true;
}

bool AddName(const std::string& word, v1::Selector* selector) {
  if (const auto job = ReadNumber(word)) {
    selector->add_job_ids(*job);
  } else if (const auto run = ReadRunId(word)) {
    selector->add_run_ids(*run);
  } else if (word == "last") {
    selector->set_last(true);
  } else if (word == "baseline") {
    selector->set_baseline(true);
  } else if (word == "all") {
    selector->set_all(true);
  } else {
    return AddSweep(word, selector);
  }
  return true;
}

// What of it is not about jobs; empty: all of it is.
std::string NoJobs(const v1::Selector& selector) {
  if (selector.all()) return "all";
  if (selector.baseline()) return "baseline";
  return selector.run_ids_size() > 0 ? selector.run_ids(0) + ", a run" : "";
}

template <typename Enum, typename Field>
absl::Status AddWords(const std::string& what, const std::optional<std::string>& words,
                      Field* field) {
  if (!words) return absl::OkStatus();
  auto list = ParseList(what, {*words});
  if (!list.ok()) return list.status();
  for (const std::string& word : *list) {
    const auto value = ParseWord<Enum>(word);
    if (!value) {
      return absl::InvalidArgumentError(
          fmt::format("{} is {}, must be one of {}", what, word, Words<Enum>()));
    }
    field->Add(*value);
  }
  return absl::OkStatus();
}

template <typename Field>
absl::Status AddNames(const std::string& what, const std::optional<std::string>& words,
                      Field* field) {
  if (!words) return absl::OkStatus();
  auto list = ParseList(what, {*words});
  if (!list.ok()) return list.status();
  for (const std::string& word : *list) *field->Add() = word;
  return absl::OkStatus();
}

absl::Status AddPeriod(const FilterWords& words, int64_t now_ns, v1::RunFilter* filter) {
  if (words.since) {
    auto since = ParseTime("--since", *words.since, now_ns);
    if (!since.ok()) return since.status();
    filter->set_since_ns(*since);
  }
  if (words.until) {
    auto until = ParseTime("--until", *words.until, now_ns);
    if (!until.ok()) return until.status();
    filter->set_until_ns(*until);
  }
  if (words.since && words.until && filter->since_ns() >= filter->until_ns()) {
    return absl::InvalidArgumentError(
        fmt::format("--since {} is not before --until {}, must be", *words.since, *words.until));
  }
  return absl::OkStatus();
}

absl::Status AddAll(const FilterWords& words, int64_t now_ns, v1::RunFilter* filter) {
  const absl::Status results[] = {
      AddNames("--model-size", words.model_size, filter->mutable_model_sizes()),
      AddWords<v1::PassType>("--pass-type", words.pass_type, filter->mutable_pass_types()),
      AddWords<v1::Timing>("--timing", words.timing, filter->mutable_timings()),
      AddWords<v1::Precision>("--precision", words.precision, filter->mutable_precisions()),
      AddWords<v1::Attention>("--attention", words.attention, filter->mutable_attentions()),
      AddNames("--device", words.device, filter->mutable_devices()),
      AddNames("--user", words.user, filter->mutable_users()),
      AddPeriod(words, now_ns, filter),
      AddWords<v1::Outcome>("--outcome", words.outcome, filter->mutable_outcomes()),
      AddWords<v1::Purpose>("--purpose", words.purpose, filter->mutable_purposes()),
      AddWords<v1::Validity>("--verdict", words.verdict, filter->mutable_validities()),
  };
  for (const absl::Status& result : results) {
    if (!result.ok()) return result;
  }
  return absl::OkStatus();
}

}  // namespace

bool Selection::empty() const { return selector.ByteSizeLong() == 0 && labels.empty(); }

absl::StatusOr<Selection> ParseSelectors(const std::vector<std::string>& words) {
  constexpr std::string_view kLabel = "label:";
  Selection selection;
  for (const std::string& word : words) {
    if (word.rfind(kLabel, 0) == 0) {
      const absl::Status status = AddLabel("label", word.substr(kLabel.size()), &selection.labels);
      if (!status.ok()) return status;
    } else if (!AddName(word, &selection.selector)) {
      return absl::InvalidArgumentError(
          fmt::format("selector is {}, must be {}", word.empty() ? "''" : word, kSelectorForms));
    }
  }
  return selection;
}

absl::StatusOr<Selection> ParseJobSelectors(const std::vector<std::string>& words) {
  auto selection = ParseSelectors(words);
  if (!selection.ok()) return selection;
  if (const std::string word = NoJobs(selection->selector); !word.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("selector is {}, must be {}", word, kJobSelectorForms));
  }
  if (selection->empty()) selection->selector.set_last(true);
  return selection;
}

absl::StatusOr<v1::RunFilter> BuildFilter(const FilterWords& words, int64_t now_ns) {
  auto selection = ParseSelectors(words.selectors);
  if (!selection.ok()) return selection.status();
  v1::RunFilter filter;
  if (selection->selector.ByteSizeLong() > 0) *filter.mutable_selector() = selection->selector;
  for (const std::string& text : words.labels) {
    const absl::Status status = AddLabel("--label", text, &selection->labels);
    if (!status.ok()) return status;
  }
  for (const auto& [key, value] : selection->labels) (*filter.mutable_labels())[key] = value;
  filter.set_exclude_contaminated(words.exclude_contaminated);
  filter.set_include_invalid(words.include_invalid);
  if (absl::Status status = AddAll(words, now_ns, &filter); !status.ok()) return status;
  return filter;
}

void LeaveOutCanariesOfAll(v1::RunFilter* filter) {
  v1::Selector all;
  all.set_all(true);
  // By name one may be meant beside it.
  if (filter->selector().SerializeAsString() != all.SerializeAsString()) return;
  if (filter->purposes_size() > 0 || filter->users_size() > 0) return;
  for (const v1::Purpose purpose : {v1::PURPOSE_MEASURE, v1::PURPOSE_WARMUP, v1::PURPOSE_FIT,
                                    v1::PURPOSE_CALIBRATE, v1::PURPOSE_TRACE}) {
    filter->add_purposes(purpose);
  }
}

absl::StatusOr<Id> ParseId(const std::string& word) {
  Id id;
  if (word.empty()) {
    return absl::InvalidArgumentError(
        "show needs an id: a job (17), a run (17.2), last or a sweep (sweep:3, sweep:NAME)");
  }
  v1::Selector selector;
  const bool is_known = AddName(word, &selector) && !selector.all() && !selector.baseline();
  if (!is_known) {
    return absl::InvalidArgumentError(fmt::format(
        "id is {}, must be a job (17), a run (17.2), last or a sweep (sweep:3, sweep:NAME)", word));
  }
  if (selector.job_ids_size() > 0) {
    id.job_id = selector.job_ids(0);
  } else if (selector.run_ids_size() > 0) {
    id.run_id = selector.run_ids(0);
  } else {
    id.sweep = std::move(selector);
  }
  return id;
}

}  // namespace torchlap::client
