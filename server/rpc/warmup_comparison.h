// The answer of CompareWarmups from the runs of a sweep. Pure.
#pragma once

#include <vector>

#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// `runs`: all of purpose warmup in one sweep, by job. Of each job one stands in the answer, of its
// valid runs if there are any (server/measure/launch_runs.h, OneOf, ValidRuns).
v1::CompareWarmupsResponse DescribeWarmups(const std::vector<v1::Run>& runs);

}  // namespace torchlap::rpc
