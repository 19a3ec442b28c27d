// The command line that measures again what a run measured.
#pragma once

#include <string>

#include "torchlap/v1/run.pb.h"

namespace torchlap::client {

// `torchlap run --model-sizes small --batch-size 2 --device cpu0`: the effective workload, the plan
// and the device; what is at its default is left out. To change something, change the run first.
// Parsed back (arguments.h, axes.h) it gives the same workload and plan. Ready for a shell.
std::string RunCommand(const v1::Run& run);

}  // namespace torchlap::client
