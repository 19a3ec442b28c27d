// The answer of CompareWarmups from the runs of a sweep. Pure.
#pragma once

#include <vector>

#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// `runs`: all of purpose warmup in one sweep, by job and number. Of each job its OK run stands in
// the answer, else its last one.
v1::CompareWarmupsResponse DescribeWarmups(const std::vector<v1::Run>& runs);

}  // namespace torchlap::rpc
