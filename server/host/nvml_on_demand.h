// NVIDIA's library for those who ask now and then: an open library keeps GPUs from sleeping, those
// of a laptop above all.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "proto/base/clock.h"
#include "server/host/nvml_library.h"

namespace torchlap::host {

// Opened when somebody asks for it, closed when nobody has held it for a minute. Its thread sleeps
// without a deadline while the library is held or closed: it never wakes during a run. Thread-safe.
class NvmlOnDemand {
 public:
  static constexpr int64_t kIdleNs = 60'000'000'000;

  // `library`: as for NvmlLibrary::Open(). The clock outlives it. Opens nothing yet.
  explicit NvmlOnDemand(std::string library, const Clock* clock = &SystemClock());
  // What was handed out may be held beyond it.
  ~NvmlOnDemand();
  NvmlOnDemand(const NvmlOnDemand&) = delete;
  NvmlOnDemand& operator=(const NvmlOnDemand&) = delete;

  // Null: it cannot be opened. Blocks as NvmlLibrary::Open() does where it was closed. It stays
  // open while what is returned, or a copy of it, is held.
  std::shared_ptr<const NvmlLibrary> Get();

  bool is_open() const;

 private:
  struct State;

  const std::shared_ptr<State> state_;
  std::thread closer_;
};

}  // namespace torchlap::host
