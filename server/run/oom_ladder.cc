#include "server/run/oom_ladder.h"

#include <algorithm>

#include "proto/ranges.h"
#include "proto/words.h"
#include "server/measure/workload_kind.h"

namespace torchlap::run {
namespace {

// One of the two sizes, and how far it may shrink.
struct Axis {
  const char* name;
  const char* floor_flag;
  uint32_t size;
  uint32_t floor;
  bool is_swept;

  bool CanShrink() const { return !is_swept && size > floor; }
  uint32_t Shrunk() const { return std::max(size / 2, floor); }
};

// A default floor above the size is the size: sizes only ever shrink down to the floor, so one
// below it was requested.
uint32_t Floor(bool given, uint32_t value, int field, uint32_t size) {
  if (given) return std::max<uint32_t>(value, 1);
  return std::min(static_cast<uint32_t>(DefaultOf<v1::OomPolicy>(field)), size);
}

Axis BatchAxis(const FailedTry& from) {
  const v1::OomPolicy& policy = from.policy;
  return {"batch", "--min-batch", from.batch_size,
          Floor(policy.has_min_batch_size(), policy.min_batch_size(),
                policy.kMinBatchSizeFieldNumber, from.batch_size),
          policy.batch_is_swept()};
}

Axis ContextAxis(const FailedTry& from) {
  const v1::OomPolicy& policy = from.policy;
  return {"context", "--min-context", from.context_length,
          Floor(policy.has_min_context_length(), policy.min_context_length(),
                policy.kMinContextLengthFieldNumber, from.context_length),
          policy.context_is_swept()};
}

bool Shrinks(v1::Purpose purpose) {
  return purpose == v1::PURPOSE_MEASURE || purpose == v1::PURPOSE_WARMUP ||
         purpose == v1::PURPOSE_UNSPECIFIED;
}

std::string WhyNotSmaller(const Axis& axis) {
  if (axis.is_swept) return std::string(axis.name) + " was given several values and is not shrunk";
  return std::string(axis.name) + " " + std::to_string(axis.size) + " is at its floor (" +
         axis.floor_flag + " " + std::to_string(axis.floor) + ")";
}

std::string Change(const Axis& axis) {
  return std::string(axis.name) + " " + std::to_string(axis.size) + " -> " +
         std::to_string(axis.Shrunk());
}

const char* WhatIsHeld(const v1::MemoryParts& parts) {
  if (parts.optimizer_bytes() > 0) return "weights, gradients and optimizer state";
  return parts.gradients_bytes() > 0 ? "weights and gradients" : "weights";
}

}  // namespace

NextTry AfterOutOfMemory(const FailedTry& failed) {
  const v1::OomPolicy& policy = failed.policy;
  if (failed.outcome == v1::OUTCOME_SKIPPED) {
    return {{}, "no batch or context fits: what the pass must hold exceeds the device"};
  }
  if (failed.phase == v1::PHASE_BUILD) return {{}, failed.detail};
  if (policy.has_retry() && !policy.retry()) {
    return {{}, "out of memory, and --no-oom-retry was given"};
  }
  if (!Shrinks(failed.purpose)) {
    return {{}, "out of memory; a " + std::string(Word(failed.purpose)) + " run is not shrunk"};
  }
  const Axis batch = BatchAxis(failed);
  const Axis context = ContextAxis(failed);
  if (batch.CanShrink()) return {{{batch.Shrunk(), context.size}}, Change(batch)};
  if (context.CanShrink()) return {{{batch.size, context.Shrunk()}}, Change(context)};
  return {{}, "out of memory: " + WhyNotSmaller(batch) + ", " + WhyNotSmaller(context)};
}

bool MayShrinkTo(const FailedTry& from, const NextTry::Size& fits) {
  if ((from.policy.has_retry() && !from.policy.retry()) || !Shrinks(from.purpose)) return false;
  const auto reaches = [](const Axis& axis, uint32_t size) {
    return size == axis.size || (axis.CanShrink() && size < axis.size && size >= axis.floor);
  };
  return reaches(BatchAxis(from), fits.batch_size) &&
         reaches(ContextAxis(from), fits.context_length);
}

NextTry::Size SmallestTry(const FailedTry& from) {
  const bool shrinks = (!from.policy.has_retry() || from.policy.retry()) && Shrinks(from.purpose);
  const Axis batch = BatchAxis(from);
  const Axis context = ContextAxis(from);
  return {shrinks && batch.CanShrink() ? batch.floor : batch.size,
          shrinks && context.CanShrink() ? context.floor : context.size};
}

v1::Failure RuledOutByRun(const v1::Run& failed) {
  v1::Failure failure;
  const measure::StepSize size = measure::SizeOf(failed.workload());
  failure.set_detail("not tried: run " + failed.run_id() + " ran out of memory at batch " +
                     std::to_string(size.batch_size) + ", context " +
                     std::to_string(size.context_length) + ", which is no larger");
  return failure;
}

std::optional<v1::Failure> RuledOutByArithmetic(const v1::Workload& workload,
                                                const std::string& device_name,
                                                uint64_t device_memory_bytes) {
  const v1::MemoryParts parts = measure::KindOf(workload).Resident(workload);
  const uint64_t needed = measure::ResidentBytes(parts);
  if (device_memory_bytes == 0 || needed <= device_memory_bytes) return std::nullopt;
  v1::Failure failure;
  failure.set_asked_bytes(needed);
  failure.set_free_bytes(device_memory_bytes);
  failure.set_total_bytes(device_memory_bytes);
  // How much that is stands in the numbers.
  failure.set_detail(std::string(WhatIsHeld(parts)) + " alone exceed the memory of " + device_name +
                     ": no batch or context fits");
  return failure;
}

}  // namespace torchlap::run
