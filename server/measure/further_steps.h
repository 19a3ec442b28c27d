// How many measured steps a mean needs. The one place that says so, whoever asks: the advice about
// a run, and that about a cell of several launches. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "torchlap/v1/run.pb.h"

namespace torchlap::measure {

struct FurtherSteps {
  uint64_t steps = 0;  // of each launch, in all
  double target = 0;   // half width of the 95 % interval of the mean step, as a share of it
  // More than Plan.max_steps' default (of a plan without a target of its own), or than an hour of
  // steps like those: nothing to be run.
  bool is_too_many = false;
};

// From the summaries of OK runs that are launches of one cell; of each launch, so that the noisiest
// one decides. The target is the plan's, else the smallest of 1, 2, 5 and 10 % whose steps are not
// too many, else 10 %. nullopt: every mean is known as well as that, or nothing is known of the
// noise.
std::optional<FurtherSteps> StepsForTarget(const std::vector<v1::Run>& launches);

}  // namespace torchlap::measure
