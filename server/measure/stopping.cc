#include "server/measure/stopping.h"

#include <algorithm>
#include <cmath>

#include "proto/ranges.h"
#include "server/measure/statistics.h"

namespace torchlap::measure {
namespace {

constexpr size_t kSettlingSteps = 6;
constexpr double kSettledWithin = 0.02;
// Standard deviation of the difference of two medians of three normal values: 0.6698 sqrt(2).
constexpr double kMedianOfThreeError = 0.947;

constexpr uint64_t kFewestSteps = 10;
constexpr uint64_t kSettlesFrom = 30;
constexpr double kSettledCvChange = 0.1;

// Sooner would do no harm to the mean, but a few hundred looks would to its interval.
uint64_t NextLook(uint64_t steps) { return steps + std::max<uint64_t>(1, steps / 10); }

double MiddleOf(double a, double b, double c) {
  return std::max(std::min(a, b), std::min(std::max(a, b), c));
}

std::optional<double> TargetOf(const v1::Plan& plan) {
  if (!plan.has_target_precision()) return std::nullopt;
  return plan.target_precision();
}

uint64_t MostSteps(const v1::Plan& plan) {
  if (plan.has_max_steps()) return plan.max_steps();
  return static_cast<uint64_t>(DefaultOf<v1::Plan>(v1::Plan::kMaxStepsFieldNumber));
}

int64_t MostNs(const v1::Plan& plan) {
  if (plan.has_max_measure_ns()) return plan.max_measure_ns();
  return static_cast<int64_t>(DefaultOf<v1::Plan>(v1::Plan::kMaxMeasureNsFieldNumber));
}

}  // namespace

WarmupRule::WarmupRule(const v1::Plan& plan)
    : until_settled_(plan.warmup_until_settled()),
      least_steps_(plan.warmup_steps()),
      most_steps_(least_steps_ * 10 + 100),
      least_ns_(until_settled_ ? plan.min_warmup_ns() : 0),
      done_(!until_settled_ && least_steps_ == 0) {
  last_.reserve(kSettlingSteps + 1);
}

void WarmupRule::Add(int64_t step_ns) {
  ++steps_;
  total_ns_ += step_ns;
  last_.push_back(static_cast<double>(step_ns));
  if (last_.size() > kSettlingSteps) last_.erase(last_.begin());
  done_ = steps_ >= least_steps_ && total_ns_ >= least_ns_ &&
          (!until_settled_ || steps_ >= most_steps_ || Settled());
}

bool WarmupRule::Settled() const {
  if (last_.size() < kSettlingSteps) return false;
  const double before = MiddleOf(last_[0], last_[1], last_[2]);
  const double now = MiddleOf(last_[3], last_[4], last_[5]);
  std::vector<double> distances(kSettlingSteps);
  for (size_t i = 0; i < kSettlingSteps; ++i) {
    distances[i] = std::abs(last_[i] - (i < kSettlingSteps / 2 ? before : now));
  }
  const double spread = kStdPerMad * *Median(std::move(distances));
  return std::abs(now - before) <= std::max(kSettledWithin * now, 2 * kMedianOfThreeError * spread);
}

StoppingRule::StoppingRule(const v1::Plan& plan)
    : target_(TargetOf(plan)),
      least_steps_(target_ ? std::max<uint64_t>(plan.measure_steps(), kFewestSteps)
                           : plan.measure_steps()),
      most_steps_(MostSteps(plan)),
      most_ns_(MostNs(plan)),
      next_look_(least_steps_) {
  // No allocation between two steps.
  if (target_) times_.reserve(most_steps_);
}

v1::StopReason StoppingRule::Add(int64_t step_ns) {
  ++steps_;
  total_ns_ += step_ns;
  if (!target_) {
    return steps_ >= least_steps_ ? v1::STOP_REASON_COUNT : v1::STOP_REASON_UNSPECIFIED;
  }
  times_.push_back(static_cast<double>(step_ns));
  const bool at_limit = steps_ >= most_steps_ || total_ns_ >= most_ns_;
  if (steps_ < least_steps_) return at_limit ? v1::STOP_REASON_LIMIT : v1::STOP_REASON_UNSPECIFIED;
  // A last look at the limit: the reason should say so if the target is reached there.
  if (steps_ < next_look_ && !at_limit) return v1::STOP_REASON_UNSPECIFIED;
  next_look_ = NextLook(steps_);
  const v1::StopReason reason = Look();
  return reason == v1::STOP_REASON_UNSPECIFIED && at_limit ? v1::STOP_REASON_LIMIT : reason;
}

v1::StopReason StoppingRule::Look() {
  const double mean = *Mean(times_);
  const double half_width = *MeanHalfWidth(times_);
  if (half_width <= *target_ * mean) return v1::STOP_REASON_REACHED;
  return NoiseSettled(half_width, mean) ? v1::STOP_REASON_SETTLED : v1::STOP_REASON_UNSPECIFIED;
}

bool StoppingRule::NoiseSettled(double half_width, double mean) {
  if (steps_ < kSettlesFrom) return false;
  const double std = *SampleStd(times_);
  // One far outlier among thirty steps doubles the standard deviation, and fades with more steps.
  const double without_outliers =
      std::min(1.0, kStdPerMad * *MedianAbsoluteDeviation(times_) / std);
  // The standard error of a standard deviation is 1 / sqrt(2 n) of it.
  const double at_best =
      half_width * without_outliers * (1 - 2 / std::sqrt(2 * EffectiveSampleSize(times_)));
  const double ratio = std::max(0.0, at_best) / (*target_ * mean);
  if (static_cast<double>(steps_) * ratio * ratio <= static_cast<double>(most_steps_)) {
    hopeless_cv_.reset();
    return false;
  }
  const double cv = std / mean;
  const bool settled = hopeless_cv_ && std::abs(cv - *hopeless_cv_) <= kSettledCvChange * cv;
  hopeless_cv_ = cv;
  return settled;
}

}  // namespace torchlap::measure
