// Has a cell changed, and what becomes of the finding that says so? Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "torchlap/v1/suites.pb.h"

namespace torchlap::measure {

// Of a cell, before one of them can have changed it.
inline constexpr size_t kFewestSweepsBefore = 3;

// An OK run of a series that is neither contaminated nor invalid.
struct CellRun {
  double median_ns = 0;  // of the step, above 0
  uint64_t sweep_id = 0;
  bool is_suites = false;    // a suite made it: the cell was judged then
  bool in_baseline = false;  // of its owner
};

// The newest finding of the cell.
struct KnownFinding {
  v1::CellFindingState state = v1::CELL_FINDING_NEW;
  double before_ns = 0;
  double after_ns = 0;
  bool is_open = false;
  // Where it is not open: before the sweep began.
  bool was_closed_before = false;
  // It vanished. False: somebody said that it is fixed.
  bool closed_by_itself = false;
};

struct CellHistory {
  std::vector<CellRun> runs;             // of one owner, oldest first
  std::vector<double> baseline_ns = {};  // medians of the runs that were set; empty: none
  uint64_t sweep_id = 0;                 // that has ended
  std::optional<KnownFinding> known = {};
};

// What a cell is like now.
struct CellState {
  enum class Kind {
    kUnknown,    // nothing can be said: too few runs, or an undecided comparison
    kUnchanged,  // it is what it was, or again what it was
    kChanged,
  };
  Kind kind = Kind::kUnknown;
  double before_ns = 0;
  double after_ns = 0;
  // Differences below this share are none: learned from the cell's own launches, and from its
  // sweeps where there are enough, as machines are not the same every night; else 0.01.
  double min_effect = 0;
  bool against_baseline = false;
  // Places in `runs`: the first and the last that show the change, and the last before it, which
  // is not there against a baseline.
  size_t first = 0;
  size_t last = 0;
  std::optional<size_t> last_before = {};
  // The sweep has runs that show it.
  bool is_seen = false;
  bool has_open_finding = false;
  // Of the comparison with a baseline, before Holm.
  std::optional<double> p = {};
};

// Against the baseline, if there is one and it is not all that there is: the launches of the sweep,
// with the ones before where it has one alone, compared as CompareRuns does (comparison.h). It has
// changed where the verdict is faster or slower and the difference is no smaller than min_effect.
//
// Else the last step of the cell's own past (change_points.h), if the sweep has runs behind it, and
// kFewestSweepsBefore other sweeps are known: of 100 cells that stay as they are, with three
// launches a sweep that scatter by 0.5 %, 0.0, 0.7 and 1.6 are found in error in a sweep where
// sweeps differ by nothing, 0.5 % and 1 % (standard deviations, 24 sweeps of 150 simulated cells
// each); a step of 5 % is found in its first sweep in 100, 99 and 72 % of cases. A cell without an
// open finding has changed only if it was another one after the suite's sweep before this one: what
// was there when a suite first came, or what was seen and let go, is not found again. One that
// somebody called fixed, and is not, is. A cell with an open finding is held against what the
// finding says was before.
CellState StateOf(const CellHistory& history);

// Cells of one sweep that were compared with baselines stay changed only if they are so after
// Holm's adjustment (HolmAdjust) at 0.05: among 100 cells that did not change, five would else be
// found in every sweep. Those with an open finding have been found and need no adjustment.
void KeepFalseAlarmsRare(std::vector<CellState>* states);

enum class FindingStep {
  kNothing,
  kOpen,          // a new finding
  kSeen,          // it holds
  kRenew,         // it has become larger: new again, whatever was said of it
  kClose,         // it vanished
  kCloseAndOpen,  // it vanished, and the cell has changed the other way
};

// An open finding holds while the cell has changed in its direction: what was ignored or confirmed
// stays so as long as it does not become larger by min_effect. A change that becomes smaller, and
// is one still, holds.
FindingStep NextStep(const std::optional<KnownFinding>& known, const CellState& state);

}  // namespace torchlap::measure
