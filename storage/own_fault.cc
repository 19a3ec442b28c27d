#include "storage/own_fault.h"

#include <cstdint>
#include <optional>

#include "proto/idle_memory.h"

namespace torchlap::storage {

bool IsOwnFault(const v1::Failure& failure) {
  std::optional<uint64_t> total_bytes;
  if (failure.has_total_bytes()) total_bytes = failure.total_bytes();
  if (failure.foreign_bytes() <= MostIdleBytes(total_bytes)) return true;
  if (!failure.has_asked_bytes() || !failure.has_free_bytes()) return false;
  if (failure.asked_bytes() <= failure.free_bytes()) return true;
  return failure.asked_bytes() - failure.free_bytes() > failure.foreign_bytes();
}

// A comparison with what is not known is no yes.
const char kOwnFaultSql[] =
    "(ifnull(run.failure_foreign_bytes, 0) <= "
    "min(1073741824, ifnull(run.failure_total_bytes, 8589934592) / 8) "
    "OR run.failure_asked_bytes <= run.failure_free_bytes "
    "OR run.failure_asked_bytes - run.failure_free_bytes > run.failure_foreign_bytes)";

}  // namespace torchlap::storage
