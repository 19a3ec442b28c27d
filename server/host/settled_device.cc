#include "server/host/settled_device.h"

#include <absl/strings/str_format.h>

#include <algorithm>
#include <fstream>
#include <utility>

namespace torchlap::host {
namespace {

// Clocks come in steps of 7.5 or 15 MHz, and the driver takes the nearest.
constexpr uint32_t kClockStepsMhz = 30;
constexpr uint32_t kMilli = 1000;
constexpr char kNeedsRight[] = "needs root or CAP_SYS_ADMIN";
constexpr char kTooOld[] = "this driver cannot set it";
constexpr char kIsInstance[] = "a MIG instance has no clocks or limits of its own";

// Of the configuration.
std::string KeyOf(NvmlSetting setting) {
  switch (setting) {
    case NvmlSetting::kPersistence:
      return "persistence";
    case NvmlSetting::kPowerLimitMw:
      return "power_limit_watts";
    case NvmlSetting::kLockedMhz:
      return "lock_clocks";
  }
  return "";
}

std::string NotInForce(NvmlSetting setting, const std::string& why) {
  return KeyOf(setting) + " is not in force: " + why;
}

std::string WhyOf(const absl::Status& status) {
  if (absl::IsPermissionDenied(status)) return kNeedsRight;
  if (absl::IsUnimplemented(status)) return kTooOld;
  return std::string(status.message());
}

std::string ValueText(NvmlSetting setting, std::optional<uint32_t> value) {
  if (!value) return "not told";
  switch (setting) {
    case NvmlSetting::kPersistence:
      return *value == 0 ? "off" : "on";
    case NvmlSetting::kPowerLimitMw:
      return absl::StrFormat("%g W", *value / static_cast<double>(kMilli));
    case NvmlSetting::kLockedMhz:
      return *value == kBaseClocks ? "base" : absl::StrFormat("%u MHz", *value);
  }
  return "";
}

// The settings that are wanted, in the order in which they are made: a driver that is not kept
// loaded would forget the others.
std::vector<std::pair<NvmlSetting, uint32_t>> Values(const WantedSettings& wanted) {
  std::vector<std::pair<NvmlSetting, uint32_t>> values;
  if (wanted.persistence) values.emplace_back(NvmlSetting::kPersistence, *wanted.persistence);
  if (wanted.power_limit_watts) {
    values.emplace_back(NvmlSetting::kPowerLimitMw, *wanted.power_limit_watts * kMilli);
  }
  if (wanted.lock_clocks_mhz) {
    values.emplace_back(NvmlSetting::kLockedMhz, *wanted.lock_clocks_mhz);
  }
  return values;
}

// Nothing: the limit is one that the board takes, or it does not tell.
std::optional<std::string> WhyNotInRange(const NvmlLibrary& nvml, NvmlDevice gpu,
                                         uint32_t milliwatts) {
  const auto range = nvml.PowerLimitsMilliwatts(gpu);
  if (!range.ok() || (milliwatts >= range->least && milliwatts <= range->most)) return std::nullopt;
  return absl::StrFormat("it is %u, must be %g to %g", milliwatts / kMilli,
                         range->least / static_cast<double>(kMilli),
                         range->most / static_cast<double>(kMilli));
}

class NvmlGpu final : public SettableGpu {
 public:
  NvmlGpu(std::shared_ptr<const NvmlLibrary> nvml, NvmlDevice gpu)
      : nvml_(std::move(nvml)), gpu_(gpu) {}

  absl::StatusOr<std::optional<uint32_t>> Read(NvmlSetting setting) const override {
    return nvml_->Setting(gpu_, setting);
  }
  absl::Status Write(NvmlSetting setting, std::optional<uint32_t> value) override {
    absl::Status set = nvml_->Set(gpu_, setting, value);
    if (!absl::IsInternal(set) || setting != NvmlSetting::kPowerLimitMw) return set;
    // The driver says `Invalid Argument`.
    const auto why = WhyNotInRange(*nvml_, gpu_, value.value_or(0));
    return why ? absl::InvalidArgumentError(*why) : set;
  }
  std::optional<uint32_t> SmClockMhz() const override {
    const auto mhz = nvml_->SmClockMhz(gpu_);
    return mhz.ok() ? std::optional(*mhz) : std::nullopt;
  }

