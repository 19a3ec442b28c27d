#include "client/format/sweeps.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "client/format/subject.h"
#include "client/format/width.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

using Counts = std::vector<std::pair<const char*, uint32_t>>;

Counts JobCounts(const v1::Sweep& sweep) {
  return {{"queued", sweep.queued_jobs()},
          {"running", sweep.running_jobs()},
          {"succeeded", sweep.succeeded_jobs()},
          {"failed", sweep.failed_jobs()},
          {"cancelled", sweep.cancelled_jobs()}};
}

Counts RunCounts(const v1::Sweep& sweep) {
  return {{"clean", sweep.clean_runs()},
          {"unverified", sweep.unverified_runs()},
          {"suspect", sweep.suspect_runs()},
          {"contaminated", sweep.contaminated_runs()}};
}

// The worst first: `1 failed, 2 succeeded`, in short `1 failed of 3`.
std::string CountsText(Counts counts, bool in_short) {
  std::string text;
  uint32_t all = 0;
  for (const auto& [what, count] : counts) all += count;
  const uint32_t good = counts.back().second;
  const bool leaves_out = in_short && good > 0 && good < all;
  if (leaves_out) counts.pop_back();
  for (const auto& [what, count] : counts) {
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  }
  if (leaves_out) text += fmt::format(" of {}", all);
  return text.empty() ? "-" : text;
}

std::string JobsText(const v1::Sweep& sweep, bool in_short) {
  return CountsText({{"failed", sweep.failed_jobs()},
                     {"cancelled", sweep.cancelled_jobs()},
                     {"running", sweep.running_jobs()},
                     {"queued", sweep.queued_jobs()},
                     {"succeeded", sweep.succeeded_jobs()}},
                    in_short);
}

std::string VerdictsText(const v1::Sweep& sweep, bool in_short) {
  Counts counts = RunCounts(sweep);
  std::reverse(counts.begin(), counts.end());
  return CountsText(std::move(counts), in_short);
}

// `2026-01-31 12:00`, UTC; in short without the year.
std::string TimeText(int64_t unix_ns, bool in_short) {
  const std::string stamp = Rfc3339(unix_ns);
  const std::string day = in_short ? stamp.substr(5, 5) : stamp.substr(0, 10);
  return day + " " + stamp.substr(11, 5);
}

// An answer has at most so many values of a setting: before the last of them others may be left
// out.
constexpr size_t kMostSent = 20;
constexpr size_t kMostInShort = 3;

using Values = std::vector<std::string>;

template <typename Enum>
Values WordsOf(const google::protobuf::RepeatedField<int>& values) {
  Values words;
  for (const int value : values) words.emplace_back(Word(static_cast<Enum>(value)));
  return words;
}

Values NumbersOf(const google::protobuf::RepeatedField<uint32_t>& values) {
  Values words;
  for (const uint32_t value : values) words.push_back(std::to_string(value));
  return words;
}

Values NamesOf(const google::protobuf::RepeatedPtrField<v1::TransformerLm>& models) {
  Values names;
  for (const v1::TransformerLm& model : models) {
    v1::Workload workload;
    *workload.mutable_transformer_lm() = model;
    names.push_back(SubjectName(workload));
  }
  return names;
}

// `128 256 512`; of too many `128..2048`.
std::string Listed(const Values& values, const char* separator, bool in_short) {
  const size_t most = in_short ? kMostInShort : kMostSent - 1;
  if (values.size() > most) return values.front() + ".." + values.back();
  return fmt::format("{}", fmt::join(values, separator));
}

// A setting of the jobs of a sweep, and in how many values they differ.
struct Setting {
  std::string name;
  Values values;
  const char* separator = " ";
  // Not worth a word where all have it.
  std::string usual = {};

  bool Varies() const { return values.size() > 1; }
  bool IsSaid() const { return !values.empty() && (Varies() || values.front() != usual); }
};

std::vector<Setting> SettingsOf(const v1::Sweep& sweep, bool in_short) {
  const std::string warmups =
      sweep.warmup_steps_size() == 1 ? std::to_string(sweep.warmup_steps(0)) : "";
  const std::string pass = in_short ? std::string(Word(v1::PASS_TYPE_FORWARD_BACKWARD)) : "";
  return {
      {"", NamesOf(sweep.models()), ", "},
      {"", WordsOf<v1::PassType>(sweep.pass_types()), " ", pass},
      {"batch ", NumbersOf(sweep.batch_sizes())},
      {"context ", NumbersOf(sweep.context_lengths())},
      {"", WordsOf<v1::Precision>(sweep.precisions()), " ", std::string(Word(v1::PRECISION_FP32))},
      {"", WordsOf<v1::Attention>(sweep.attentions()), " ",
       std::string(Word(v1::ATTENTION_EXPLICIT))},
      {"", WordsOf<v1::Optimizer>(sweep.optimizers()), " ",
       std::string(Word(v1::OPTIMIZER_COURSE))},
      {"warm-up ", NumbersOf(sweep.warmup_steps()), " ", warmups}};
}

