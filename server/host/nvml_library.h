// NVIDIA's management library (NVML), opened at run time: no header of NVIDIA's is needed to build
// torchlap, and no driver to start it.
//
// Prototypes are our own, after NVIDIA's NVML API reference. Functions that came in several
// versions are looked for from the newest to the oldest, so that a library of any age works with
// what it has.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace torchlap::host {

// A GPU or a MIG instance. Belongs to the library that gave it, and lives as long.
struct NvmlHandle;
using NvmlDevice = NvmlHandle*;
struct NvmlEventSet;

struct NvmlMemory {
  uint64_t total_bytes = 0;
  uint64_t used_bytes = 0;
  // What the driver sets aside for itself is in used_bytes: old drivers do not tell it apart.
  bool used_has_reserve = false;
};

// A sample of the driver's may be newer than the time that was read before the question: answers
// take some ms, and the driver has samples meanwhile.
inline constexpr uint64_t kAnswerLateUs = 100'000;

struct NvmlProcess {
  uint32_t pid = 0;  // as the driver sees it: in a container it may be a number of the host
  // Unset where the driver does not say (NVML_VALUE_NOT_AVAILABLE).
  std::optional<uint64_t> used_bytes;
};

// What the driver tells of one process in answer to one question. It samples the device every 20 to
// 170 ms and remembers some 10 s of that; for each question it folds what it has since then into
// one entry a process, so that there are no single samples to count:
//   - `stamp_us` is the newest sample that found the process at work. The sample before it may be
//   as
//     old as the question's beginning; later the process did nothing, or was not sampled yet (the
//     newest stamps are up to a second old).
//   - `sm_ratio` is the mean share of busy multiprocessors over the stretch from the question's
//     beginning to that stamp.
// Told as it comes: drivers fill the list up with garbage (shares above 1, pids that never were,
// stamps of any time), so who asks takes an entry for evidence only if its share is 1 at most, its
// stamp lies between the question's beginning and now (kAnswerLateUs), and its pid is in a list of
// processes.
struct NvmlProcessUse {
  uint32_t pid = 0;
  uint64_t stamp_us = 0;  // since 1970; what ProcessUse() takes as `since_us`
  double sm_ratio = 0;
};

// What somebody set for a GPU, and how it is plugged in. Unset: the device does not tell. That the
// clocks are locked (`nvidia-smi -lgc`) is not told by any device.
struct NvmlSettings {
  std::optional<unsigned> power_limit_mw;  // `nvidia-smi -pl`
  std::optional<bool> ecc;
  std::optional<bool> persistence;
  std::optional<unsigned> compute_mode;     // nvmlComputeMode_t
  std::optional<unsigned> application_mhz;  // of the multiprocessors, `nvidia-smi -ac`
  std::optional<unsigned> application_memory_mhz;
  // The newest, and the most lanes, that GPU and slot can: what is in use falls while the GPU
  // rests.
  std::optional<unsigned> pcie_generation;
  std::optional<unsigned> pcie_width;
};

// What NvmlLibrary::Set() changes, and the unit of its value.
enum class NvmlSetting {
  kPersistence,   // 0 or 1: the driver stays loaded without a client; `nvidia-smi -pm`
  kPowerLimitMw,  // `nvidia-smi -pl`
  kLockedMhz,     // of the multiprocessors, or kBaseClocks; `nvidia-smi -lgc`
};

// As a value of kLockedMhz: the clock that the board holds within its power, whatever it computes
// (NVML_CLOCK_LIMIT_ID_TDP).
inline constexpr unsigned kBaseClocks = 0;

struct NvmlRange {
  unsigned least = 0;
  unsigned most = 0;
};

// What held the clocks down. Numbers of nvmlPerfPolicyType_t.
enum class NvmlViolation {
  kPower = 0,
  kThermal = 1,
  kBoardLimit = 3,
};

// Bits of ThrottleReasons() (nvmlClocksThrottleReason*, nvmlClocksEventReason*).
namespace throttle {
inline constexpr uint64_t kIdle = 0x1;
inline constexpr uint64_t kSoftwarePowerCap = 0x4;
inline constexpr uint64_t kHardwareSlowdown = 0x8;
inline constexpr uint64_t kSoftwareThermal = 0x20;
inline constexpr uint64_t kHardwareThermal = 0x40;
inline constexpr uint64_t kPowerBrake = 0x80;
}  // namespace throttle

// Thread-safe, as NVML is. While it is open the driver keeps its devices awake, as
// nvidia-persistenced does.
//
// The message of every error is NVML's own words. Codes: UNIMPLEMENTED the device or the library
// has no such thing; NOT_FOUND no such device, or no data; PERMISSION_DENIED; DATA_LOSS the GPU is
// lost; FAILED_PRECONDITION library and kernel module are of different versions; UNAVAILABLE the
// driver is not loaded; INTERNAL anything else.
class NvmlLibrary {
 public:
  // `name`: a file name for the dynamic linker, or a path. Blocks while the driver wakes the
  // devices (a second or so without the persistence daemon). NOT_FOUND: there is no such library,
  // so no NVIDIA driver; other messages begin with `name`.
  static absl::StatusOr<std::unique_ptr<NvmlLibrary>> Open(const std::string& name);
  ~NvmlLibrary();
  NvmlLibrary(const NvmlLibrary&) = delete;
  NvmlLibrary& operator=(const NvmlLibrary&) = delete;

