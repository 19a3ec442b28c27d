// Environments by their hash: runs share them.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <set>
#include <string>

#include "storage/database.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::storage {

using EnvironmentsByHash = std::map<std::string, v1::Environment>;

// Each is read once. One that is not there, or that is damaged, is left out. Thread-safe.
absl::StatusOr<EnvironmentsByHash> ReadEnvironments(const Database& database,
                                                    const std::set<std::string>& hashes);

}  // namespace torchlap::storage
