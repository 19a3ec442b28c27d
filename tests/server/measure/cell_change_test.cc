#include "server/measure/cell_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace torchlap::measure {
namespace {

using Kind = CellState::Kind;

// Runs of sweeps 1, 2, ... of a suite, each with some launches around a level.
class Nights {
 public:
  Nights& Add(double level_ns, size_t launches = 4, bool is_suites = true) {
    ++sweep_;
    for (size_t i = 0; i < launches; ++i) {
      const double noise = 1 + 0.002 * std::sin(7.0 * static_cast<double>(++runs_));
      history_.runs.push_back({level_ns * noise, sweep_, is_suites, false});
    }
    history_.sweep_id = sweep_;
    return *this;
  }
  Nights& ByHand(double level_ns, size_t launches) { return Add(level_ns, launches, false); }
  Nights& Known(double before_ns, double after_ns, bool is_open = true,
                bool closed_by_itself = false) {
    history_.known = KnownFinding{v1::CELL_FINDING_NEW, before_ns, after_ns, is_open, !is_open,
                                  closed_by_itself};
    return *this;
  }
  Nights& Baseline(std::vector<double> medians_ns) {
    history_.baseline_ns = std::move(medians_ns);
    return *this;
  }
  const CellHistory& history() const { return history_; }
  CellState State() const { return StateOf(history_); }

