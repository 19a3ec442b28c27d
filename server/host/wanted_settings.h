// How a GPU is to be before a run, by the configuration. Off by default.
#pragma once

#include <cstdint>
#include <optional>

namespace torchlap::host {

// What a daemon with the right (root or CAP_SYS_ADMIN) sets, and restores at its end. Unset: left
// as it is.
struct WantedSettings {
  std::optional<bool> persistence;
  std::optional<uint32_t> power_limit_watts;
  std::optional<uint32_t> lock_clocks_mhz;  // or kBaseClocks (server/host/nvml_library.h)

  bool any() const { return persistence || power_limit_watts || lock_clocks_mhz; }
};

// What a run waits for, but not longer than `at_most_ns`.
struct SettleWindow {
  std::optional<uint32_t> below_celsius;
  int64_t idle_ns = 0;  // since the last run, and since others computed
  int64_t at_most_ns = 0;
};

}  // namespace torchlap::host
