#include "server/measure/forecast.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "server/measure/statistics.h"
#include "server/measure/workload_kind.h"

namespace torchlap::measure {
namespace {

uint64_t Plus(uint64_t a, uint64_t b) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  return a > kMost - b ? kMost : a + b;
}

// The head's output for every token, in the format of the matrix products. 2^17 x 2^20 x 2^20 x 4
// and less: as a double it does not overflow, and what is beyond uint64_t fits nowhere.
uint64_t LogitsBytes(const v1::TransformerLm& model) {
  const v1::Precision precision = model.precision();
  const bool is_full = precision == v1::PRECISION_UNSPECIFIED || precision == v1::PRECISION_FP32 ||
                       precision == v1::PRECISION_TF32;
  const double bytes = (is_full ? 4.0 : 2.0) * model.batch_size() * model.context_length() *
                       static_cast<double>(model.vocab_size());
  constexpr double kMost = 9e18;
  return static_cast<uint64_t>(std::min(bytes, kMost));
}

double BesideSteps(const TimedRun& run) {
  return std::max(run.duration_ns - run.steps * run.step_mean_ns, 0.0);
}

template <typename Value>
double MedianOf(const std::vector<TimedRun>& runs, const Value& value) {
  std::vector<double> values;
  values.reserve(runs.size());
  for (const TimedRun& run : runs) values.push_back(value(run));
  return Median(std::move(values)).value_or(0);
}

TimeEstimate Estimate(const std::vector<TimedRun>& runs, double step_ns, double steps) {
  return {MedianOf(runs, BesideSteps) + steps * step_ns, static_cast<uint32_t>(runs.size())};
}

std::vector<TimedRun> OfPrecision(const std::vector<TimedRun>& runs, v1::Precision precision) {
  std::vector<TimedRun> chosen;
  for (const TimedRun& run : runs) {
    if (run.precision == precision) chosen.push_back(run);
  }
  return chosen;
}

// None of them far from the closest: the time a FLOP of a toy says nothing of a model's.
void KeepClosest(double step_flops, std::vector<TimedRun>* runs) {
  const auto distance = [step_flops](const TimedRun& run) {
    return std::abs(std::log(run.step_flops / step_flops));
  };
  std::stable_sort(runs->begin(), runs->end(),
                   [&](const TimedRun& a, const TimedRun& b) { return distance(a) < distance(b); });
  const double closest = runs->front().step_flops;
  std::erase_if(*runs, [closest](const TimedRun& run) {
    return run.step_flops > closest * kMostFlopsRatio || run.step_flops * kMostFlopsRatio < closest;
  });
  if (runs->size() > kClosest) runs->resize(kClosest);
}

}  // namespace

uint64_t LeastHeldBytes(const v1::Workload& workload) {
  const v1::MemoryParts parts = KindOf(workload).Resident(workload);
  const uint64_t held = ResidentBytes(parts);
  if (!workload.has_transformer_lm()) return held;
  const uint64_t with_logits = Plus(Plus(parts.weights_bytes(), parts.optimizer_bytes()),
                                    LogitsBytes(workload.transformer_lm()));
  return std::max(held, with_logits);
}

std::optional<TimeEstimate> TimeBySeries(const std::vector<TimedRun>& runs, double steps) {
  if (runs.empty()) return std::nullopt;
  const double step_ns = MedianOf(runs, [](const TimedRun& run) { return run.step_mean_ns; });
  return Estimate(runs, step_ns, steps);
}

std::optional<TimeEstimate> TimeByFlops(const std::vector<TimedRun>& runs, v1::Precision precision,
                                        double step_flops, double steps) {
  if (step_flops <= 0) return std::nullopt;
  std::vector<TimedRun> usable;
  for (const TimedRun& run : runs) {
    if (run.step_flops > 0) usable.push_back(run);
  }
  std::vector<TimedRun> chosen = OfPrecision(usable, precision);
  if (chosen.empty()) chosen = std::move(usable);
  if (chosen.empty()) return std::nullopt;
  KeepClosest(step_flops, &chosen);
  const double ns_per_flop =
      MedianOf(chosen, [](const TimedRun& run) { return run.step_mean_ns / run.step_flops; });
  return Estimate(chosen, ns_per_flop * step_flops, steps);
}

}  // namespace torchlap::measure
