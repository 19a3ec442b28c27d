// What is said below the table of `compare`, and what to do next.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "client/format/compare.h"
#include "client/format/numbers.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
#include "client/format/words.h"
#include "client/run_command.h"

namespace torchlap::client::format {
namespace {

// Launches that a command for both sides asks for: with them even the rank test can be decided.
constexpr uint32_t kUsualLaunches = 7;

std::string Count(uint64_t number, const std::string& word, const std::string& plural) {
  return fmt::format("{} {}", number, number == 1 ? word : plural);
}

// A text and the rows it is about, in order.
using Grouped = std::vector<std::pair<std::string, std::vector<std::string>>>;

void AddTo(const std::string& text, const std::string& name, Grouped* groups) {
  for (auto& [known, names] : *groups) {
    if (known != text) continue;
    names.push_back(name);
    return;
  }
  groups->push_back({text, {name}});
}

// `TEXT` where it is about all `of` of them, else `TEXT (small, context 256; ...)`.
void AppendGroups(const Grouped& groups, size_t of, Lines* lines) {
  for (const auto& [text, names] : groups) {
    const bool is_all = names.size() == of;
    lines->push_back(is_all ? text : fmt::format("{} ({})", text, fmt::join(names, "; ")));
  }
}

std::string CellName(const Compared& compared, const Comparison& comparison) {
  return RowName({&compared, nullptr}, comparison);
}

void AppendDifferences(const Comparison& comparison, Lines* lines) {
  Grouped groups;
  size_t with_both_sides = 0;
  for (const Compared& compared : comparison.cells) {
    const std::string words = ChangesText(compared.cell.also_differs());
    with_both_sides += compared.cell.phases_size() > 0 || !words.empty() ? 1 : 0;
    if (!words.empty()) {
      AddTo("also differs: " + words, CellName(compared, comparison), &groups);
    }
  }
  AppendGroups(groups, with_both_sides, lines);
}

struct SideCounts {
  uint64_t a = 0;
  uint64_t b = 0;

