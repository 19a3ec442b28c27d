#include "storage/environments.h"

#include <utility>

#include "storage/sqlite_connection.h"

namespace torchlap::storage {

absl::StatusOr<EnvironmentsByHash> ReadEnvironments(const Database& database,
                                                    const std::set<std::string>& hashes) {
  EnvironmentsByHash environments;
  absl::Status status = database.Read([&](SQLite::Database& connection) {
    Query query(connection, "SELECT message FROM environment WHERE environment_hash = ?",
                std::string());
    for (const std::string& hash : hashes) {
      query.Restart(hash);
      v1::Environment environment;
      if (query.Step() && environment.ParseFromString(query.Text(0))) {
        environments[hash] = std::move(environment);
      }
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return environments;
}

}  // namespace torchlap::storage
