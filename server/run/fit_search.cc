#include "server/run/fit_search.h"

#include <algorithm>
#include <optional>

#include "proto/ranges.h"
#include "server/measure/workload_kind.h"
#include "storage/own_fault.h"

namespace torchlap::run {
namespace {

constexpr uint32_t kContextGrain = 16;

uint32_t MostOf(int field) { return static_cast<uint32_t>(RangeOf<v1::TransformerLm>(field).max); }

// The axis that is searched.
struct Axis {
  explicit Axis(const v1::JobSpec& spec)
      : is_context(spec.fit_axis() == v1::FIT_AXIS_CONTEXT),
        asked(SizeOf(spec.workload())),
        most(MostOf(is_context ? v1::TransformerLm::kContextLengthFieldNumber
                               : v1::TransformerLm::kBatchSizeFieldNumber)),
        grain(is_context ? kContextGrain : 1) {}

  uint32_t SizeOf(const v1::Workload& workload) const {
    const measure::StepSize size = measure::SizeOf(workload);
    return is_context ? size.context_length : size.batch_size;
  }

  const bool is_context;
  const uint32_t asked;
  const uint32_t most;
  const uint32_t grain;
};

// What the tries so far have shown.
struct Frontier {
  std::optional<uint32_t> fits;     // the largest that did
  std::optional<uint32_t> too_big;  // the smallest that did not
  std::optional<uint32_t> verified;
};

bool IsVerification(const v1::JobSpec& spec, const v1::Run& run) {
  return run.actual_measure_steps() >= spec.plan().measure_steps();
}

// Others held the memory: the size is tried again, unless the job does not wait for them.
bool SaysNothing(const v1::JobSpec& spec, const v1::Run& run) {
  return run.outcome() == v1::OUTCOME_OUT_OF_MEMORY && spec.if_busy() != v1::IF_BUSY_RUN &&
         !storage::IsOwnFault(run.failure());
}

Frontier FrontierOf(const v1::JobSpec& spec, const Axis& axis, const std::vector<v1::Run>& tries) {
  Frontier frontier;
  for (const v1::Run& run : tries) {
    const uint32_t size = axis.SizeOf(run.workload());
    if (SaysNothing(spec, run)) continue;
    if (run.outcome() == v1::OUTCOME_OUT_OF_MEMORY) {
      frontier.too_big = std::min(frontier.too_big.value_or(size), size);
    } else if (run.outcome() == v1::OUTCOME_OK) {
      frontier.fits = std::max(frontier.fits.value_or(size), size);
      if (IsVerification(spec, run)) frontier.verified = size;
    }
  }
  // A verification that ran out of memory takes back what the short try had said.
  if (frontier.too_big && frontier.fits && *frontier.fits >= *frontier.too_big) {
    frontier.fits.reset();
    for (const v1::Run& run : tries) {
      const uint32_t size = axis.SizeOf(run.workload());
      if (run.outcome() != v1::OUTCOME_OK || size >= *frontier.too_big) continue;
      frontier.fits = std::max(frontier.fits.value_or(size), size);
    }
  }
  return frontier;
}

FitStep StepOf(FitStep::Next next, const v1::JobSpec& spec, const Axis& axis, uint32_t size) {
  const measure::StepSize asked = measure::SizeOf(spec.workload());
  FitStep step;
  step.next = next;
  step.batch_size = axis.is_context ? asked.batch_size : size;
  step.context_length = axis.is_context ? size : asked.context_length;
  return step;
}

FitStep NothingFits(const Axis& axis) {
  FitStep step;
  step.next = FitStep::Next::kNothingFits;
  step.reason = std::string("out of memory at ") + (axis.is_context ? "context 1" : "batch 1") +
                ": no " + (axis.is_context ? "context" : "batch") + " fits";
  return step;
}

}  // namespace

FitStep NextFit(const v1::JobSpec& spec, const std::vector<v1::Run>& tries) {
  using Next = FitStep::Next;
  const Axis axis(spec);
  const Frontier frontier = FrontierOf(spec, axis, tries);
  if (!frontier.fits && !frontier.too_big) return StepOf(Next::kTry, spec, axis, axis.asked);
  if (!frontier.fits) {
    if (*frontier.too_big == 1) return NothingFits(axis);
    return StepOf(Next::kTry, spec, axis, *frontier.too_big / 2);
  }
  const uint32_t fits = *frontier.fits;
  if (!frontier.too_big && fits < axis.most) {
    return StepOf(Next::kTry, spec, axis, std::min(fits * 2, axis.most));
  }
  if (frontier.too_big && *frontier.too_big - fits > axis.grain) {
    return StepOf(Next::kTry, spec, axis, fits + (*frontier.too_big - fits) / 2);
  }
  return StepOf(frontier.verified == fits ? Next::kFound : Next::kVerify, spec, axis, fits);
}

v1::Plan FitPlan(const v1::JobSpec& spec, const std::vector<v1::Run>& earlier) {
  v1::Plan plan = spec.plan();
  if (NextFit(spec, earlier).next == FitStep::Next::kVerify) return plan;
  plan.set_warmup_steps(1);
  plan.set_measure_steps(1);
  plan.clear_target_precision();
  plan.clear_warmup_until_settled();
  return plan;
}

}  // namespace torchlap::run
