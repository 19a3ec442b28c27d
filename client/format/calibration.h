// `calibrate`: the device's own speed.
#pragma once

#include <string>
#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// `fp32 62.1 GFLOP/s, bf16 8.20 GFLOP/s, memory 8.31 GB/s`.
std::string PeakWords(const v1::CalibrationResult& result);

// A row a precision, then the memory's bandwidth; for programs a row a precision, or one object. Of
// a run of purpose calibrate that ended OK.
Document ShowCalibration(const v1::Run& run);
std::vector<Block> CalibrationBlocks(const v1::Run& run);
MakeObject CalibratedObject(const v1::Run& run);

}  // namespace torchlap::client::format
