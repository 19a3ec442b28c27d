#include "server/daemon/database_care.h"

#include <absl/status/status.h>
#include <fmt/format.h>

#include <system_error>
#include <vector>

#include "proto/base/visible_text.h"
#include "server/daemon/lock_file.h"
#include "storage/database_check.h"
#include "storage/database_repair.h"

namespace torchlap::daemon {
namespace {

std::filesystem::path DatabaseOf(const std::filesystem::path& state_folder) {
  return state_folder / "torchlap.db";
}

CareReport Failed(const absl::Status& status) {
  return {fmt::format("torchlapd: {}\n", Visible(std::string(status.message()))), kCareFailed};
}

absl::Status CheckIsThere(const std::filesystem::path& file) {
  // A WAL alone is what is left of one.
  for (const char* suffix : {"", "-wal"}) {
    std::error_code error;
    if (std::filesystem::exists(file.string() + suffix, error)) return absl::OkStatus();
    if (error) {
      return absl::PermissionDeniedError(
          fmt::format("cannot look at the database {}: {}", file.string(), error.message()));
    }
  }
  return absl::NotFoundError(
      fmt::format("no database at {}; name its folder with --state", file.string()));
}

std::string Lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += fmt::format("  {}\n", Visible(line));
  return text;
}

}  // namespace

CareReport CheckState(const std::filesystem::path& state_folder) {
  const std::filesystem::path file = DatabaseOf(state_folder);
  if (absl::Status there = CheckIsThere(file); !there.ok()) return Failed(there);
  const auto findings = storage::CheckFile(file);
  if (!findings.ok()) return Failed(findings.status());
  if (findings->empty()) return {fmt::format("{}: nothing is wrong\n", file.string()), kCareDone};
  std::string text =
      fmt::format("{}: damaged; torchlapd --repair keeps what can be read\n", file.string());
  return {text + Lines(findings->unreadable) + Lines(findings->inconsistent), kCareFound};
}

CareReport RepairState(const std::filesystem::path& state_folder) {
  const std::filesystem::path file = DatabaseOf(state_folder);
  if (absl::Status there = CheckIsThere(file); !there.ok()) return Failed(there);
  const auto lock = LockFile::Acquire(file, "database");
  if (!lock.ok()) return Failed(lock.status());
  const auto findings = storage::CheckInPlace(file);
  if (!findings.ok()) return Failed(findings.status());
  if (findings->empty()) return {fmt::format("{}: nothing is wrong\n", file.string()), kCareDone};
  const auto repaired = storage::RepairFile(file);
  if (!repaired.ok()) return Failed(repaired.status());
  return {fmt::format("{} holds what could be read; as it was: {}\n{}", file.string(),
                      repaired->copy.string(), Lines(repaired->lines)),
          kCareDone};
}

}  // namespace torchlap::daemon