 private:
  const std::shared_ptr<const NvmlLibrary> nvml_;
  const NvmlDevice gpu_;
};

enum class Whose { kOurs, kBefore, kAnothers };

absl::StatusOr<Whose> WhoseIs(const SettingChange& change, const SettableGpu& gpu) {
  if (change.setting == NvmlSetting::kLockedMhz) {
    const std::optional<uint32_t> mhz = gpu.SmClockMhz();
    const bool is_faster =
        change.set != kBaseClocks && mhz.value_or(0) > change.set + kClockStepsMhz;
    return is_faster ? Whose::kAnothers : Whose::kOurs;
  }
  const auto now = gpu.Read(change.setting);
  if (!now.ok()) return now.status();
  if (*now == change.set) return Whose::kOurs;
  return *now == change.before ? Whose::kBefore : Whose::kAnothers;
}

// `GPU-1111 power_limit_watts: 300 W`
std::string Named(const SettingChange& change, const std::string& text) {
  return change.uuid + " " + KeyOf(change.setting) + ": " + text;
}

void RestoreOne(const FindGpu& find, const SettingChange& change, DeviceSettingsJournal* journal,
                RestoreReport* report) {
  const auto failed = [&](const absl::Status& why) {
    report->failed.push_back(Named(change, WhyOf(why)));
  };
  const auto gpu = find(change.uuid);
  if (!gpu.ok()) return failed(gpu.status());
  const auto whose = WhoseIs(change, **gpu);
  if (!whose.ok()) return failed(whose.status());
  if (*whose == Whose::kOurs) {
    const absl::Status written = (*gpu)->Write(change.setting, change.before);
    if (!written.ok()) return failed(written);
  }
  if (absl::Status removed = journal->Remove(change); !removed.ok()) return failed(removed);
  if (*whose == Whose::kAnothers) {
    report->left.push_back(Named(change, "somebody else has changed it since, left as it is"));
  } else if (change.setting == NvmlSetting::kLockedMhz) {
    report->restored.push_back(Named(change, "unlocked"));
  } else {
    report->restored.push_back(Named(change, ValueText(change.setting, change.before)));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<SettableGpu>> FindSettableGpu(
    std::shared_ptr<const NvmlLibrary> nvml, const std::string& uuid) {
  if (nvml == nullptr) return absl::UnavailableError("the NVIDIA driver does not answer");
  const auto device = nvml->DeviceOf(uuid);
  if (!device.ok()) return device.status();
  if (nvml->GpuOf(*device) != *device) return absl::FailedPreconditionError(kIsInstance);
  return std::make_unique<NvmlGpu>(std::move(nvml), *device);
}

std::optional<SettingChange> SettledDevice::Made(NvmlSetting setting) const {
  for (const SettingChange& change : journal_.changes()) {
    if (change.uuid == uuid_ && change.setting == setting) return change;
  }
  return std::nullopt;
}

std::vector<std::string> SettledDevice::Apply(SettableGpu* gpu) {
  std::vector<std::string> lines;
  for (const auto& [setting, value] : Values(wanted_)) {
    const std::string why = ApplyOne(setting, value, gpu);
    if (!why.empty()) lines.push_back(NotInForce(setting, why));
  }
  return lines;
}

std::string SettledDevice::ApplyOne(NvmlSetting setting, uint32_t wanted, SettableGpu* gpu) {
  if (const auto made = Made(setting)) return WhyUnlike(*made, wanted, *gpu);
  const auto now = gpu->Read(setting);
  if (!now.ok()) return WhyOf(now.status());
  if (*now == wanted) return "";
  // What could not be restored is not changed.
  const bool can_be_restored = *now || setting == NvmlSetting::kLockedMhz;
  if (!can_be_restored) return "this device does not tell what it is now";
  const absl::Status made = Make({uuid_, setting, *now, wanted}, gpu);
  return made.ok() ? "" : WhyOf(made);
}

std::string SettledDevice::WhyUnlike(const SettingChange& made, uint32_t wanted,
                                     const SettableGpu& gpu) const {
  const auto whose = WhoseIs(made, gpu);
  if (!whose.ok()) return WhyOf(whose.status());
  if (*whose != Whose::kOurs) return "somebody else has changed it since";
  return made.set == wanted ? "" : "an earlier change could not be undone";
}

absl::Status SettledDevice::Make(const SettingChange& change, SettableGpu* gpu) {
  if (absl::Status noted = journal_.Add(change); !noted.ok()) return noted;
  absl::Status written = gpu->Write(change.setting, change.set);
  if (written.ok()) return written;
  // Nothing was changed: with the note, clocks that others have locked would be unlocked.
  journal_.Remove(change).IgnoreError();
  return written;
}

bool SettledDevice::has_changes() const {
  const std::vector<SettingChange> changes = journal_.changes();
  return std::any_of(changes.begin(), changes.end(),
                     [this](const SettingChange& change) { return change.uuid == uuid_; });
}

std::string WantedClocks(const WantedSettings& wanted) {
  return wanted.lock_clocks_mhz ? ValueText(NvmlSetting::kLockedMhz, wanted.lock_clocks_mhz) : "";
}

std::string SettledDevice::locked_clocks() const {
  const auto made = Made(NvmlSetting::kLockedMhz);
  return made ? ValueText(made->setting, made->set) : "";
}

RestoreReport RestoreSettings(const FindGpu& find, DeviceSettingsJournal* journal,
                              const std::string& uuid) {
  RestoreReport report;
  std::vector<SettingChange> changes = journal->changes();
  std::reverse(changes.begin(), changes.end());
  for (const SettingChange& change : changes) {
    if (uuid.empty() || change.uuid == uuid) RestoreOne(find, change, journal, &report);
  }
  return report;
}

bool MaySetDevices(const std::filesystem::path& root) {
  constexpr int kCapSysAdmin = 21;
  std::ifstream stream(root / "proc/self/status");
  for (std::string word; stream >> word;) {
    uint64_t effective = 0;
    if (word == "CapEff:" && stream >> std::hex >> effective) {
      return (effective >> kCapSysAdmin & 1) != 0;
    }
  }
  return false;
}

std::vector<std::string> WhyNotSettable(const NvmlLibrary& nvml, const std::string& uuid,
                                        const WantedSettings& wanted, bool may_set) {
  std::vector<std::string> lines;
  const auto gpu = nvml.DeviceOf(uuid);
  if (!gpu.ok()) return lines;
  const bool is_instance = nvml.GpuOf(*gpu) != *gpu;
  for (const auto& [setting, value] : Values(wanted)) {
    std::string why;
    if (is_instance) {
      why = kIsInstance;
    } else if (!nvml.CanSet(setting)) {
      why = kTooOld;
    } else if (!may_set) {
      why = kNeedsRight;
    } else if (setting == NvmlSetting::kPowerLimitMw) {
      why = WhyNotInRange(nvml, *gpu, value).value_or("");
    }
    if (!why.empty()) lines.push_back(NotInForce(setting, why));
  }
  return lines;
}

}  // namespace torchlap::host
