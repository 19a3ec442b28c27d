#include "server/measure/summary.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "server/measure/presets.h"
#include "server/measure/statistics.h"

namespace torchlap::measure {
namespace {

using google::protobuf::RepeatedField;

constexpr size_t kFewestForP95 = 20;
constexpr double kNsPerSecond = 1e9;

// The entries of one phase that belong to measured steps.
std::vector<double> Measured(const v1::SampleBlock& samples, const RepeatedField<int64_t>& phase) {
  const uint32_t first = samples.first_step();
  const uint32_t skipped = samples.warmup_steps() > first ? samples.warmup_steps() - first : 0;
  if (static_cast<size_t>(phase.size()) <= skipped) return {};
  return {phase.begin() + skipped, phase.end()};
}

// Leaves the summary unset, not empty, when there is nothing to summarise.
void SetSummary(const std::vector<double>& values_ns,
                const std::function<v1::PhaseSummary*()>& summary) {
  if (!values_ns.empty()) *summary() = Summarise(values_ns);
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
  const v1::TransformerLm& model = run->workload().transformer_lm();
  run->set_tokens_per_s(double{1} * model.batch_size() * model.context_length() / seconds);
  run->set_flops_per_s(StepFlops(model) / seconds);
}

using PhaseOf = const v1::PhaseSummary& (v1::Run::*)() const;

std::vector<double> Medians(const std::vector<v1::Run>& runs, PhaseOf phase) {
  std::vector<double> medians;
  for (const v1::Run& run : runs) {
    if ((run.*phase)().has_median_ns()) medians.push_back((run.*phase)().median_ns());
  }
  return medians;
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
  if (const auto std = SampleStd(values)) {
    summary.set_std_ns(*std);
    if (summary.mean_ns() > 0) summary.set_cv(*std / summary.mean_ns());
  }
  if (values.size() >= kFewestForP95) summary.set_p95_ns(*Quantile(values, 0.95));
  return summary;
}

void SummariseRun(const v1::SampleBlock& samples, v1::Run* run) {
  run->clear_forward();
  run->clear_loss();
  run->clear_backward();
  run->clear_optimizer();
  run->clear_step();
  SetSummary(Measured(samples, samples.forward_ns()), [&] { return run->mutable_forward(); });
  SetSummary(Measured(samples, samples.loss_ns()), [&] { return run->mutable_loss(); });
  SetSummary(Measured(samples, samples.backward_ns()), [&] { return run->mutable_backward(); });
  SetSummary(Measured(samples, samples.optimizer_ns()), [&] { return run->mutable_optimizer(); });
  SetSummary(Measured(samples, samples.step_ns()), [&] { return run->mutable_step(); });
  SetRatioAndRates(run);
  run->set_statistics_version(kStatisticsVersion);
}

v1::Run PoolLaunches(const std::vector<v1::Run>& runs) {
  v1::Run row = runs.front();
  if (runs.size() == 1) return row;
  const auto pool = [&](PhaseOf phase, v1::PhaseSummary* (v1::Run::*summary)()) {
    SetSummary(Medians(runs, phase), [&] { return (row.*summary)(); });
  };
  pool(&v1::Run::forward, &v1::Run::mutable_forward);
  pool(&v1::Run::loss, &v1::Run::mutable_loss);
  pool(&v1::Run::backward, &v1::Run::mutable_backward);
  pool(&v1::Run::optimizer, &v1::Run::mutable_optimizer);
  pool(&v1::Run::step, &v1::Run::mutable_step);
  SetRatioAndRates(&row);
  ScaleShares(runs.front(), &row);
  for (const v1::Run& run : runs) {
    if (run.has_memory()) RaiseTo(run.memory(), row.mutable_memory());
  }
  row.set_pooled_launches(static_cast<uint32_t>(runs.size()));
  return row;
}

}  // namespace torchlap::measure
