// `compare`: a row for each cell and phase with its verdict, and what to know about it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/history.pb.h"

namespace torchlap::client::format {

constexpr double kUsualFalseAlarmRate = 0.05;  // the daemon's

struct Compared {
  v1::ComparedCell cell;
  double false_alarm_rate = kUsualFalseAlarmRate;  // that its verdicts were asked for with
  bool ran_again = false;                          // they are of runs that were made for them
};

struct Comparison {
  std::vector<Compared> cells;
  // As the user chose them. With `by` both sides are within A, and B is empty.
  std::string a;
  std::string b;
  std::string by;  // `precision`, `label:card`; empty: A against B
  // That are wanted; PHASE_UNSPECIFIED is the step. Empty: all that were timed.
  std::vector<v1::Phase> phases = {v1::PHASE_UNSPECIFIED};
  bool learn_min_effect = false;
  // That prints it, where the user typed another: `torchlap compare sweep:3 sweep:4`. Empty: it is
  // what was typed.
  std::string command = {};
  // Runs were made for this (--until-decided).
  bool until_decided = false;
  // About those runs.
  Lines remarks = {};
};

// A row of the table.
struct ComparedRow {
  const Compared* compared;
  const v1::ComparedPhase* phase;  // null: there is none to compare
};

// In order; each cell has at least one. Valid as long as the comparison.
std::vector<ComparedRow> ComparedRows(const Comparison& comparison);

// `small, context 256`, as the cell is told from the others; ` (backward)` behind it where the
// phase is not the step.
std::string RowName(const ComparedRow& row, const Comparison& comparison);

// `faster by 13 %`, `same (within 1 %)`, `inconclusive: 12 launches a side would decide`, `not
// comparable: only in A`.
std::string VerdictWords(const ComparedRow& row);

// What --fail-on may name. `slower` counts where its adjusted p does not pass the rate.
struct FailOn {
  bool slower = false;
  bool inconclusive = false;
  bool incomparable = false;
};

// `small, context 256: slower by 4 %; ...`: the rows that it is about; empty: none.
std::string FailWords(const Comparison& comparison, const FailOn& fail_on);

// As FailWords: the rows that are called slower, and that --fail-on slower passes over all the
// same, as among so many comparisons one may come out slower by chance.
std::string PassedOverWords(const Comparison& comparison, const FailOn& fail_on);

// Launches a side that would decide an inconclusive row. Unset: nobody knows, or its verdict was
// asked for with another rate than that for which the daemon counts them.
std::optional<uint32_t> LaunchesToDecide(const ComparedRow& row);

// Runs that stand on both sides, of those that are named.
size_t SharedRuns(const v1::ComparedCell& cell);

// For people which side is which, the table, and notes; what to do next as hints. `in_short`: as a
// terminal's table, in 80 columns, with fewer words and without what does not fit; it says which
// columns csv has besides. Else with all columns. For programs a row a cell and phase.
Document ShowComparison(const Comparison& comparison, bool in_short);

// The parts of it, for the files that make them.

// The run without what the axis says, so that captions and rows do not say what is A's alone.
v1::Run WithoutAxis(const std::string& axis, v1::Run run);
// The subjects, without the axis.
std::vector<v1::Run> SubjectsOf(const Comparison& comparison);
// `short_verdicts`: the table does not say how many launches would decide.
Lines ComparisonNotes(const Comparison& comparison, bool short_verdicts);
Lines ComparisonHints(const Comparison& comparison);
Rows ComparisonRows(const Comparison& comparison);

}  // namespace torchlap::client::format
