// The flags of the commands that measure: `run`, `submit`, `warmup`, `fit` and `calibrate`.
#pragma once

#include "client/commands/commands.h"
#include "client/flags.h"

namespace torchlap::client {

// Of `run` and `submit`: axes, cells, a shape, the plan, queueing and output.
void AddSweepFlags(CLI::App* app, SweepWords* sweep, OutputWords* output);
// Of the same: what is known already.
void AddKnownFlags(CLI::App* app, KnownWords* known);

// The same where they apply, one value each.
void AddWarmupFlags(CLI::App* app, WarmupOptions* options);
void AddFitFlags(CLI::App* app, FitOptions* options);
void AddCalibrateFlags(CLI::App* app, CalibrateOptions* options);

}  // namespace torchlap::client
