// What arithmetic must know of a workload, whatever its kind. Another kind of workload is another
// file like transformer_kind.cc, and its case in KindOf. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::measure {

// The two sizes that may shrink when memory runs out, and grow in a search for the largest that
// fits. 0: the workload has no such size.
struct StepSize {
  uint32_t batch_size = 0;
  uint32_t context_length = 0;
};

// Stateless; every method may be called from any thread.
class WorkloadKind {
 public:
  virtual ~WorkloadKind() = default;

  virtual StepSize Size(const v1::Workload& workload) const = 0;

  // Of one step; 0: it does not count in them.
  virtual double StepTokens(const v1::Workload& workload) const = 0;
  virtual double StepFlops(const v1::Workload& workload) const = 0;

  // As it was asked for. UNSPECIFIED: the workload has none of its own.
  virtual v1::Precision Precision(const v1::Workload& workload) const = 0;

  // Weights, gradients and optimizer state: what must be in memory whatever the size. Each part
  // saturates.
  virtual v1::MemoryParts Resident(const v1::Workload& workload) const = 0;

  // The same with weights in bf16; nullopt: it has them so already, or has no weights.
  virtual std::optional<v1::Workload> WithBf16Weights(const v1::Workload& workload) const = 0;
};

// Lives as long as the program.
const WorkloadKind& KindOf(const v1::Workload& workload);

// The sum of weights, gradients and optimizer state; saturates.
uint64_t ResidentBytes(const v1::MemoryParts& parts);

// The same of what the workload must hold.
uint64_t ResidentBytes(const v1::Workload& workload);

StepSize SizeOf(const v1::Workload& workload);

}  // namespace torchlap::measure
