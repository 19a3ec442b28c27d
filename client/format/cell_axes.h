// Settings by which cells stand in the rows and columns of a table: the traits of a run (traits.h)
// by names that can be typed, its size, and its labels.
#pragma once

#include <string>
#include <vector>

#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// `size`, `pass`, `batch`, `warmup` ...: all but `label:KEY`, which is an axis too.
std::vector<std::string> CellAxisNames();

// `label:KEY` among them.
bool IsCellAxis(const std::string& name);

// The value of an axis that is one; `-` where the setting does not apply to the run.
std::string AxisValue(const std::string& axis, const v1::Run& run);

// The value as a sentence says it: `context 256`, `fp32`, `card A`.
std::string AxisWords(const std::string& axis, const std::string& value);

// The axes in which the runs differ, labels last. That one of them has no such setting is no
// difference.
std::vector<std::string> AxesThatDiffer(const std::vector<v1::Run>& runs);

}  // namespace torchlap::client::format
