// `calibrate`: the device's own speed.
#pragma once

#include <ostream>
#include <string>

#include "client/format/format.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// `fp32 62.1 GFLOP/s, bf16 8.20 GFLOP/s, memory 8.31 GB/s`.
std::string PeakWords(const v1::CalibrationResult& result);

// Table and Markdown: a row a precision, then the memory's bandwidth; csv: a row a precision; json:
// one object. Of a run of purpose calibrate that ended OK.
void WriteCalibration(Format format, const v1::Run& run, std::ostream& out);
void WriteCalibrationJson(const v1::Run& run, std::ostream& out);

}  // namespace torchlap::client::format
