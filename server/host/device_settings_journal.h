// What the daemon has changed on GPUs: on the disk before it is done, so that it is undone whatever
// happens to the daemon.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/base/mutex.h"
#include "server/host/nvml_library.h"

namespace torchlap::host {

struct SettingChange {
  std::string uuid;  // of a whole GPU
  NvmlSetting setting = NvmlSetting::kPersistence;
  // As it was. Nothing: it was not told, as of clocks.
  std::optional<uint32_t> before;
  uint32_t set = 0;

  bool operator==(const SettingChange&) const = default;
};

// `power-limit-mw`: the setting in the file.
std::string Word(NvmlSetting setting);

// The file, device_settings.journal in the state folder, while one process has it (the database's
// lock). It is there while something is changed. Written whole and synced to the disk; a write that
// was cut short leaves the old one. Thread-safe.
//
//   torchlap device settings 1 <boot id>
//   GPU-1111 power-limit-mw 400000 300000      as it was, `-` where that is not told; as it was set
class DeviceSettingsJournal {
 public:
  // What a kernel that is not there any more knew is forgotten: drivers keep nothing over a boot.
  // An empty `boot_id` (not known) is like any other. DATA_LOSS in one line with its number: not
  // what was written here. Else as OpenOwnFile().
  static absl::StatusOr<std::unique_ptr<DeviceSettingsJournal>> Open(
      const std::filesystem::path& state_folder, const std::string& boot_id);

  // In the order in which they were made.
  std::vector<SettingChange> changes() const TORCHLAP_EXCLUDES(mutex_);
  // Both: on the disk when they return. An error leaves everything as it was.
  absl::Status Add(const SettingChange& change) TORCHLAP_EXCLUDES(mutex_);
  absl::Status Remove(const SettingChange& change) TORCHLAP_EXCLUDES(mutex_);

  const std::filesystem::path& file() const { return file_; }

 private:
  DeviceSettingsJournal(std::filesystem::path file, std::string boot_id)
      : file_(std::move(file)), boot_id_(std::move(boot_id)) {}
  absl::Status Read() TORCHLAP_EXCLUDES(mutex_);
  absl::Status Write(const std::vector<SettingChange>& changes) const;
  absl::Status Take(std::vector<SettingChange> changes) TORCHLAP_REQUIRES(mutex_);

  const std::filesystem::path file_;
  const std::string boot_id_;
  mutable Mutex mutex_;
  std::vector<SettingChange> changes_ TORCHLAP_GUARDED_BY(mutex_);
};

}  // namespace torchlap::host
