// Summaries of a run from its samples (measurement.md, section 4). Pure arithmetic.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "torchlap/v1/run.pb.h"

namespace torchlap::measure {

// Version of the definitions in this file, stored with each run.
inline constexpr uint32_t kStatisticsVersion = 1;

// Of one phase, in ns. Empty input: nothing is set. p95 from 20 values on; std and cv from 2.
v1::PhaseSummary Summarise(std::span<const double> values_ns);

// Sets phases, step, backward_forward_ratio, tokens_per_s, flops_per_s and statistics_version of
// `run` from the measured (not warm-up) steps of `samples`. What cannot be computed stays unset.
void SummariseRun(const v1::SampleBlock& samples, v1::Run* run);

// One row for a job's launches: OK runs of one job, at least one. Of one run: that run. Of several:
// the first run's identity, each phase's mean and std over the launches' medians (median, min and
// max likewise), ratios and rates from these, the largest memory peaks, pooled_launches set.
v1::Run PoolLaunches(const std::vector<v1::Run>& runs);

}  // namespace torchlap::measure