  // `2 of A, 1 of B`
  std::string Words() const {
    if (b == 0) return fmt::format("{} of A", a);
    return a == 0 ? fmt::format("{} of B", b) : fmt::format("{} of A, {} of B", a, b);
  }
};

// A side that several cells share is counted once.
SideCounts CountSides(const Comparison& comparison, uint32_t (v1::ComparedSide::*count)() const) {
  SideCounts counts;
  std::set<std::string> seen;
  for (const Compared& compared : comparison.cells) {
    const v1::ComparedSide& a = compared.cell.a();
    const bool is_new =
        a.run_ids().empty() || seen.insert(fmt::format("{}", fmt::join(a.run_ids(), " "))).second;
    if (is_new) counts.a += (a.*count)();
    counts.b += (compared.cell.b().*count)();
  }
  return counts;
}

// `--until-decided` as the user would add it: to the command that was typed, or to the one that
// stands for it.
std::string WithFlag(const Comparison& comparison, const std::string& flag) {
  return comparison.command.empty() ? flag : fmt::format("{} {}", comparison.command, flag);
}

void AppendLeftOut(const Comparison& comparison, Lines* lines) {
  const SideCounts contaminated = CountSides(comparison, &v1::ComparedSide::contaminated_launches);
  if (contaminated.a + contaminated.b > 0) {
    lines->push_back(fmt::format("contaminated launches left out: {} ({} keeps them)",
                                 contaminated.Words(),
                                 WithFlag(comparison, "--include-contaminated")));
  }
  const SideCounts failed = CountSides(comparison, &v1::ComparedSide::failed_runs);
  if (failed.a + failed.b > 0) lines->push_back("runs that did not end OK: " + failed.Words());
}

// Every launch that counts stands on both sides.
bool IsOfItself(const v1::ComparedCell& cell) {
  const auto shared = static_cast<int>(SharedRuns(cell));
  return shared > 0 && shared == cell.a().run_ids_size() && shared == cell.b().run_ids_size();
}

bool IsOfItself(const Comparison& comparison) {
  const auto is_comparable = [](const Compared& compared) {
    return compared.cell.phases_size() > 0;
  };
  return std::any_of(comparison.cells.begin(), comparison.cells.end(), is_comparable) &&
         std::all_of(comparison.cells.begin(), comparison.cells.end(), [&](const Compared& one) {
           return !is_comparable(one) || IsOfItself(one.cell);
         });
}

// What was measured once and stands on both sides says nothing about a difference.
void AppendShared(const Comparison& comparison, Lines* lines) {
  if (IsOfItself(comparison)) {
    lines->push_back("A and B are the same runs: choose sides that share none");
    return;
  }
  Grouped groups;
  size_t comparable = 0;
  for (const Compared& compared : comparison.cells) {
    comparable += compared.cell.phases_size() > 0 ? 1 : 0;
    if (const size_t shared = SharedRuns(compared.cell); shared > 0) {
      AddTo(fmt::format("{} of the launches {} on both sides: choose sides that share none", shared,
                        shared == 1 ? "stands" : "stand"),
            CellName(compared, comparison), &groups);
    }
  }
  AppendGroups(groups, comparable, lines);
}

bool IsInconclusive(const ComparedRow& row) {
  return row.phase != nullptr && row.phase->verdict() == v1::COMPARE_VERDICT_INCONCLUSIVE;
}

// `undecided after 32 launches a side, 57 would decide`; empty: the row says it, or nobody knows.
std::string InconclusiveWords(const ComparedRow& row, bool short_verdicts) {
  const std::optional<uint32_t> to_decide = LaunchesToDecide(row);
  if (row.compared->ran_again) {
    const v1::ComparedCell& cell = row.compared->cell;
    const std::string after = fmt::format("undecided after {} launches a side",
                                          std::min(cell.a().launches(), cell.b().launches()));
    return to_decide ? fmt::format("{}, {} would decide", after, *to_decide) : after;
  }
  if (!short_verdicts || !to_decide) return "";
  return fmt::format("inconclusive: {} launches a side would decide", *to_decide);
}

void AppendInconclusive(const Comparison& comparison, bool short_verdicts, Lines* lines) {
  Grouped groups;
  for (const ComparedRow& row : ComparedRows(comparison)) {
    if (!IsInconclusive(row) || SharedRuns(row.compared->cell) > 0) continue;
    const std::string words = InconclusiveWords(row, short_verdicts);
    if (!words.empty()) AddTo(words, RowName(row, comparison), &groups);
  }
  AppendGroups(groups, ComparedRows(comparison).size(), lines);
}

void AppendMinEffects(const Comparison& comparison, Lines* lines) {
  if (!comparison.learn_min_effect) return;
  Grouped groups;
  size_t of = 0;
  for (const ComparedRow& row : ComparedRows(comparison)) {
    if (row.phase == nullptr) continue;
    ++of;
    const uint32_t launches = row.phase->min_effect_launches();
    const std::string source = launches == 0 ? "fewer than 5 launches are there to learn it from"
                                             : fmt::format("learned from {} launches", launches);
    AddTo(fmt::format("differences below {} count as none: {}",
                      PercentShort(row.phase->min_effect()), source),
          RowName(row, comparison), &groups);
  }
  AppendGroups(groups, of, lines);
}

bool IsOnlyIn(const Compared& compared, v1::Incomparable side) {
  return compared.cell.incomparable() == side;
}

// All that tells a cell from another, but the axis.
std::string KeyWithout(const std::string& axis, const v1::Run& subject) {
  const v1::Run run = WithoutAxis(axis, subject);
  std::string key = axis == "size" ? "" : SubjectName(run.workload());
  for (const Trait& trait : Traits()) key += "|" + trait.value(run);
  return key;
}

std::set<std::string> KeysWithout(const std::string& axis, v1::Incomparable side,
                                  const Comparison& comparison) {
  std::set<std::string> keys;
  for (const Compared& compared : comparison.cells) {
    if (IsOnlyIn(compared, side)) keys.insert(KeyWithout(axis, compared.cell.subject()));
  }
  return keys;
}

// The one axis in which the sides differ where they have no cell in common; empty: there is none,
// or more than one would do.
std::string AxisOfSides(const Comparison& comparison) {
  const auto is_in_one = [](const Compared& compared) {
    return IsOnlyIn(compared, v1::INCOMPARABLE_ONLY_A) ||
           IsOnlyIn(compared, v1::INCOMPARABLE_ONLY_B);
  };
  if (!std::all_of(comparison.cells.begin(), comparison.cells.end(), is_in_one)) return "";
  std::string found;
  for (const char* axis :
       {"precision", "attention", "optimizer", "batch", "context", "size", "timing"}) {
    const auto of_a = KeysWithout(axis, v1::INCOMPARABLE_ONLY_A, comparison);
    if (of_a.empty() || of_a != KeysWithout(axis, v1::INCOMPARABLE_ONLY_B, comparison)) continue;
    if (!found.empty()) return "";
    found = axis;
  }
  return found;
}

// Labels and filters narrow: those of two sides select together what matches both.
bool MayNarrow(const std::string& side) { return side.find_first_of("= ") != std::string::npos; }

bool IsOnOneSide(const Compared& compared) {
  return IsOnlyIn(compared, v1::INCOMPARABLE_ONLY_A) || IsOnlyIn(compared, v1::INCOMPARABLE_ONLY_B);
}

using ValueOfRun = std::function<std::string(const v1::Run&)>;

std::set<std::string> ValuesOf(const Comparison& comparison, v1::Incomparable side,
                               const ValueOfRun& value) {
  std::set<std::string> values;
  for (const Compared& compared : comparison.cells) {
    if (IsOnlyIn(compared, side)) values.insert(value(compared.cell.subject()));
  }
  return values;
}

// `size, batch`: of what the sides have other values. Empty: they have the same, combined
// otherwise.
std::string DifferingTraits(const Comparison& comparison) {
  std::vector<std::string> differing;
  const auto add = [&](const std::string& title, const ValueOfRun& value) {
    const auto of_a = ValuesOf(comparison, v1::INCOMPARABLE_ONLY_A, value);
    const auto of_b = ValuesOf(comparison, v1::INCOMPARABLE_ONLY_B, value);
    if (of_a != of_b) differing.push_back(title);
  };
  add("size", [](const v1::Run& run) { return SubjectName(run.workload()); });
  for (const Trait& trait : Traits()) add(trait.title, trait.value);
  return fmt::format("{}", fmt::join(differing, ", "));
}

// Rows that say `only in A` and `only in B` do not say why there are no others.
void AppendNothingInCommon(const Comparison& comparison, Lines* lines) {
  if (!std::all_of(comparison.cells.begin(), comparison.cells.end(), IsOnOneSide)) return;
  for (const auto& [side, other] : {std::pair(v1::INCOMPARABLE_ONLY_A, &comparison.b),
                                    std::pair(v1::INCOMPARABLE_ONLY_B, &comparison.a)}) {
    const bool is_alone =
        std::all_of(comparison.cells.begin(), comparison.cells.end(),
                    [side = side](const Compared& one) { return IsOnlyIn(one, side); });
    if (!is_alone) continue;
    lines->push_back(fmt::format("nothing is compared: {} has no run that matches", *other));
    return;
  }
  const std::string traits = DifferingTraits(comparison);
  lines->push_back(fmt::format(
      "A and B have no cell in common{}: choose sides that compute the same, or compare --by AXIS "
      "within one selection",
      traits.empty() ? "" : ", they differ in " + traits));
}

void AppendAxis(const Comparison& comparison, Lines* lines) {
  if (!comparison.by.empty() || comparison.cells.empty()) return;
  const std::string axis = AxisOfSides(comparison);
  if (axis.empty()) {
    AppendNothingInCommon(comparison, lines);
    return;
  }
  const bool narrows = MayNarrow(comparison.a) || MayNarrow(comparison.b);
  const std::string command =
      narrows ? fmt::format("choose the runs of both and compare --by {}", axis)
              : fmt::format("torchlap compare {} {} --by {}", ShellWord(comparison.a),
                            ShellWord(comparison.b), axis);
  lines->push_back(
      fmt::format("A and B have no cell in common, they differ in {}: {}", axis, command));
}

// The flag of `run` that takes both values of the axis at once; empty: there is none.
std::string FlagOf(const std::string& axis) {
  static constexpr std::pair<const char*, const char*> kFlags[] = {
      {"precision", "--precision"},    {"attention", "--attention"}, {"batch", "--batch-size"},
      {"context", "--context-length"}, {"size", "--model-sizes"},
  };
  for (const auto& [of, flag] : kFlags) {
    if (axis == of) return flag;
  }
  return "";
}

// A shape without a name (`L12 h12 d768 f3072`) takes flags of its own.
bool IsPreset(const std::string& size) { return size.find(' ') == std::string::npos; }

// Runs both sides of the cell, with so many launches that a comparison can be decided. Empty: no
// one command does.
std::string CommandOf(const Compared& compared, const std::string& axis) {
  v1::Run again = compared.cell.subject();
  again.mutable_plan()->set_launches(kUsualLaunches);
  if (axis.empty()) return RunCommand(again);
  const std::string flag = FlagOf(axis);
  const std::string& a = compared.cell.a().value();
  const std::string& b = compared.cell.b().value();
  const bool is_a_shape = axis == "size" && !(IsPreset(a) && IsPreset(b));
  if (flag.empty() || a.empty() || b.empty() || is_a_shape) return "";
  return RunCommandOver(again, flag, {a, b});
}

bool HasOneLaunch(const Compared& compared) {
  return compared.cell.a().launches() == 1 || compared.cell.b().launches() == 1;
}

void AppendMoreLaunches(const Comparison& comparison, Lines* lines) {
  if (comparison.until_decided) return;
  std::vector<const Compared*> with_one;
  bool is_any = false;
  for (const ComparedRow& row : ComparedRows(comparison)) {
    if (!IsInconclusive(row) || SharedRuns(row.compared->cell) > 0) continue;
    is_any = true;
    const bool is_new = with_one.empty() || with_one.back() != row.compared;
    if (HasOneLaunch(*row.compared) && is_new) with_one.push_back(row.compared);
  }
  if (!with_one.empty()) {
    const std::string others =
        with_one.size() == 1
            ? ""
            : fmt::format(" and {}", Count(with_one.size() - 1, "other", "others"));
    const std::string command = CommandOf(*with_one.front(), comparison.by);
    lines->push_back(fmt::format("{}{}: one launch on a side decides nothing{}",
                                 CellName(*with_one.front(), comparison), others,
                                 command.empty() ? "" : ", on both sides: " + command));
  }
  if (is_any) {
    const std::string same = comparison.command.empty() ? "the same command with " : "";
    lines->push_back(fmt::format("run both sides again until there is a verdict: {}{}", same,
                                 WithFlag(comparison, "--until-decided")));
  }
}

}  // namespace

size_t SharedRuns(const v1::ComparedCell& cell) {
  const std::set<std::string> of_a(cell.a().run_ids().begin(), cell.a().run_ids().end());
  return static_cast<size_t>(
      std::count_if(cell.b().run_ids().begin(), cell.b().run_ids().end(),
                    [&of_a](const std::string& run_id) { return of_a.count(run_id) > 0; }));
}

Lines ComparisonNotes(const Comparison& comparison, bool short_verdicts) {
  Lines lines;
  AppendDifferences(comparison, &lines);
  AppendShared(comparison, &lines);
  AppendLeftOut(comparison, &lines);
  AppendInconclusive(comparison, short_verdicts, &lines);
  AppendMinEffects(comparison, &lines);
  lines.insert(lines.end(), comparison.remarks.begin(), comparison.remarks.end());
  return lines;
}

Lines ComparisonHints(const Comparison& comparison) {
  Lines lines;
  AppendAxis(comparison, &lines);
  AppendMoreLaunches(comparison, &lines);
  return lines;
}

}  // namespace torchlap::client::format
