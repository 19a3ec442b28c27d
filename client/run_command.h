// Command lines that measure again what a run measured.
#pragma once

#include <string>
#include <vector>

#include "torchlap/v1/job.pb.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client {

// The word as a shell reads it back, in quotes where it needs them. What cannot be seen in it
// becomes an escape (proto/base/visible_text.h): a command that is copied shall be the one that was
// read.
std::string ShellWord(const std::string& word);

// `torchlap run --model-sizes small --batch-size 2 --device cpu0`: the effective workload, the plan
// and the device; what is at its default, or as `--plan paper` has it, is left out. To change
// something, change the run first. Parsed back (arguments.h, axes.h) it gives the same workload and
// plan, but for a trace, and for what only other clients can ask for (named_plan.h): a warm-up
// until settled without a target, or with another least time. Ready for a shell.
std::string RunCommand(const v1::Run& run);

// The same over several values of one flag, whatever the run has: `torchlap run --model-sizes small
// --precision fp32 bf16 --device cpu0`. The flag is one that takes several.
std::string RunCommandOver(const v1::Run& run, const std::string& flag,
                           const std::vector<std::string>& values);

// `torchlap fit --axis batch --model-sizes small --context-length 64 --device cpu0`: looks for the
// largest size of the same workload on an axis. That axis begins where it usually does; of the plan
// only what takes memory is kept.
std::string FitCommand(const v1::Run& run, v1::FitAxis axis);

}  // namespace torchlap::client
