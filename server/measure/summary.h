// Summaries of a run from its samples, and of a job's launches from its runs. Pure functions.
// Definitions of the statistics: server/measure/statistics.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "torchlap/v1/run.pb.h"

namespace torchlap::measure {

// Version of the definitions behind summaries, stored with each run. 2: intervals, MAD, outliers
// and autocorrelation came; mean, std, median and quantiles are as in 1. 3: the band in which times
// settle is at most 30 % of their median.
inline constexpr uint32_t kStatisticsVersion = 3;

// Of one phase, in ns. Empty input: nothing is set. std and cv from 2 values on, the interval of
// the median, outliers and lag1 from 5, p5 and p95 from 20.
v1::PhaseSummary Summarise(std::span<const double> values_ns);

// The times of measured (not warm-up) steps by the clock that the run's timing names.
std::vector<double> MeasuredSteps(const v1::SampleBlock& samples, v1::Timing timing);

// Sets phases, step, device phases, backward_forward_*, tokens_per_s, flops_per_s, actual_*_steps
// and statistics_version of `run` from the measured steps of `samples`, and settles_at_step and
// cold_steady_ratio from all of them (server/measure/noise_cause.h), but for CUDA graphs, which
// warm up with steps of another kind. With timing `events` the phases are those of the device's
// clock. What cannot be computed stays unset: of a calibration, whose steps are of several kinds,
// all but the numbers of steps. Takes some 2 ms a phase from 400 steps on, less below.
void SummariseRun(const v1::SampleBlock& samples, v1::Run* run);

// One row for a job's launches: one OK run of each (launch_runs.h), at least one. Of one run: that
// run. Of several: the first run's identity; each phase's mean and std over the launches' medians
// (the other statistics likewise), with within_std_ns, the root mean square of the launches' own
// standard deviations; ratios and rates from these; the largest memory peaks; energy, power, clocks
// and temperature as device_summary.h says; the worst verdict, all reasons and the assessment of
// the first run with that verdict, with not-settled and settings-missing where another launch has
// them; contaminated_tries summed. Numbers of steps, settles_at_step and stop_reason only where all
// launches agree; cold_steady_ratio is the median. pooled_launches is set.
v1::Run PoolLaunches(const std::vector<v1::Run>& runs);

}  // namespace torchlap::measure