 private:
  CellHistory history_;
  uint64_t sweep_ = 0;
  size_t runs_ = 0;
};

Nights Steady(size_t nights = 5, double level_ns = 10e6) {
  Nights all;
  for (size_t i = 0; i < nights; ++i) all.Add(level_ns);
  return all;
}

TEST(StateOf, ACellThatStaysIsUnchanged) {
  EXPECT_EQ(Steady().State().kind, Kind::kUnchanged);
  EXPECT_EQ(Nights().Add(10e6, 1).State().kind, Kind::kUnknown) << "the first night";
  EXPECT_EQ(StateOf({}).kind, Kind::kUnknown);
}

TEST(StateOf, ThreeSweepsMustBeKnownBefore) {
  EXPECT_EQ(Steady(2).Add(11e6).State().kind, Kind::kUnknown);
  EXPECT_EQ(Steady(3).Add(11e6).State().kind, Kind::kChanged);
}

TEST(StateOf, AStepIsFoundInItsFirstNightSlowerOrFaster) {
  for (const double level_ns : {11e6, 9e6}) {
    const CellState state = Steady().Add(level_ns).State();
    EXPECT_EQ(state.kind, Kind::kChanged) << level_ns;
    EXPECT_NEAR(state.before_ns, 10e6, 0.05e6);
    EXPECT_NEAR(state.after_ns, level_ns, 0.05e6);
    EXPECT_EQ(state.first, 20U);
    EXPECT_EQ(state.last, 23U);
    EXPECT_EQ(state.last_before, 19U);
    EXPECT_TRUE(state.is_seen);
    EXPECT_FALSE(state.against_baseline);
  }
}

TEST(StateOf, OneLaunchANightIsFoundInTheSecondNight) {
  Nights nights;
  for (int i = 0; i < 6; ++i) nights.Add(10e6, 1);
  EXPECT_EQ(nights.Add(12e6, 1).State().kind, Kind::kUnchanged) << "may be an outlier";
  const CellState state = nights.Add(12e6, 1).State();
  EXPECT_EQ(state.kind, Kind::kChanged);
  EXPECT_EQ(state.first, 6U);
}

TEST(StateOf, WhatWasSeenAndLetGoIsNotFoundAgain) {
  EXPECT_EQ(Steady().Add(11e6).Add(11e6).State().kind, Kind::kUnchanged);
}

TEST(StateOf, WhatWasThereBeforeTheSuiteIsNoChangeOfIt) {
  Nights nights;
  nights.ByHand(8e6, 5).ByHand(8e6, 5).ByHand(10e6, 5).ByHand(10e6, 5);
  EXPECT_EQ(nights.Add(10e6).State().kind, Kind::kUnchanged);
}

TEST(StateOf, RunsByHandBetweenTwoNightsDoNotHideTheStep) {
  const CellState state = Steady().ByHand(11e6, 6).Add(11e6).State();
  EXPECT_EQ(state.kind, Kind::kChanged);
  EXPECT_EQ(state.first, 20U);
}

TEST(StateOf, AnUnsteadyMachineNeedsALargerStep) {
  Nights nights;
  for (const double level_ns : {10e6, 10.3e6, 9.8e6, 10.2e6, 9.7e6, 10.1e6, 9.9e6}) {
    nights.Add(level_ns);
  }
  EXPECT_GT(nights.State().min_effect, 0.02) << "the spread of the nights";
  Nights more = nights;
  EXPECT_NE(more.Add(10.3e6).State().kind, Kind::kChanged);
  EXPECT_EQ(nights.Add(13e6).State().kind, Kind::kChanged);
}

TEST(StateOf, AnOpenFindingIsHeldAgainstWhatWasBefore) {
  EXPECT_EQ(Steady().Add(11e6).Known(10e6, 11e6).Add(11e6).State().kind, Kind::kChanged);
  const CellState back = Steady().Add(11e6).Add(11e6).Known(10e6, 11e6).Add(10e6).State();
  EXPECT_EQ(back.kind, Kind::kUnchanged);
  // The runs that showed it were declared invalid.
  EXPECT_EQ(Steady().Known(10e6, 11e6).State().kind, Kind::kUnchanged);
  // The cell is slow for so long that nobody knows the step any more.
  EXPECT_EQ(Steady(6, 11e6).Known(10e6, 11e6).State().kind, Kind::kChanged);
}

TEST(StateOf, TheReturnIsNoChange) {
  Nights nights = Steady().Add(11e6).Add(11e6).Add(10e6);
  EXPECT_EQ(nights.Known(10e6, 11e6, false, true).State().kind, Kind::kUnchanged);
  EXPECT_EQ(nights.Known(10e6, 11e6, false, false).State().kind, Kind::kUnchanged);
}

TEST(StateOf, WhatSomebodyCalledFixedAndIsNotIsFound) {
  const CellState state = Steady().Add(11e6).Add(11e6).Known(10e6, 11e6, false).State();
  EXPECT_EQ(state.kind, Kind::kChanged);
  EXPECT_EQ(state.before_ns, 10e6);
  // It has vanished by itself then, and a step of before is no new one.
  EXPECT_EQ(Steady().Add(11e6).Add(11e6).Known(10e6, 11e6, false, true).State().kind,
            Kind::kUnchanged);
}

TEST(StateOf, ABaselineIsWhatIsHeldAgainst) {
  const std::vector<double> baseline_ns = {10e6, 10.01e6, 9.99e6, 10.02e6};
  const CellState slower = Nights().Add(11e6).Add(11e6).Baseline(baseline_ns).State();
  EXPECT_EQ(slower.kind, Kind::kChanged);
  EXPECT_TRUE(slower.against_baseline);
  EXPECT_EQ(slower.first, 4U) << "the sweep's runs alone";
  EXPECT_LT(slower.p.value_or(1), 0.001);
  EXPECT_EQ(Steady().Baseline(baseline_ns).State().kind, Kind::kUnchanged);
  // One launch decides nothing, with that of the night before it does.
  EXPECT_EQ(Nights().Add(11e6, 1).Baseline(baseline_ns).State().kind, Kind::kUnknown);
  EXPECT_EQ(Nights().Add(11e6, 1).Add(11e6, 1).Baseline(baseline_ns).State().kind, Kind::kChanged);
}

TEST(StateOf, ASweepThatIsTheBaselineIsHeldAgainstItsPast) {
  CellHistory history = Nights().Add(10e6).Baseline({10e6, 10e6}).history();
  for (CellRun& run : history.runs) run.in_baseline = true;
  EXPECT_FALSE(StateOf(history).against_baseline);
}

TEST(KeepFalseAlarmsRare, OneUnlikelyCellAmongManyIsNotEnough) {
  CellState one;
  one.kind = Kind::kChanged;
  one.against_baseline = true;
  one.p = 0.03;
  std::vector<CellState> states(20, one);
  for (size_t i = 1; i < states.size(); ++i) {
    states[i].kind = Kind::kUnchanged;
    states[i].p = 0.5;
  }
  KeepFalseAlarmsRare(&states);
  EXPECT_EQ(states[0].kind, Kind::kUnknown);
  states[0].kind = Kind::kChanged;
  states[0].p = 0.001;
  KeepFalseAlarmsRare(&states);
  EXPECT_EQ(states[0].kind, Kind::kChanged);
  // What has been found is not found by chance again.
  states[0].p = 0.03;
  states[0].has_open_finding = true;
  KeepFalseAlarmsRare(&states);
  EXPECT_EQ(states[0].kind, Kind::kChanged);
}

CellState Now(Kind kind, double before_ns, double after_ns, bool is_seen = true) {
  CellState state;
  state.kind = kind;
  state.before_ns = before_ns;
  state.after_ns = after_ns;
  state.min_effect = 0.01;
  state.is_seen = is_seen;
  return state;
}

TEST(NextStep, IsDecidedByWhatIsKnownAndWhatIsNow) {
  const KnownFinding open{v1::CELL_FINDING_NEW, 10, 12, true, false, false};
  const KnownFinding closed{v1::CELL_FINDING_FIXED, 10, 12, false, true, true};
  struct Case {
    std::string what;
    std::optional<KnownFinding> known;
    CellState state;
    FindingStep step;
  };
  const std::vector<Case> cases = {
      {"nothing", std::nullopt, Now(Kind::kUnchanged, 10, 10), FindingStep::kNothing},
      {"a change", std::nullopt, Now(Kind::kChanged, 10, 12), FindingStep::kOpen},
      {"unknown", std::nullopt, Now(Kind::kUnknown, 10, 12), FindingStep::kNothing},
      {"another one", closed, Now(Kind::kChanged, 10, 12), FindingStep::kOpen},
      {"it holds", open, Now(Kind::kChanged, 10, 12.05), FindingStep::kSeen},
      {"not seen", open, Now(Kind::kChanged, 10, 12, false), FindingStep::kNothing},
      {"undecided", open, Now(Kind::kUnknown, 10, 10.5), FindingStep::kNothing},
      {"smaller", open, Now(Kind::kChanged, 10, 11), FindingStep::kSeen},
      {"larger", open, Now(Kind::kChanged, 10, 13), FindingStep::kRenew},
      {"gone", open, Now(Kind::kUnchanged, 10, 10), FindingStep::kClose},
      {"turned", open, Now(Kind::kChanged, 10, 8), FindingStep::kCloseAndOpen},
  };
  for (const Case& one : cases) EXPECT_EQ(NextStep(one.known, one.state), one.step) << one.what;
}

TEST(NextStep, WhatIsIgnoredIsNewAgainOnlyIfItBecomesLarger) {
  const KnownFinding ignored{v1::CELL_FINDING_IGNORED, 10, 8, true, false, false};
  EXPECT_EQ(NextStep(ignored, Now(Kind::kChanged, 10, 8)), FindingStep::kSeen);
  EXPECT_EQ(NextStep(ignored, Now(Kind::kChanged, 10, 9)), FindingStep::kSeen);
  EXPECT_EQ(NextStep(ignored, Now(Kind::kChanged, 10, 7)), FindingStep::kRenew);
}

}  // namespace
}  // namespace torchlap::measure
