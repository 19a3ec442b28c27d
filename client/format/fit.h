// `fit`: the largest size that fits, and the tries that found it.
#pragma once

#include <optional>
#include <string>

#include "client/format/document.h"
#include "client/format/legend.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::client::format {

// What a finished job of purpose fit found.
struct FitResult {
  v1::FitAxis axis = v1::FIT_AXIS_BATCH;
  // The complete run at the largest size that fits; unset if none does, or the search ended early.
  std::optional<v1::Run> largest;
  // The smallest larger size that ran out of memory, on the axis.
  std::optional<uint32_t> too_large;
};
FitResult ResultOf(const v1::Job& job);

// `17.2 batch 8, context 256: fits, peak 9.30 GiB, clean`, for a run that ended.
std::string TryLine(const v1::Run& run);

// `largest batch that fits: 12 (context 256), peak 14.2 GiB of 16.0 GiB; 13 runs out of memory`, or
// why there is none.
std::string FitLine(const v1::Job& job);

// What was looked for, the line, and TryLine of each try.
Lines FitLines(const v1::Job& job);

// The line and the tries, and what to do where nothing fits; for programs the tries as runs, or one
// object with the result and the runs.
Document ShowFit(const v1::Job& job, FindDevices find_devices = nullptr);
MakeObject FitObject(const v1::Job& job);

}  // namespace torchlap::client::format
