// `sweeps`: what was submitted, and what became of it.
#pragma once

#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client::format {

// A row a sweep: when, who, what for, what its jobs measure, its jobs by state and its OK runs by
// verdict, what is bad first. `in_short`: in 80 columns as far as names can be shortened for it,
// with what varies before what is the same, and the good ones only as a part of all; otherwise
// nothing is left out.
Document ListSweeps(const std::vector<v1::Sweep>& sweeps, bool in_short);

}  // namespace torchlap::client::format
