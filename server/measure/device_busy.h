// How much of a run's time the device worked, and did not wait for the host. Pure.
#pragma once

#include <optional>

#include "torchlap/v1/run.pb.h"

namespace torchlap::measure {

// Share of the measured steps, 0 to 1: the smaller of
//   - the device's own time (events) over the host's: of the phases where they were timed apart,
//     else of the step. Between events the device may still wait for the host now and then;
//   - the device's utilisation, the mean over readings: each is about the second before it, so that
//     only those count that are a second behind the start of the first measured step. Others may
//     have their part in it. Two at least.
// Nothing: neither is known.
std::optional<double> DeviceBusyRatio(const v1::SampleBlock& samples, const v1::Readings& readings);

}  // namespace torchlap::measure
