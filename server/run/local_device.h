// A device of this host, on which workers are processes.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/host/configuration.h"
#include "server/host/device_settings_journal.h"
#include "server/host/host_facts.h"
#include "server/host/nvml_library.h"
#include "server/host/nvml_on_demand.h"
#include "server/host/settled_device.h"
#include "server/run/place.h"
#include "server/run/worker_process.h"

namespace torchlap::run {

// What all devices of a host share. Everything that is pointed to outlives them.
struct LocalSetting {
  const host::Configuration* configuration = nullptr;
  const host::HostFacts* facts = nullptr;
  std::filesystem::path worker_program;
  // One line if no worker can start; empty: none known.
  std::string torch_problem;
  // NVIDIA's library; null: no CUDA device.
  host::NvmlOnDemand* nvml = nullptr;
  // Of what is set on CUDA devices; null: nothing can be.
  host::DeviceSettingsJournal* journal = nullptr;
};

class LocalDevice final : public Place {
 public:
  LocalDevice(host::HostDevice device, const LocalSetting* setting);
  ~LocalDevice() override;
  LocalDevice(const LocalDevice&) = delete;
  LocalDevice& operator=(const LocalDevice&) = delete;

  const host::HostDevice& device() const override { return device_; }
  absl::StatusOr<std::optional<host::HeldBy>> TryToHold() override;
  std::optional<host::HeldBy> UsedByAnother() override;
  SettleLook Settle() override;
  v1::WorkerRequest Request(const v1::Run& run) const override;
  absl::StatusOr<std::unique_ptr<Worker>> Start(const std::string& run_id) override;
  bool KeepsTime() const override;
  v1::Environment Environment() const override;
  v1::Readings Readings() const override;
  std::unique_ptr<Telemetry> Watch(v1::Telemetry mode) const override;
  std::optional<uint64_t> ForeignBytes() const override;
  std::optional<host::ForeignWork> OthersNow() const override;
  std::optional<uint64_t> MemoryKills() const override;

 private:
  bool is_cuda() const { return device_.kind == v1::DEVICE_KIND_CUDA; }
  // Open while it is held. Null: a CPU device, or the driver does not answer.
  std::shared_ptr<const host::NvmlLibrary> Nvml() const;
  WorkerCommand Command(const std::string& run_id) const;
  // Where the locks of claims lie (host::TryClaim). Empty: not a daemon for the whole machine.
  absl::StatusOr<std::filesystem::path> LockFolder() const;
  // Whose claim counts now, by its place among them.
  std::optional<size_t> FirstThatCounts(const std::vector<host::HeldBy>& others) const;
  // What is not set as wanted.
  std::vector<std::string> SetAsWanted(const std::shared_ptr<const host::NvmlLibrary>& nvml);
  // Says who is ignored, once.
  void WarnOf(const std::vector<host::HeldBy>& ignored);

  const host::HostDevice device_;
  const LocalSetting& setting_;
  std::optional<host::Claim> claim_;
  pid_t last_worker_ = 0;
  std::vector<std::string> warnings_;           // of the last look
  std::optional<host::SettledDevice> settled_;  // where something of it is to be set
  // While something is set: without a client a driver may let the GPU go, and forget it.
  std::shared_ptr<const host::NvmlLibrary> kept_open_;
};

}  // namespace torchlap::run
