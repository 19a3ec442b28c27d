// Which of a job's runs count. A launch may take several runs: a contaminated one is tried again,
// an interrupted or a too large one too. Pure.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "torchlap/v1/run.pb.h"

namespace torchlap::measure {

// Of the runs of one job those that nobody declared invalid. Of a launch whose last OK run is
// invalid none stays, but in `fit`, whose runs stand for themselves: what ran before it was not
// good enough to stay. Runs whose ids are in `kept` are taken for valid.
std::vector<v1::Run> ValidRuns(std::vector<v1::Run> runs, const std::set<std::string>& kept);

// One run for each launch of one job that was measured, by launch: the last one that ended OK, by
// number, as what ran before it was not good enough to stay. It stands even if a later try of the
// launch failed. Traced runs are not measured. `runs` in any order; launches without an OK run are
// left out.
std::vector<v1::Run> LaunchRuns(const std::vector<v1::Run>& runs);

// The row of a cell, from the runs of one job, at least one: its launches pooled (summary.h), else
// its last run. Where launches ran at different sizes, as memory ran out in some of them, they are
// different computations: those of the size that most of them ran at are pooled, at a tie those of
// the one that was reached first. It has the advice that only launches together can give
// (AdviseOnLaunches in advice.h).
v1::Run CellOf(const std::vector<v1::Run>& runs);

// The same without contaminated runs. nullopt: they were all that ended OK, so that there is a
// result, which is not wanted; the failures before it are not it.
std::optional<v1::Run> QuietCellOf(const std::vector<v1::Run>& runs);

// The one run that stands for a job, from its runs, at least one: that of its last launch, else its
// last run. For what cannot be pooled.
v1::Run OneOf(const std::vector<v1::Run>& runs);

}  // namespace torchlap::measure
