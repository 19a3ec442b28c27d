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
  double target = 0;   // half width of the 95 % interval of the mean, as a share of it
};

// From the summaries of OK runs that are launches of one cell; of each launch, so that the noisiest
// one decides. The target is the plan's, else the smallest of 1, 2, 5 and 10 % that takes at most
// Plan.max_steps' default. nullopt: every mean is known as well as that, or nothing is known of the
// noise.
std::optional<FurtherSteps> StepsForTarget(const std::vector<v1::Run>& launches);

}  // namespace torchlap::measure
