#include "server/measure/summary.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "server/measure/device_summary.h"
#include "server/measure/noise_cause.h"
#include "server/measure/statistics.h"
#include "server/measure/workload_kind.h"

namespace torchlap::measure {
namespace {

using google::protobuf::RepeatedField;

constexpr size_t kFewestForTails = 20;
constexpr double kNsPerSecond = 1e9;

// The entries of one phase that belong to measured steps.
std::vector<double> Measured(const v1::SampleBlock& samples, const RepeatedField<int64_t>& phase) {
  const uint32_t first = samples.first_step();
  const uint32_t skipped = samples.warmup_steps() > first ? samples.warmup_steps() - first : 0;
  if (static_cast<size_t>(phase.size()) <= skipped) return {};
  return {phase.begin() + skipped, phase.end()};
}

// By the clock that the timing names; host times where the device's are missing.
const RepeatedField<int64_t>& ByClock(v1::Timing timing, const RepeatedField<int64_t>& host,
                                      const RepeatedField<int64_t>& device) {
  return timing == v1::TIMING_EVENTS && !device.empty() ? device : host;
}

const RepeatedField<int64_t>& StepsOf(const v1::SampleBlock& samples, v1::Timing timing) {
  return ByClock(timing, samples.step_ns(), samples.device_step_ns());
}

// Leaves the summary unset, not empty, when there is nothing to summarise.
void SetSummary(const std::vector<double>& values_ns,
                const std::function<v1::PhaseSummary*()>& summary) {
  if (!values_ns.empty()) *summary() = Summarise(values_ns);
}

void SetDevicePhase(const std::vector<double>& values_ns,
                    const std::function<v1::DevicePhase*()>& phase) {
  if (values_ns.empty()) return;
  v1::DevicePhase* set = phase();
  set->set_mean_ns(*Mean(values_ns));
  set->set_median_ns(*Median(values_ns));
  if (const auto std = SampleStd(values_ns)) set->set_std_ns(*std);
}

void SetDevicePhases(const v1::SampleBlock& samples, v1::Run* run) {
  run->clear_device_forward();
  run->clear_device_loss();
  run->clear_device_backward();
  run->clear_device_optimizer();
  run->clear_device_step();
  SetDevicePhase(Measured(samples, samples.device_forward_ns()),
                 [&] { return run->mutable_device_forward(); });
  SetDevicePhase(Measured(samples, samples.device_loss_ns()),
                 [&] { return run->mutable_device_loss(); });
  SetDevicePhase(Measured(samples, samples.device_backward_ns()),
                 [&] { return run->mutable_device_backward(); });
  SetDevicePhase(Measured(samples, samples.device_optimizer_ns()),
                 [&] { return run->mutable_device_optimizer(); });
  SetDevicePhase(Measured(samples, samples.device_step_ns()),
                 [&] { return run->mutable_device_step(); });
}

void SetRatioInterval(const std::vector<double>& backward, const std::vector<double>& forward,
                      v1::Run* run) {
  run->clear_backward_forward_low();
  run->clear_backward_forward_high();
  if (const auto interval = RatioInterval(backward, forward)) {
    run->set_backward_forward_low(interval->low);
    run->set_backward_forward_high(interval->high);
  }
}

// Of all steps, the warm-up among them: only a block that begins with the first step can tell. Not
// of a CUDA graph: its warm-up is eager, and its measured steps are replays.
void SetSettling(const v1::SampleBlock& samples, v1::Run* run) {
  run->clear_settles_at_step();
  run->clear_cold_steady_ratio();
  if (samples.first_step() != 0 || run->plan().execution() == v1::EXECUTION_CUDA_GRAPH) return;
  const RepeatedField<int64_t>& steps = StepsOf(samples, run->plan().timing());
  const std::vector<double> times(steps.begin(), steps.end());
  const std::optional<size_t> settles = FindSettling(times);
  if (!settles) return;
  run->set_settles_at_step(static_cast<uint32_t>(*settles));
  run->set_cold_steady_ratio(times.front() / FindSteadyBand(times)->median);
}

void SetActualSteps(const v1::SampleBlock& samples, v1::Run* run) {
  run->clear_actual_warmup_steps();
  run->clear_actual_measure_steps();
  if (samples.step_ns().empty()) return;
  const auto measured = static_cast<uint32_t>(Measured(samples, samples.step_ns()).size());
  const uint32_t steps = samples.first_step() + static_cast<uint32_t>(samples.step_ns_size());
  run->set_actual_warmup_steps(std::min(samples.warmup_steps(), steps));
  run->set_actual_measure_steps(measured);
}

// From means that are set already.
void SetRatioAndRates(v1::Run* run) {
  run->clear_backward_forward_ratio();
  run->clear_tokens_per_s();
  run->clear_flops_per_s();
  if (run->backward().has_mean_ns() && run->forward().mean_ns() > 0) {
    run->set_backward_forward_ratio(run->backward().mean_ns() / run->forward().mean_ns());
  }
  if (!(run->step().mean_ns() > 0)) return;
  const double seconds = run->step().mean_ns() / kNsPerSecond;
  const WorkloadKind& kind = KindOf(run->workload());
  const double tokens = kind.StepTokens(run->workload());
  const double flops = kind.StepFlops(run->workload());
  if (tokens > 0) run->set_tokens_per_s(tokens / seconds);
  if (flops > 0) run->set_flops_per_s(flops / seconds);
}

template <typename Phase>
using PhaseOf = const Phase& (v1::Run::*)() const;

template <typename Phase>
std::vector<double> Medians(const std::vector<v1::Run>& runs, PhaseOf<Phase> phase) {
  std::vector<double> medians;
  for (const v1::Run& run : runs) {
    if ((run.*phase)().has_median_ns()) medians.push_back((run.*phase)().median_ns());
  }
  return medians;
}

// Root mean square of the launches' own standard deviations; nothing if a launch has none.
std::optional<double> WithinStd(const std::vector<v1::Run>& runs, PhaseOf<v1::PhaseSummary> phase) {
  double squares = 0;
  for (const v1::Run& run : runs) {
    if (!(run.*phase)().has_std_ns()) return std::nullopt;
    squares += (run.*phase)().std_ns() * (run.*phase)().std_ns();
  }
  return std::sqrt(squares / static_cast<double>(runs.size()));
}

void PoolPhases(const std::vector<v1::Run>& runs, v1::Run* row) {
  const auto pool = [&](PhaseOf<v1::PhaseSummary> phase, v1::PhaseSummary* (v1::Run::*summary)()) {
    SetSummary(Medians(runs, phase), [&] { return (row->*summary)(); });
    const std::optional<double> within = WithinStd(runs, phase);
    if (within) (row->*summary)()->set_within_std_ns(*within);
  };
  pool(&v1::Run::forward, &v1::Run::mutable_forward);
  pool(&v1::Run::loss, &v1::Run::mutable_loss);
  pool(&v1::Run::backward, &v1::Run::mutable_backward);
  pool(&v1::Run::optimizer, &v1::Run::mutable_optimizer);
  pool(&v1::Run::step, &v1::Run::mutable_step);
}

void PoolDevicePhases(const std::vector<v1::Run>& runs, v1::Run* row) {
  const auto pool = [&](PhaseOf<v1::DevicePhase> phase, v1::DevicePhase* (v1::Run::*summary)()) {
    SetDevicePhase(Medians(runs, phase), [&] { return (row->*summary)(); });
  };
  pool(&v1::Run::device_forward, &v1::Run::mutable_device_forward);
  pool(&v1::Run::device_loss, &v1::Run::mutable_device_loss);
  pool(&v1::Run::device_backward, &v1::Run::mutable_device_backward);
  pool(&v1::Run::device_optimizer, &v1::Run::mutable_device_optimizer);
  pool(&v1::Run::device_step, &v1::Run::mutable_device_step);
}

void PoolRatioInterval(const std::vector<v1::Run>& runs, v1::Run* row) {
  SetRatioInterval(Medians<v1::PhaseSummary>(runs, &v1::Run::backward),
                   Medians<v1::PhaseSummary>(runs, &v1::Run::forward), row);
}

// What launches of one job may do differently.
void KeepWhatAgrees(const std::vector<v1::Run>& runs, v1::Run* row) {
  std::vector<double> cold_ratios;
  for (const v1::Run& run : runs) {
    if (run.actual_warmup_steps() != row->actual_warmup_steps()) row->clear_actual_warmup_steps();
    if (run.actual_measure_steps() != row->actual_measure_steps()) {
      row->clear_actual_measure_steps();
    }
    if (run.stop_reason() != row->stop_reason()) row->clear_stop_reason();
    if (run.has_settles_at_step() != row->has_settles_at_step() ||
        run.settles_at_step() != row->settles_at_step()) {
      row->clear_settles_at_step();
    }
    if (run.has_cold_steady_ratio()) cold_ratios.push_back(run.cold_steady_ratio());
  }
  row->clear_cold_steady_ratio();
  if (!cold_ratios.empty()) row->set_cold_steady_ratio(*Median(cold_ratios));
}

// Words of `more`, a list joined by commas, that `reasons` does not have yet.
void AddReasons(const std::string& more, std::vector<std::string>* reasons) {
  std::istringstream words(more);
  for (std::string word; std::getline(words, word, ',');) {
    if (std::find(reasons->begin(), reasons->end(), word) == reasons->end()) {
      reasons->push_back(word);
    }
  }
}

// A device that did not settle before one launch has not settled for all of them.
void DropSettled(v1::Run* row) {
  const auto has = [](v1::Reason reason) {
    return [reason](const v1::Evidence& piece) { return piece.reason() == reason; };
  };
  if (!row->has_assessment()) return;
  auto& evidence = *row->mutable_assessment()->mutable_evidence();
  if (std::none_of(evidence.begin(), evidence.end(), has(v1::REASON_NOT_SETTLED))) return;
  evidence.erase(std::remove_if(evidence.begin(), evidence.end(), has(v1::REASON_SETTLED)),
                 evidence.end());
}

// Notes stand beside every verdict: of a launch that is no worse than the others they would be
// lost. One of a kind says it, with the numbers of the first launch that has it.
void KeepNotesOfDevice(const std::vector<v1::Run>& runs, v1::Run* row) {
  for (const v1::Reason reason : {v1::REASON_NOT_SETTLED, v1::REASON_SETTINGS_MISSING}) {
    const auto is_it = [reason](const v1::Evidence& piece) { return piece.reason() == reason; };
    const auto& there = row->assessment().evidence();
    if (std::any_of(there.begin(), there.end(), is_it)) continue;
    for (const v1::Run& run : runs) {
      const auto& evidence = run.assessment().evidence();
      const auto found = std::find_if(evidence.begin(), evidence.end(), is_it);
      if (found == evidence.end()) continue;
      *row->mutable_assessment()->add_evidence() = *found;
      break;
    }
  }
}

void PoolVerdicts(const std::vector<v1::Run>& runs, v1::Run* row) {
  std::vector<std::string> reasons;
  uint32_t tries = 0;
  for (const v1::Run& run : runs) {
    // The numbers of the verdicts grow with how bad they are.
    if (run.validity() > row->validity()) {
      row->set_validity(run.validity());
      *row->mutable_assessment() = run.assessment();
    }
    AddReasons(run.validity_reasons(), &reasons);
    tries += run.contaminated_tries();
  }
  row->clear_validity_reasons();
  for (const std::string& reason : reasons) {
    if (!row->validity_reasons().empty()) row->mutable_validity_reasons()->push_back(',');
    row->mutable_validity_reasons()->append(reason);
  }
  if (tries > 0) row->set_contaminated_tries(tries);
  KeepNotesOfDevice(runs, row);
  DropSettled(row);
}

void RaiseTo(const v1::PhasePeak& other, v1::PhasePeak* peak) {
  if (other.has_allocated_bytes()) {
    peak->set_allocated_bytes(std::max(peak->allocated_bytes(), other.allocated_bytes()));
  }
  if (other.has_reserved_bytes()) {
    peak->set_reserved_bytes(std::max(peak->reserved_bytes(), other.reserved_bytes()));
  }
}

void RaiseTo(const v1::MemoryUse& other, v1::MemoryUse* use) {
  if (other.has_peak_allocated_bytes()) {
    use->set_peak_allocated_bytes(
        std::max(use->peak_allocated_bytes(), other.peak_allocated_bytes()));
  }
  if (other.has_peak_reserved_bytes()) {
    use->set_peak_reserved_bytes(std::max(use->peak_reserved_bytes(), other.peak_reserved_bytes()));
  }
  if (other.has_first_step_peak_allocated_bytes()) {
    use->set_first_step_peak_allocated_bytes(
        std::max(use->first_step_peak_allocated_bytes(), other.first_step_peak_allocated_bytes()));
  }
  if (other.has_first_step_peak_reserved_bytes()) {
    use->set_first_step_peak_reserved_bytes(
        std::max(use->first_step_peak_reserved_bytes(), other.first_step_peak_reserved_bytes()));
  }
  if (other.has_forward()) RaiseTo(other.forward(), use->mutable_forward());
  if (other.has_loss()) RaiseTo(other.loss(), use->mutable_loss());
  if (other.has_backward()) RaiseTo(other.backward(), use->mutable_backward());
  if (other.has_optimizer()) RaiseTo(other.optimizer(), use->mutable_optimizer());
}

// Shares of a peak go with FLOP/s: the peak itself stays what it was in the first run.
void ScaleShares(const v1::Run& first, v1::Run* row) {
  if (!(first.flops_per_s() > 0) || !row->has_flops_per_s()) return;
  const double scale = row->flops_per_s() / first.flops_per_s();
  if (first.has_matmul_peak_ratio()) {
    row->set_matmul_peak_ratio(first.matmul_peak_ratio() * scale);
  }
  if (first.has_mfu()) row->set_mfu(first.mfu() * scale);
}

}  // namespace

v1::PhaseSummary Summarise(std::span<const double> values_ns) {
  v1::PhaseSummary summary;
  if (values_ns.empty()) return summary;
  const std::vector<double> values(values_ns.begin(), values_ns.end());
  const auto [min, max] = std::minmax_element(values.begin(), values.end());
  summary.set_mean_ns(*Mean(values));
  summary.set_median_ns(*Median(values));
  summary.set_min_ns(*min);
  summary.set_max_ns(*max);
  summary.set_mad_ns(*MedianAbsoluteDeviation(values));
  if (const auto std = SampleStd(values)) {
    summary.set_std_ns(*std);
    if (summary.mean_ns() > 0) summary.set_cv(*std / summary.mean_ns());
  }
  if (const auto interval = MedianInterval(values)) {
    summary.set_median_low_ns(interval->low);
    summary.set_median_high_ns(interval->high);
  }
  if (const auto outliers = CountOutliers(values)) summary.set_outliers(*outliers);
  if (const auto lag1 = Lag1(values)) summary.set_lag1(*lag1);
  if (values.size() >= kFewestForTails) {
    summary.set_p5_ns(*Quantile(values, 0.05));
    summary.set_p95_ns(*Quantile(values, 0.95));
  }
  return summary;
}

std::vector<double> MeasuredSteps(const v1::SampleBlock& samples, v1::Timing timing) {
  return Measured(samples, StepsOf(samples, timing));
}

void SummariseRun(const v1::SampleBlock& samples, v1::Run* run) {
  run->clear_forward();
  run->clear_loss();
  run->clear_backward();
  run->clear_optimizer();
  run->clear_step();
  SetActualSteps(samples, run);
  run->set_statistics_version(kStatisticsVersion);
  // Products of several kinds: no series that has a mean.
  if (run->workload().has_calibration()) return;
  const auto measured = [&](const RepeatedField<int64_t>& host,
                            const RepeatedField<int64_t>& device) {
    return Measured(samples, ByClock(run->plan().timing(), host, device));
  };
  const std::vector<double> forward = measured(samples.forward_ns(), samples.device_forward_ns());
  const std::vector<double> backward =
      measured(samples.backward_ns(), samples.device_backward_ns());
  SetSummary(forward, [&] { return run->mutable_forward(); });
  SetSummary(measured(samples.loss_ns(), samples.device_loss_ns()),
             [&] { return run->mutable_loss(); });
  SetSummary(backward, [&] { return run->mutable_backward(); });
  SetSummary(measured(samples.optimizer_ns(), samples.device_optimizer_ns()),
             [&] { return run->mutable_optimizer(); });
  SetSummary(measured(samples.step_ns(), samples.device_step_ns()),
             [&] { return run->mutable_step(); });
  SetDevicePhases(samples, run);
  SetRatioAndRates(run);
  SetRatioInterval(backward, forward, run);
  SetSettling(samples, run);
}

v1::Run PoolLaunches(const std::vector<v1::Run>& runs) {
  v1::Run row = runs.front();
  if (runs.size() == 1) return row;
  PoolPhases(runs, &row);
  PoolDevicePhases(runs, &row);
  SetRatioAndRates(&row);
  PoolRatioInterval(runs, &row);
  ScaleShares(runs.front(), &row);
  KeepWhatAgrees(runs, &row);
  PoolVerdicts(runs, &row);
  PoolDeviceSummaries(runs, &row);
  for (const v1::Run& run : runs) {
    if (run.has_memory()) RaiseTo(run.memory(), row.mutable_memory());
  }
  row.set_pooled_launches(static_cast<uint32_t>(runs.size()));
  return row;
}

}  // namespace torchlap::measure
