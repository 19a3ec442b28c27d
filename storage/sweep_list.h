// What was submitted, and what became of it.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "storage/database.h"
#include "storage/records.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::storage {

struct SweepPage {
  std::vector<v1::Sweep> sweeps;
  std::string next_page_token;  // empty: no more
};

// Thread-safe.
class SweepList {
 public:
  // `database` outlives the list.
  explicit SweepList(const Database* database) : database_(database) {}

  // One page, newest first. `user`: account name or principal; empty: everyone's but those
  // of the daemon (kDaemonPrincipal). `only_owner`: the
  // principal whose sweeps alone are there (OnlyOwner); empty: everyone's. Runs that were declared
  // invalid are not counted. INVALID_ARGUMENT: page_token was not made by this call.
  absl::StatusOr<SweepPage> List(const std::string& user, uint32_t page_size,
                                 const std::string& page_token,
                                 const std::string& only_owner = "") const;

 private:
  const Database* const database_;
};

}  // namespace torchlap::storage
