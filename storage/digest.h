// What happened since a time, counted.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "storage/database.h"
#include "torchlap/v1/suites.pb.h"

namespace torchlap::storage {

inline constexpr int kMostDigestLines = 20;
// Assessments are looked into of so many contaminated runs, the newest.
inline constexpr int kMostDisturbedRuns = 5'000;

struct DigestQuestion {
  int64_t since_ns = 0;
  std::string user = {};        // account name or principal; empty: everyone's
  std::string only_owner = {};  // OnlyOwner; empty: everyone's
};

// The newest environment of a device since then, and the newest before.
struct DeviceEnvironments {
  std::string device;
  std::string before;  // hash; empty: not known
  std::string after;
};

// Devices of other machines are named with them: `cpu0@lab2`.
struct Digest {
  // Sweeps, outcomes, users, devices and disturbers: the most first, at most kMostDigestLines.
  v1::GetDigestResponse counts;
  std::vector<DeviceEnvironments> environments;  // by name of the device
};

// Finished runs that started since then, invalid ones too: they had the device as well. One walk
// along run_by_start, so that it costs what happened since then. A device that had no run within
// the 5000 before has no environment before. Thread-safe.
absl::StatusOr<Digest> ReadDigest(const Database& database, const DigestQuestion& question);

}  // namespace torchlap::storage
