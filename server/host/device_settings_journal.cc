#include "server/host/device_settings_journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "proto/base/file_descriptor.h"
#include "proto/base/visible_text.h"
#include "server/host/own_file.h"

namespace torchlap::host {
namespace {

constexpr char kName[] = "device_settings.journal";
constexpr char kWhat[] = "journal";
constexpr char kHeading[] = "torchlap device settings 1";
constexpr char kNotTold[] = "-";

constexpr std::array<std::pair<NvmlSetting, const char*>, 3> kWords = {
    {{NvmlSetting::kPersistence, "persistence"},
     {NvmlSetting::kPowerLimitMw, "power-limit-mw"},
     {NvmlSetting::kLockedMhz, "locked-mhz"}}};

std::optional<NvmlSetting> ParseSetting(const std::string& word) {
  for (const auto& [setting, name] : kWords) {
    if (word == name) return setting;
  }
  return std::nullopt;
}

std::optional<uint32_t> ParseNumber(const std::string& text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = error == std::errc() && end == text.data() + text.size();
  return is_whole ? std::optional(number) : std::nullopt;
}

std::optional<SettingChange> ParseChange(const std::string& text) {
  std::istringstream line(text);
  std::string word, before, set, more;
  SettingChange change;
  if (!(line >> change.uuid >> word >> before >> set) || line >> more) return std::nullopt;
  const auto setting = ParseSetting(word);
  const auto value = ParseNumber(set);
  change.before = ParseNumber(before);
  if (!setting || !value || (!change.before && before != kNotTold)) return std::nullopt;
  change.setting = *setting;
  change.set = *value;
  return change;
}

std::string Print(const SettingChange& change) {
  const std::string before = change.before ? std::to_string(*change.before) : kNotTold;
  return change.uuid + " " + Word(change.setting) + " " + before + " " +
         std::to_string(change.set) + "\n";
}

absl::Status Cannot(const std::string& what, const std::filesystem::path& file) {
  const std::string message = std::string(kWhat) + " " + file.string() + " cannot be " + what +
                              ": " + std::generic_category().message(errno);
  const bool may_pass = errno == ENOSPC || errno == EDQUOT;
  return may_pass ? absl::ResourceExhaustedError(message) : absl::InternalError(message);
}

absl::Status WriteAll(const FileDescriptor& fd, const std::string& text,
                      const std::filesystem::path& file) {
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = ::write(fd.get(), text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Cannot("written", file);
    written += static_cast<size_t>(count);
  }
  return ::fsync(fd.get()) == 0 ? absl::OkStatus() : Cannot("written", file);
}

// That the name leads to another file, or to none, is in the folder.
absl::Status SyncFolderOf(const std::filesystem::path& file) {
  const FileDescriptor folder(
      ::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return folder && ::fsync(folder.get()) == 0 ? absl::OkStatus() : Cannot("written", file);
}

}  // namespace

std::string Word(NvmlSetting setting) {
  for (const auto& [each, name] : kWords) {
    if (each == setting) return name;
  }
  return "";
}

absl::StatusOr<std::unique_ptr<DeviceSettingsJournal>> DeviceSettingsJournal::Open(
    const std::filesystem::path& state_folder, const std::string& boot_id) {
  std::unique_ptr<DeviceSettingsJournal> journal(
      new DeviceSettingsJournal(state_folder / kName, boot_id));
  if (absl::Status read = journal->Read(); !read.ok()) return read;
  return journal;
}

absl::Status DeviceSettingsJournal::Read() {
  std::error_code error;
  if (!std::filesystem::exists(std::filesystem::symlink_status(file_, error))) {
    return absl::OkStatus();
  }
  if (absl::Status own = CheckOwnFile(file_, kWhat); !own.ok()) return own;
  std::ifstream stream(file_);
  const auto wrong = [this](size_t line, const std::string& text) {
    return absl::DataLossError(std::string(kWhat) + " " + file_.string() + ", line " +
                               std::to_string(line) + " is '" + Visible(text) +
                               "', which torchlapd has not written; remove the file if no clocks "
                               "or limits are to be restored");
  };
  std::string text;
  std::getline(stream, text);
  if (!stream || !text.starts_with(kHeading)) return wrong(1, text);
  const bool is_of_this_boot = text == std::string(kHeading) + " " + boot_id_;
  std::vector<SettingChange> changes;
  for (size_t line = 2; std::getline(stream, text); ++line) {
    const auto change = ParseChange(text);
    if (!change) return wrong(line, text);
    changes.push_back(*change);
  }
  const MutexLock lock(&mutex_);
  if (!is_of_this_boot) return Take({});
  changes_ = std::move(changes);
  return absl::OkStatus();
}

absl::Status DeviceSettingsJournal::Take(std::vector<SettingChange> changes) {
  absl::Status written = Write(changes);
  if (written.ok()) changes_ = std::move(changes);
  return written;
}

absl::Status DeviceSettingsJournal::Write(const std::vector<SettingChange>& changes) const {
  if (changes.empty()) {
    if (::unlink(file_.c_str()) != 0 && errno != ENOENT) return Cannot("removed", file_);
    return SyncFolderOf(file_);
  }
  std::string text = std::string(kHeading) + " " + boot_id_ + "\n";
  for (const SettingChange& change : changes) text += Print(change);
  const std::filesystem::path fresh = file_.string() + ".new";
  const auto fd = OpenOwnFile(fresh, O_WRONLY | O_CREAT | O_TRUNC, kWhat);
  if (!fd.ok()) return fd.status();
  if (absl::Status written = WriteAll(*fd, text, fresh); !written.ok()) return written;
  if (::rename(fresh.c_str(), file_.c_str()) != 0) return Cannot("written", file_);
  return SyncFolderOf(file_);
}

std::vector<SettingChange> DeviceSettingsJournal::changes() const {
  const MutexLock lock(&mutex_);
  return changes_;
}

absl::Status DeviceSettingsJournal::Add(const SettingChange& change) {
  const MutexLock lock(&mutex_);
  std::vector<SettingChange> changes = changes_;
  changes.push_back(change);
  return Take(std::move(changes));
}

absl::Status DeviceSettingsJournal::Remove(const SettingChange& change) {
  const MutexLock lock(&mutex_);
  std::vector<SettingChange> changes = changes_;
  std::erase(changes, change);
  return Take(std::move(changes));
}

}  // namespace torchlap::host
