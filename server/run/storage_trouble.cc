#include "server/run/storage_trouble.h"

namespace torchlap::run {

std::string TroubleWords(const absl::Status& status) {
  const std::string message(status.message());
  if (absl::IsResourceExhausted(status)) return "the disk is full";
  if (message.find("is locked") != std::string::npos) {
    return "the database is locked by another program";
  }
  if (message.find("readonly") != std::string::npos) return "the database is read-only";
  return message;
}

}  // namespace torchlap::run
