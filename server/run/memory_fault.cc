#include "server/run/memory_fault.h"

#include <fmt/format.h>

#include <algorithm>

#include "storage/own_fault.h"

namespace torchlap::run {
namespace {

// Of CUDA 13 with the libraries that a model needs, on GPUs of 16 to 80 GiB.
constexpr uint64_t kUsualContextBytes = uint64_t{512} << 20;
// Contexts take 0.3 to 1 GiB, the more the more multiprocessors there are: twice the largest is
// room for those to come, and less than a model of somebody else takes that is worth running.
constexpr uint64_t kMostContextBytes = uint64_t{2} << 30;
// The driver and the worker do not count alike.
constexpr uint64_t kLeastGivenBackBytes = uint64_t{512} << 20;
constexpr size_t kMostNamed = 3;

uint64_t Less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

uint64_t ContextBytes(const v1::MemoryUse& at_start) {
  const bool is_known = at_start.has_device_total_bytes() && at_start.has_device_free_bytes() &&
                        at_start.has_device_foreign_bytes();
  if (!is_known) return kUsualContextBytes;
  const uint64_t held = Less(at_start.device_total_bytes(), at_start.device_free_bytes());
  const uint64_t foreign = at_start.device_foreign_bytes();
  // Others came, or went, between the look at them and the worker's.
  if (held < foreign || held - foreign > kMostContextBytes) return kUsualContextBytes;
  return held - foreign;
}

}  // namespace

std::optional<uint64_t> ForeignAtFailure(const v1::MemoryUse& at_start,
                                         const v1::Failure& failure) {
  if (!failure.has_total_bytes() || !failure.has_free_bytes() || !failure.has_reserved_bytes()) {
    return std::nullopt;
  }
  const uint64_t held = Less(failure.total_bytes(), failure.free_bytes());
  return Less(Less(held, failure.reserved_bytes()), ContextBytes(at_start));
}

uint64_t RoomForOthers(const v1::Failure& failure) {
  const uint64_t lacked = Less(failure.asked_bytes(), failure.free_bytes());
  return Less(failure.foreign_bytes(), std::max(lacked, kLeastGivenBackBytes));
}

std::string HoldersOf(const std::vector<host::ForeignProcess>& holding) {
  std::vector<std::string> names;
  for (const host::ForeignProcess& process : holding) {
    if (names.size() < kMostNamed) names.push_back(host::Called(process));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string OutOfMemoryLine(const v1::Failure& failure, const std::string& device,
                            const std::string& holders) {
  const bool is_built = failure.phase() != v1::PHASE_BUILD;
  const bool is_own_fault = storage::IsOwnFault(failure);
  if (is_built && is_own_fault) return failure.detail();
  const std::string when = is_built ? "out of memory"
                                    : "out of memory while the model was built, which no smaller "
                                      "batch or context cures";
  if (is_own_fault) return fmt::format("{}: {}", when, failure.detail());
  const std::string who =
      holders.empty() ? "by others, who are gone by now" : fmt::format("by {}", holders);
  return fmt::format("{}: memory of {} is held {}", when, device, who);
}

}  // namespace torchlap::run