// `small, medium; forward; batch 4; context 128 256 512`; in short what varies comes first, as the
// rest may be cut. Empty: an older daemon does not tell it.
std::string WhatText(const v1::Sweep& sweep, bool in_short) {
  if (sweep.models().empty()) {
    return sweep.purpose() == v1::PURPOSE_CALIBRATE ? "the device's own speed" : "";
  }
  std::vector<Setting> settings = SettingsOf(sweep, in_short);
  if (in_short) {
    std::stable_partition(settings.begin(), settings.end(),
                          [](const Setting& setting) { return setting.Varies(); });
  }
  Values parts;
  for (const Setting& setting : settings) {
    if (!setting.IsSaid()) continue;
    parts.push_back(setting.name + Listed(setting.values, setting.separator, in_short));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::vector<std::string> GridRow(const v1::Sweep& sweep, bool in_short) {
  const std::string what = WhatText(sweep, in_short);
  return {std::to_string(sweep.sweep_id()),
          sweep.name().empty() ? "-" : sweep.name(),
          TimeText(sweep.submitted_at_ns(), in_short),
          sweep.user(),
          std::string(Word(sweep.purpose())),
          what.empty() ? "-" : what,
          JobsText(sweep, in_short),
          VerdictsText(sweep, in_short)};
}

Value TextOrUnknown(const std::string& text) {
  if (text.empty()) return {};
  return text;
}

std::vector<Value> SheetRow(const v1::Sweep& sweep) {
  std::vector<Value> row = {uint64_t{sweep.sweep_id()}, TextOrUnknown(sweep.name()),
                            TextOrUnknown(sweep.user()), Rfc3339(sweep.submitted_at_ns()),
                            TextOrUnknown(std::string(Word(sweep.purpose())))};
  for (const auto& [what, count] : JobCounts(sweep)) row.emplace_back(uint64_t{count});
  for (const auto& [what, count] : RunCounts(sweep)) row.emplace_back(uint64_t{count});
  row.push_back(TextOrUnknown(WhatText(sweep, /*in_short=*/false)));
  return row;
}

bool HasName(const v1::Sweep& sweep) { return !sweep.name().empty(); }

std::vector<Block> SweepBlocks(const std::vector<v1::Sweep>& sweeps, bool in_short) {
  Narrowing how = {.above = {"user", "purpose"},
                   .drop = {"user", "purpose", "submitted"},
                   .shorten = {"name", "what"},
                   .shortest = 12};
  // A column of dashes takes the room from what was measured.
  if (in_short && std::none_of(sweeps.begin(), sweeps.end(), HasName)) how.above.push_back("name");
  Grid grid;
  grid.titles = {"sweep", "name", "submitted", "user", "purpose", "what", "jobs", "verdicts"};
  for (const v1::Sweep& sweep : sweeps) grid.rows.push_back(GridRow(sweep, in_short));
  const std::vector<std::string> constants = TakeConstants(how, &grid);
  const std::vector<std::string> gone = in_short ? Narrow(how, &grid) : std::vector<std::string>();
  std::vector<Block> blocks;
  if (!constants.empty()) blocks.emplace_back(Wrapped("", constants, how.width));
  blocks.emplace_back(std::move(grid));
  if (!gone.empty()) blocks.emplace_back(Wrapped("--wide also shows:", gone, how.width));
  return blocks;
}

}  // namespace

Document ListSweeps(const std::vector<v1::Sweep>& sweeps, bool in_short) {
  Sheet sheet;
  sheet.names = {"sweep_id", "name", "user", "submitted_at", "purpose"};
  const v1::Sweep none;
  for (const auto& [what, count] : JobCounts(none))
    sheet.names.push_back(what + std::string("_jobs"));
  for (const auto& [what, count] : RunCounts(none))
    sheet.names.push_back(what + std::string("_runs"));
  sheet.names.push_back("what");
  for (const v1::Sweep& sweep : sweeps) sheet.rows.push_back(SheetRow(sweep));
  Document document;
  document.blocks = [sweeps, in_short] { return SweepBlocks(sweeps, in_short); };
  document.rows = RowsOf(std::move(sheet));
  return document;
}

}  // namespace torchlap::client::format
