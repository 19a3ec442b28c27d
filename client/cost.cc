#include "client/cost.h"

#include <algorithm>

namespace torchlap::client {
namespace {

constexpr double kNsPerSecond = 1e9;

// Of a forward pass for one token, as server/measure/README.md counts them: the four projections of
// attention, the three of SwiGLU, scores and values over the whole context, the head.
double ForwardFlopsPerToken(const v1::TransformerLm& model) {
  const double d = model.d_model();
  const double layer = 8 * d * d + 6 * d * model.d_ff() + 4 * d * model.context_length();
  return model.layers() * layer + 2 * d * model.vocab_size();
}

double StepsOf(const v1::Plan& plan) {
  return static_cast<double>(plan.warmup_steps()) + static_cast<double>(plan.measure_steps());
}

// A precision of a newer daemon counts among none.
v1::Precision PrecisionOf(const v1::Workload& workload) {
  const v1::Precision precision = workload.transformer_lm().precision();
  return v1::Precision_IsValid(precision) ? precision : v1::PRECISION_UNSPECIFIED;
}

}  // namespace

std::optional<double> StepFlops(const v1::Workload& workload) {
  if (!workload.has_transformer_lm()) return std::nullopt;
  const v1::TransformerLm& model = workload.transformer_lm();
  // A backward pass has two products for each of the forward pass.
  const double passes = model.pass_type() == v1::PASS_TYPE_FORWARD ? 1 : 3;
  const double tokens = static_cast<double>(model.batch_size()) * model.context_length();
  const double flops = passes * tokens * ForwardFlopsPerToken(model);
  return flops > 0 ? std::optional(flops) : std::nullopt;
}

std::optional<double> LaunchFlops(const v1::JobSpec& spec) {
  const bool is_one_run =
      spec.purpose() != v1::PURPOSE_FIT && spec.purpose() != v1::PURPOSE_CALIBRATE;
  const std::optional<double> step = is_one_run ? StepFlops(spec.workload()) : std::nullopt;
  return step ? std::optional(*step * StepsOf(spec.plan())) : std::nullopt;
}

void Pace::Learn(const v1::Run& run) {
  const std::optional<double> step = StepFlops(run.workload());
  if (run.outcome() != v1::OUTCOME_OK || !step || !run.step().has_mean_ns()) return;
  const double steps =
      run.has_actual_measure_steps()
          ? static_cast<double>(run.actual_warmup_steps()) + run.actual_measure_steps()
          : StepsOf(run.plan());
  double seconds = steps * run.step().mean_ns() / kNsPerSecond;
  if (run.has_duration_ns()) {
    const double whole = static_cast<double>(run.duration_ns()) / kNsPerSecond;
    seconds = std::min(seconds, whole);
    beside_seconds_ += whole - seconds;
  }
  ++runs_;
  by_precision_[PrecisionOf(run.workload())].Add(steps * *step, seconds);
  all_.Add(steps * *step, seconds);
}

void Pace::LearnStep(const v1::Workload& workload, double step_seconds) {
  const std::optional<double> flops = StepFlops(workload);
  if (!flops) return;
  step_ = {*flops, step_seconds};
  step_by_precision_[PrecisionOf(workload)] = step_;
}

const Pace::Work* Pace::WorkOf(v1::Precision precision) const {
  for (const Work* work :
       {&by_precision_[precision], &step_by_precision_[precision], &all_, &step_}) {
    if (work->flops > 0) return work;
  }
  return nullptr;
}

std::optional<double> Pace::LaunchSeconds(const v1::JobSpec& spec) const {
  const std::optional<double> flops = LaunchFlops(spec);
  const Work* work = WorkOf(PrecisionOf(spec.workload()));
  if (!flops || work == nullptr) return std::nullopt;
  const double beside = runs_ == 0 ? 0 : beside_seconds_ / runs_;
  return beside + *flops * work->seconds / work->flops;
}

}  // namespace torchlap::client
