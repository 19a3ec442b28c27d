// What keeps a device's runs from being stored.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <string>

namespace torchlap::run {

struct StorageTrouble {
  std::string why;               // one line: `the disk is full`; empty: none
  uint64_t unstored_job_id = 0;  // whose run has ended and waits to be stored; 0: none
};

// The database's error in a few words.
std::string TroubleWords(const absl::Status& status);

}  // namespace torchlap::run
