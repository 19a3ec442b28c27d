// What to try after memory ran out. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "torchlap/v1/job.pb.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::run {

struct FailedTry {
  v1::Outcome outcome = v1::OUTCOME_OUT_OF_MEMORY;  // OUT_OF_MEMORY or SKIPPED
  uint32_t batch_size = 0;                          // effective
  uint32_t context_length = 0;
  v1::OomPolicy policy;
  v1::Purpose purpose = v1::PURPOSE_MEASURE;
  // Where it ran out. BUILD: while the context or the weights were made.
  v1::Phase phase = v1::PHASE_UNSPECIFIED;
  std::string detail;  // the failure's line
};

struct NextTry {
  struct Size {
    uint32_t batch_size = 0;
    uint32_t context_length = 0;
  };
  // Nothing: the job failed, because of `reason`.
  std::optional<Size> size;
  // One line. With a size: `batch 4 -> 2`. Without: why there is no smaller one.
  std::string reason;
};

// Halves the batch down to its floor, then the context down to its floor; where a half would be
// below the floor, the floor itself is tried, once. A swept axis is never shrunk. After SKIPPED
// nothing: what the pass must hold does not depend on these sizes; nor after BUILD, with the
// failure's own line. Only measure and warmup runs shrink; the others mean exactly their size.
NextTry AfterOutOfMemory(const FailedTry& failed);

// Whether the ladder may go from a size to `fits`, which is known to fit: it shrinks at all, and
// only axes that may, not below their floors.
bool MayShrinkTo(const FailedTry& from, const NextTry::Size& fits);

// The smallest size that the ladder can reach from this one.
NextTry::Size SmallestTry(const FailedTry& from);

// The failure of a job that is not tried because `failed`, of its sweep, ran out of memory at a
// size no larger than the smallest that the job could shrink to: a line that names that run. Its
// numbers are not the job's: what was asked for and free when it failed says nothing of this size.
v1::Failure RuledOutByRun(const v1::Run& failed);

// Nothing: the pass may fit. Else outcome SKIPPED's numbers: asked_bytes (what the pass must hold
// whatever the batch), free_bytes and total_bytes (the device's memory) and a line of detail. A
// model has its shape; device_memory_bytes 0 means no limit is known.
std::optional<v1::Failure> RuledOutByArithmetic(const v1::Workload& workload,
                                                const std::string& device_name,
                                                uint64_t device_memory_bytes);

}  // namespace torchlap::run
