#include "server/run/storage_trouble.h"

namespace torchlap::run {

std::string TroubleWords(const absl::Status& status) {
  const std::string message(status.message());
  if (message.find("is locked") != std::string::npos) {
    return "the database is locked by another program";
  }
  if (absl::IsResourceExhausted(status)) return "the disk is full";
  // In SQLite's words, and in the system's.
  const bool is_read_only = message.find("readonly") != std::string::npos ||
                            message.find("Read-only") != std::string::npos;
  if (is_read_only) return "the database is read-only";
  return message;
}

}  // namespace torchlap::run
