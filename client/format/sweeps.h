// `sweeps`: what was submitted, and what became of it.
#pragma once

#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client::format {

// A row a sweep: when, who, what for, its jobs by state and its OK runs by verdict, what is bad
// first. `for_terminal`: in 80 columns as far as names can be shortened for it, with the good ones
// only as a part of all; otherwise nothing is left out.
Document ListSweeps(const std::vector<v1::Sweep>& sweeps, bool for_terminal);

}  // namespace torchlap::client::format
