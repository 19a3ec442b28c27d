#include "storage/own_fault.h"

#include <algorithm>
#include <cstdint>

namespace torchlap::storage {
namespace {

constexpr uint64_t kMostIdleBytes = uint64_t{1} << 30;
constexpr uint64_t kIdleParts = 8;  // of the device's memory

uint64_t MostIdleBytes(const v1::Failure& failure) {
  if (!failure.has_total_bytes()) return kMostIdleBytes;
  return std::min(kMostIdleBytes, failure.total_bytes() / kIdleParts);
}

}  // namespace

bool IsOwnFault(const v1::Failure& failure) {
  if (failure.foreign_bytes() <= MostIdleBytes(failure)) return true;
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
