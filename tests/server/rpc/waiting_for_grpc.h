// For tests of what happens on gRPC's threads.
#pragma once

#include <poll.h>

#include <chrono>
#include <functional>

namespace torchlap::rpc {

inline constexpr std::chrono::seconds kDeadline{60};
#ifdef __SANITIZE_THREAD__
inline constexpr bool kIsUnderTsan = true;
#else
inline constexpr bool kIsUnderTsan = false;
#endif
inline constexpr char kTooLargeForTsan[] =
    "TSan spends minutes on megabytes that an uninstrumented gRPC copied";

inline bool Eventually(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + kDeadline;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::poll(nullptr, 0, 5);  // nobody tells when gRPC has done something
  }
  return true;
}

}  // namespace torchlap::rpc
