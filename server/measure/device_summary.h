// What the device's readings say of the measured steps: energy, power, clocks, temperature. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "torchlap/v1/run.pb.h"

namespace torchlap::measure {

// Counters and power readings are renewed every 20 to 100 ms, by GPU and driver, and nobody tells
// at which: the stretch that they say something of is known to 100 ms, which is 5 % of the
// shortest.
inline constexpr int64_t kShortestForEnergyNs = 2'000'000'000;

// Sets device_summary of `run` from the readings (in the order of time) that lie between the start
// of the first measured step and the end of the last; without one it stays unset. Means are
// weighted by the time between readings. The energy is that of the time from the first such reading
// to the last, kShortestForEnergyNs at least, spread over all measured steps: by the device's
// counter, or, where no reading has one or it stands still, by the power readings. Not for a MIG
// instance, whose readings are those of the whole GPU, and not for a calibration, whose steps are
// of several kinds.
void SummariseDevice(const v1::SampleBlock& samples, const v1::Readings& readings, v1::Run* run);

// Of a job's launches: means of what each has, the largest of the peaks; `counter` where all
// energies are by the counter.
void PoolDeviceSummaries(const std::vector<v1::Run>& runs, v1::Run* row);

}  // namespace torchlap::measure