  absl::StatusOr<std::string> DriverVersion() const;
  // Newest CUDA that the driver runs, 1000 x major + 10 x minor: 13000.
  absl::StatusOr<int> CudaVersion() const;

  absl::StatusOr<unsigned> DeviceCount() const;
  absl::StatusOr<NvmlDevice> DeviceAt(unsigned index) const;
  // Of a GPU or a MIG instance.
  absl::StatusOr<NvmlDevice> DeviceOf(const std::string& uuid) const;
  bool IsInMigMode(NvmlDevice gpu) const;
  absl::StatusOr<unsigned> MigSlots(NvmlDevice gpu) const;
  // NOT_FOUND: the slot is empty; they are not filled without gaps.
  absl::StatusOr<NvmlDevice> MigInstance(NvmlDevice gpu, unsigned slot) const;
  // The GPU that a MIG instance is a part of; itself, if it is none.
  NvmlDevice GpuOf(NvmlDevice device) const;

  absl::StatusOr<std::string> Uuid(NvmlDevice device) const;
  // N of /dev/nvidiaN; of a MIG instance that of its GPU.
  absl::StatusOr<unsigned> MinorNumber(NvmlDevice device) const;
  absl::StatusOr<std::string> Name(NvmlDevice device) const;
  // 10 x major + minor: 75, 90, 120.
  absl::StatusOr<int> ComputeCapability(NvmlDevice device) const;
  absl::StatusOr<NvmlMemory> Memory(NvmlDevice device) const;

  NvmlSettings Settings(NvmlDevice gpu) const;
  // False: the library is older than that.
  bool CanSet(NvmlSetting setting) const;
  // Of a whole GPU. Nothing: it does not tell; locked clocks are told by none.
  absl::StatusOr<std::optional<unsigned>> Setting(NvmlDevice gpu, NvmlSetting setting) const;
  // The same; nothing instead of a value unlocks clocks. For root or CAP_SYS_ADMIN
  // (PERMISSION_DENIED). Holds for all who use the GPU, and beyond this process: until somebody
  // changes it, or the driver lets the GPU go, which it does with the last client where persistence
  // is off. Clocks can be locked from Volta on.
  absl::Status Set(NvmlDevice gpu, NvmlSetting setting, std::optional<unsigned> value) const;
  // Between which Set() takes a power limit.
  absl::StatusOr<NvmlRange> PowerLimitsMilliwatts(NvmlDevice gpu) const;
  // As the kernel writes it, `0000:65:00.0`.
  absl::StatusOr<std::string> PciAddress(NvmlDevice gpu) const;

  absl::StatusOr<unsigned> SmClockMhz(NvmlDevice device) const;
  // Of this moment where the driver tells it (since 530; renewed every 20 to 100 ms). Else what
  // older ones tell: from Ampere on, but for the A100, a mean over the last second.
  absl::StatusOr<unsigned> PowerMilliwatts(NvmlDevice device) const;
  absl::StatusOr<unsigned> TemperatureCelsius(NvmlDevice device) const;
  // Where the hardware slows its clocks.
  absl::StatusOr<unsigned> SlowdownCelsius(NvmlDevice device) const;
  // Share of the last sample period (1/6 to 1 s) in which a kernel ran.
  absl::StatusOr<double> UtilisationRatio(NvmlDevice device) const;
  absl::StatusOr<uint64_t> ThrottleReasons(NvmlDevice device) const;
  // Since the driver was loaded.
  absl::StatusOr<uint64_t> EnergyMillijoules(NvmlDevice device) const;
  absl::StatusOr<uint64_t> ViolationNs(NvmlDevice device, NvmlViolation policy) const;

  // With the clients of an MPS server, which the driver has in a list of their own.
  absl::StatusOr<std::vector<NvmlProcess>> ComputeProcesses(NvmlDevice device) const;
  absl::StatusOr<std::vector<NvmlProcess>> GraphicsProcesses(NvmlDevice device) const;
  // Processes that kept the device busy after `since_us`, any time (0: as far back as the driver
  // remembers), an entry each beside the garbage. Those that did nothing are not among them; none
  // at all is an empty list.
  absl::StatusOr<std::vector<NvmlProcessUse>> ProcessUse(NvmlDevice device,
                                                         uint64_t since_us) const;

  // Collects the errors of a GPU, or of a MIG instance and the whole GPU around it, from its making
  // on. The library outlives it.
  class XidWatch;
  absl::StatusOr<std::unique_ptr<XidWatch>> WatchXids(NvmlDevice device) const;

 private:
  struct Functions;
  explicit NvmlLibrary(std::unique_ptr<const Functions> functions);

  const std::unique_ptr<const Functions> nvml_;
};

class NvmlLibrary::XidWatch {
 public:
  ~XidWatch();
  XidWatch(const XidWatch&) = delete;
  XidWatch& operator=(const XidWatch&) = delete;

  // Numbers of those that came since the last call, in their order (NVIDIA, XID Errors). Does not
  // wait. Not thread-safe.
  std::vector<uint64_t> Take();

 private:
  friend class NvmlLibrary;
  XidWatch(const Functions* functions, NvmlEventSet* events, std::optional<unsigned> instance);

  const Functions& nvml_;
  NvmlEventSet* const events_;
  const std::optional<unsigned> instance_;  // of MIG
};

}  // namespace torchlap::host
