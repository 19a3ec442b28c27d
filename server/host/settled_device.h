// Clocks, power limit and persistence of a GPU as the configuration wants them, and back again.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/host/device_settings_journal.h"
#include "server/host/nvml_library.h"
#include "server/host/wanted_settings.h"

namespace torchlap::host {

// A whole GPU, as far as it can be set.
class SettableGpu {
 public:
  virtual ~SettableGpu() = default;

  // As NvmlLibrary::Setting() and NvmlLibrary::Set().
  virtual absl::StatusOr<std::optional<uint32_t>> Read(NvmlSetting setting) const = 0;
  virtual absl::Status Write(NvmlSetting setting, std::optional<uint32_t> value) = 0;
  // What the multiprocessors run at now. Nothing: it does not tell.
  virtual std::optional<uint32_t> SmClockMhz() const = 0;
};

// By its UUID. FAILED_PRECONDITION: it is a MIG instance, and others would be set with it.
// NOT_FOUND: there is none.
absl::StatusOr<std::unique_ptr<SettableGpu>> FindSettableGpu(
    std::shared_ptr<const NvmlLibrary> nvml, const std::string& uuid);

// What SettledDevice::locked_clocks() says while the clocks are locked as wanted; empty: it is not
// wanted.
std::string WantedClocks(const WantedSettings& wanted);

// The GPU as it is wanted, from the first Apply() to Restore(). Every change is in the journal
// before it is made. What somebody else has changed since is left to him: to run as wanted again
// the daemon is started anew. Not thread-safe, but for the journal.
class SettledDevice {
 public:
  // The journal outlives it.
  SettledDevice(std::string uuid, const WantedSettings& wanted, DeviceSettingsJournal* journal)
      : uuid_(std::move(uuid)), wanted_(wanted), journal_(*journal) {}

  // Makes it so where it is not. What is not as wanted then, a line each, which begins with the key
  // of the configuration; empty: all is.
  std::vector<std::string> Apply(SettableGpu* gpu);
  // Whether something of it is in the journal.
  bool has_changes() const;
  // `base` or MHz while this has locked them; empty: they are not.
  std::string locked_clocks() const;

 private:
  std::optional<SettingChange> Made(NvmlSetting setting) const;
  // Both: why it is not as wanted; empty: it is.
  std::string ApplyOne(NvmlSetting setting, uint32_t wanted, SettableGpu* gpu);
  std::string WhyUnlike(const SettingChange& made, uint32_t wanted, const SettableGpu& gpu) const;
  absl::Status Make(const SettingChange& change, SettableGpu* gpu);

  const std::string uuid_;
  const WantedSettings wanted_;
  DeviceSettingsJournal& journal_;
};

struct RestoreReport {
  std::vector<std::string> restored;  // a line each, as are the others
  std::vector<std::string> left;      // somebody else has changed them since
  std::vector<std::string> failed;    // they stay in the journal
};

using FindGpu =
    std::function<absl::StatusOr<std::unique_ptr<SettableGpu>>(const std::string& uuid)>;

// Makes undone what the journal has, the newest first; of one GPU, or with an empty `uuid` of all.
// May be interrupted anywhere and called again. Locked clocks are unlocked, as nobody tells what
// they were before; whether somebody has locked them anew is seen only where they run faster than
// they were locked at.
RestoreReport RestoreSettings(const FindGpu& find, DeviceSettingsJournal* journal,
                              const std::string& uuid = "");

// Whether this process is one that a driver lets set something: CAP_SYS_ADMIN, which root has
// unless it was taken from it. `root` stands before /proc.
bool MaySetDevices(const std::filesystem::path& root = "/");

// What cannot be made as wanted, by what is known before anything is tried; lines as Apply()'s.
std::vector<std::string> WhyNotSettable(const NvmlLibrary& nvml, const std::string& uuid,
                                        const WantedSettings& wanted, bool may_set);

}  // namespace torchlap::host
