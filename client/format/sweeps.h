// `sweeps`: what was submitted, and what became of it.
#pragma once

#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client::format {

// A row a sweep: when, who, what for, its jobs by state and its OK runs by verdict.
Document ListSweeps(const std::vector<v1::Sweep>& sweeps);

}  // namespace torchlap::client::format
