#include "server/daemon/device_care.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "proto/base/visible_text.h"
#include "server/daemon/lock_file.h"

namespace torchlap::daemon {
namespace {

CareReport Failed(const absl::Status& status) {
  return {fmt::format("torchlapd: {}\n", Visible(std::string(status.message()))), kCareFailed};
}

std::string Lines(const char* before, const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += fmt::format("{}{}\n", before, Visible(line));
  return text;
}

}  // namespace

host::RestoreReport RestoreLeft(const std::string& nvml_library,
                                host::DeviceSettingsJournal* journal) {
  if (journal->changes().empty()) return {};
  absl::StatusOr<std::shared_ptr<const host::NvmlLibrary>> nvml =
      host::NvmlLibrary::Open(nvml_library);
  const auto find =
      [&](const std::string& uuid) -> absl::StatusOr<std::unique_ptr<host::SettableGpu>> {
    if (!nvml.ok()) return nvml.status();
    return host::FindSettableGpu(*nvml, uuid);
  };
  return host::RestoreSettings(find, journal);
}

CareReport RestoreDevices(const host::Configuration& configuration, const std::string& boot_id) {
  const std::filesystem::path& folder = configuration.state_folder;
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return {fmt::format("{}: nothing is to be restored\n", folder.string()), kCareDone};
  }
  const auto lock = LockFile::Acquire(folder / "torchlap.db", "database");
  if (!lock.ok()) return Failed(lock.status());
  const auto journal = host::DeviceSettingsJournal::Open(folder, boot_id);
  if (!journal.ok()) return Failed(journal.status());
  if ((*journal)->changes().empty()) {
    return {fmt::format("{}: nothing is to be restored\n", folder.string()), kCareDone};
  }
  const host::RestoreReport report = RestoreLeft(configuration.nvml_library, journal->get());
  const std::string text = Lines("restored: ", report.restored) + Lines("left: ", report.left) +
                           Lines("cannot restore ", report.failed);
  return {text, report.failed.empty() ? kCareDone : kCareFailed};
}

}  // namespace torchlap::daemon
