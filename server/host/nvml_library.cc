#include "server/host/nvml_library.h"

#include <absl/strings/str_format.h>
#include <dlfcn.h>

#include <array>
#include <initializer_list>
#include <utility>

#include "proto/base/visible_text.h"

namespace torchlap::host {
namespace {

// Numbers and layouts as in NVIDIA's NVML API reference.
using Return = int;
constexpr Return kSuccess = 0;
constexpr Return kNotSupported = 3;
constexpr Return kNoPermission = 4;
constexpr Return kNotFound = 6;
constexpr Return kInsufficientSize = 7;
constexpr Return kDriverNotLoaded = 9;
constexpr Return kFunctionNotFound = 13;
constexpr Return kGpuIsLost = 15;
constexpr Return kVersionMismatch = 18;
constexpr Return kNoData = 21;

constexpr unsigned long long kXidCriticalError = 0x8;  // nvmlEventTypeXidCriticalError
constexpr unsigned kNoInstance = ~0U;                  // an event of the whole GPU

constexpr unsigned kMigEnabled = 1;
constexpr unsigned kClockGraphics = 0;
constexpr unsigned kClockSm = 1;
constexpr unsigned kClockMemory = 2;
constexpr unsigned kClockLimitTdp = 0xffffff01;  // NVML_CLOCK_LIMIT_ID_TDP
constexpr unsigned kTemperatureGpu = 0;
constexpr unsigned kThresholdSlowdown = 1;
// Above NVML_DEVICE_NAME_V2_BUFFER_SIZE, NVML_DEVICE_UUID_V2_BUFFER_SIZE (96) and
// NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE (80).
constexpr unsigned kTextBytes = 96;
constexpr unsigned long long kNotAvailable = ~0ULL;  // NVML_VALUE_NOT_AVAILABLE

struct MemoryV1 {
  unsigned long long total, free, used;
};
struct MemoryV2 {
  unsigned version;
  unsigned long long total, reserved, free, used;
};
constexpr unsigned kMemoryV2 = sizeof(MemoryV2) | (2U << 24U);

struct Utilisation {
  unsigned gpu_percent, memory_percent;
};

struct ViolationTime {
  unsigned long long reference_us, violation_ns;
};

struct ProcessV1 {
  unsigned pid;
  unsigned long long used_bytes;
};
// Of the _v2 and _v3 lists.
struct ProcessV2 {
  unsigned pid;
  unsigned long long used_bytes;
  unsigned gpu_instance, compute_instance;
};

struct ProcessSample {
  unsigned pid;
  unsigned long long stamp_us;
  unsigned sm_percent, memory_percent, encoder_percent, decoder_percent;
};

// Of nvmlEventSetWait_v2; the older function leaves the last two alone.
struct Event {
  NvmlDevice device;
  unsigned long long type, data;
  unsigned gpu_instance, compute_instance;
};

// Of nvmlDeviceGetPciInfo_v3; older functions begin alike and write less.
struct PciInfo {
  char legacy_address[16];
  unsigned domain, bus, device, pci_device, pci_subsystem;
  char address[32];
};

// What nvmlDeviceGetFieldValues is asked for, and its answer.
struct FieldValue {
  unsigned field, scope;
  long long stamp_us, latency_us;
  unsigned type;
  Return result;
  unsigned long long bits;  // of a number of the type, from the lowest on
};
static_assert(sizeof(FieldValue) == 40);
constexpr unsigned kFieldPowerInstant = 186;  // NVML_FI_DEV_POWER_INSTANT

// Types vary with drivers (nvmlValueType_t). Nothing: it is none that a count of milliwatts has.
std::optional<unsigned> CountOf(const FieldValue& value) {
  constexpr unsigned kUnsignedInt = 1;
  constexpr unsigned kUnsignedLong = 2;
  constexpr unsigned kUnsignedLongLong = 3;
  constexpr unsigned kSignedLongLong = 4;
  constexpr unsigned kSignedInt = 5;
  switch (value.type) {
    case kUnsignedInt:
    case kUnsignedLong:
    case kUnsignedLongLong:
    case kSignedLongLong:
    case kSignedInt:
      return static_cast<unsigned>(value.bits);
    default:
      return std::nullopt;
  }
}

struct LibraryCloser {
  void operator()(void* library) const { dlclose(library); }
};
using LibraryHandle = std::unique_ptr<void, LibraryCloser>;

absl::StatusCode CodeOf(Return result) {
  switch (result) {
    case kNotSupported:
    case kFunctionNotFound:
      return absl::StatusCode::kUnimplemented;
    case kNoPermission:
      return absl::StatusCode::kPermissionDenied;
    case kNotFound:
    case kNoData:
      return absl::StatusCode::kNotFound;
    case kDriverNotLoaded:
      return absl::StatusCode::kUnavailable;
    case kGpuIsLost:
      return absl::StatusCode::kDataLoss;
    case kVersionMismatch:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kInternal;
  }
}

// The two lists of processes, in the layout that the library has.
struct ProcessList {
  Return (*v2)(NvmlDevice, unsigned*, ProcessV2*) = nullptr;
  Return (*v1)(NvmlDevice, unsigned*, ProcessV1*) = nullptr;
};

// Of machines that lead to the driver by LD_LIBRARY_PATH alone, which a service does not inherit:
// containers that mount it, WSL, NixOS (as in server/worker/cuda_driver.cc).
constexpr std::array<const char*, 4> kDriverFolders = {
    "/usr/local/nvidia/lib64", "/usr/lib64-nvidia", "/usr/lib/wsl/lib", "/run/opengl-driver/lib"};

// Null: a path was given, or none of them has it.
LibraryHandle OpenWhereDriversLie(const std::string& name) {
  if (name.find('/') != std::string::npos) return nullptr;
  for (const char* folder : kDriverFolders) {
    const std::string file = std::string(folder) + "/" + name;
    if (LibraryHandle handle{dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)}) return handle;
  }
  return nullptr;
}

}  // namespace

struct NvmlLibrary::Functions {
  explicit Functions(LibraryHandle opened) : handle(std::move(opened)) {}

  // The first of the symbols that is there; nullptr where none is.
  template <typename Function>
  bool Load(Function* function, std::initializer_list<const char*> symbols) {
    for (const char* symbol : symbols) {
      *function = reinterpret_cast<Function>(dlsym(handle.get(), symbol));
      if (*function != nullptr) return true;
    }
    missing = *(symbols.end() - 1);
    return false;
  }
  // False, with `missing`: this is no NVML.
  bool LoadRequired();
  void LoadOptional();
  void LoadSettings();
  // After init.
  void LoadProcesses();

  // OK for success.
  absl::Status StatusOf(Return result) const {
    return result == kSuccess ? absl::OkStatus() : Error(result);
  }
  absl::Status Error(Return result) const {
    return absl::Status(CodeOf(result), Visible(error_string(result)));
  }
  // Calls the function with the arguments and a place for its answer.
  template <typename Value, typename... Parameters, typename... Arguments>
  absl::StatusOr<Value> Ask(Return (*function)(Parameters...), Arguments... arguments) const {
    if (function == nullptr) return Error(kFunctionNotFound);
    Value value{};
    const Return result = function(arguments..., &value);
    if (result != kSuccess) return Error(result);
    return value;
  }
  // Nothing: the library, its driver or the device does not have the field.
  std::optional<unsigned> AskField(unsigned field, NvmlDevice device) const {
    FieldValue value{};
    value.field = field;
    if (field_values == nullptr || field_values(device, 1, &value) != kSuccess) return std::nullopt;
    return value.result == kSuccess ? CountOf(value) : std::nullopt;
  }
  template <typename... Parameters, typename... Arguments>
  absl::StatusOr<std::string> AskText(Return (*function)(Parameters...),
                                      Arguments... arguments) const {
    std::array<char, kTextBytes> text{};
    const Return result = function(arguments..., text.data(), kTextBytes);
    if (result != kSuccess) return Error(result);
    return Visible(text.data());
  }
  template <typename Entry>
  absl::StatusOr<std::vector<Entry>> AskList(Return (*function)(NvmlDevice, unsigned*, Entry*),
                                             NvmlDevice device) const;
  absl::StatusOr<std::vector<NvmlProcess>> AskProcesses(const ProcessList& list,
                                                        NvmlDevice device) const;

  LibraryHandle handle;
  std::string missing;

  // Required.
  Return (*init)() = nullptr;
  Return (*shutdown)() = nullptr;
  const char* (*error_string)(Return) = nullptr;
  Return (*driver_version)(char*, unsigned) = nullptr;
  Return (*device_count)(unsigned*) = nullptr;
  Return (*by_index)(unsigned, NvmlDevice*) = nullptr;
  Return (*by_uuid)(const char*, NvmlDevice*) = nullptr;
  Return (*name)(NvmlDevice, char*, unsigned) = nullptr;
  Return (*uuid)(NvmlDevice, char*, unsigned) = nullptr;
  Return (*memory_v1)(NvmlDevice, MemoryV1*) = nullptr;
  // Absent in old libraries.
  Return (*cuda_version)(int*) = nullptr;
  Return (*mig_mode)(NvmlDevice, unsigned*, unsigned*) = nullptr;
  Return (*max_mig_count)(NvmlDevice, unsigned*) = nullptr;
  Return (*mig_by_index)(NvmlDevice, unsigned, NvmlDevice*) = nullptr;
  Return (*gpu_of_mig)(NvmlDevice, NvmlDevice*) = nullptr;
  Return (*minor_number)(NvmlDevice, unsigned*) = nullptr;
  Return (*capability)(NvmlDevice, int*, int*) = nullptr;
  Return (*memory_v2)(NvmlDevice, MemoryV2*) = nullptr;
  Return (*clock)(NvmlDevice, unsigned, unsigned*) = nullptr;
  Return (*power)(NvmlDevice, unsigned*) = nullptr;
  Return (*field_values)(NvmlDevice, int, FieldValue*) = nullptr;
  Return (*temperature)(NvmlDevice, unsigned, unsigned*) = nullptr;
  Return (*temperature_threshold)(NvmlDevice, unsigned, unsigned*) = nullptr;
  Return (*utilisation)(NvmlDevice, Utilisation*) = nullptr;
  Return (*throttle_reasons)(NvmlDevice, unsigned long long*) = nullptr;
  Return (*energy)(NvmlDevice, unsigned long long*) = nullptr;
  Return (*violation)(NvmlDevice, unsigned, ViolationTime*) = nullptr;
  Return (*process_use)(NvmlDevice, ProcessSample*, unsigned*, unsigned long long) = nullptr;
  Return (*instance_number)(NvmlDevice, unsigned*) = nullptr;
  Return (*make_events)(NvmlEventSet**) = nullptr;
  Return (*register_events)(NvmlDevice, unsigned long long, NvmlEventSet*) = nullptr;
  Return (*await_event)(NvmlEventSet*, Event*, unsigned) = nullptr;
  Return (*free_events)(NvmlEventSet*) = nullptr;
  Return (*power_limit)(NvmlDevice, unsigned*) = nullptr;
  Return (*ecc_mode)(NvmlDevice, unsigned*, unsigned*) = nullptr;
  Return (*persistence_mode)(NvmlDevice, unsigned*) = nullptr;
  Return (*compute_mode)(NvmlDevice, unsigned*) = nullptr;
  Return (*application_clock)(NvmlDevice, unsigned, unsigned*) = nullptr;
  Return (*pcie_generation)(NvmlDevice, unsigned*) = nullptr;
  Return (*pcie_width)(NvmlDevice, unsigned*) = nullptr;
  Return (*pci_info)(NvmlDevice, PciInfo*) = nullptr;
  Return (*power_limits)(NvmlDevice, unsigned*, unsigned*) = nullptr;
  Return (*set_power_limit)(NvmlDevice, unsigned) = nullptr;
  Return (*set_persistence)(NvmlDevice, unsigned) = nullptr;
  Return (*lock_clocks)(NvmlDevice, unsigned, unsigned) = nullptr;
  Return (*unlock_clocks)(NvmlDevice) = nullptr;
  ProcessList compute;
  ProcessList mps;
  ProcessList graphics;
};

bool NvmlLibrary::Functions::LoadRequired() {
  return Load(&init, {"nvmlInit_v2", "nvmlInit"}) && Load(&shutdown, {"nvmlShutdown"}) &&
         Load(&error_string, {"nvmlErrorString"}) &&
         Load(&driver_version, {"nvmlSystemGetDriverVersion"}) &&
         Load(&device_count, {"nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"}) &&
         Load(&by_index, {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"}) &&
         Load(&by_uuid, {"nvmlDeviceGetHandleByUUID"}) && Load(&name, {"nvmlDeviceGetName"}) &&
         Load(&uuid, {"nvmlDeviceGetUUID"}) && Load(&memory_v1, {"nvmlDeviceGetMemoryInfo"});
}

void NvmlLibrary::Functions::LoadOptional() {
  Load(&cuda_version, {"nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetCudaDriverVersion"});
  Load(&mig_mode, {"nvmlDeviceGetMigMode"});
  Load(&max_mig_count, {"nvmlDeviceGetMaxMigDeviceCount"});
  Load(&mig_by_index, {"nvmlDeviceGetMigDeviceHandleByIndex"});
  Load(&gpu_of_mig, {"nvmlDeviceGetDeviceHandleFromMigDeviceHandle"});
  Load(&minor_number, {"nvmlDeviceGetMinorNumber"});
  Load(&capability, {"nvmlDeviceGetCudaComputeCapability"});
  Load(&memory_v2, {"nvmlDeviceGetMemoryInfo_v2"});
  Load(&clock, {"nvmlDeviceGetClockInfo"});
  Load(&power, {"nvmlDeviceGetPowerUsage"});
  Load(&field_values, {"nvmlDeviceGetFieldValues"});
  Load(&temperature, {"nvmlDeviceGetTemperature"});
  Load(&temperature_threshold, {"nvmlDeviceGetTemperatureThreshold"});
  Load(&utilisation, {"nvmlDeviceGetUtilizationRates"});
  Load(&throttle_reasons,
       {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"});
  Load(&energy, {"nvmlDeviceGetTotalEnergyConsumption"});
  Load(&violation, {"nvmlDeviceGetViolationStatus"});
  Load(&process_use, {"nvmlDeviceGetProcessUtilization"});
  Load(&instance_number, {"nvmlDeviceGetGpuInstanceId"});
  Load(&make_events, {"nvmlEventSetCreate"});
  Load(&register_events, {"nvmlDeviceRegisterEvents"});
  Load(&await_event, {"nvmlEventSetWait_v2", "nvmlEventSetWait"});
  Load(&free_events, {"nvmlEventSetFree"});
  LoadSettings();
}

void NvmlLibrary::Functions::LoadSettings() {
  Load(&power_limit, {"nvmlDeviceGetPowerManagementLimit"});
  Load(&ecc_mode, {"nvmlDeviceGetEccMode"});
  Load(&persistence_mode, {"nvmlDeviceGetPersistenceMode"});
  Load(&compute_mode, {"nvmlDeviceGetComputeMode"});
  Load(&application_clock, {"nvmlDeviceGetApplicationsClock"});
  Load(&pcie_generation, {"nvmlDeviceGetMaxPcieLinkGeneration"});
  Load(&pcie_width, {"nvmlDeviceGetMaxPcieLinkWidth"});
  Load(&pci_info, {"nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo"});
  Load(&power_limits, {"nvmlDeviceGetPowerManagementLimitConstraints"});
  Load(&set_power_limit, {"nvmlDeviceSetPowerManagementLimit"});
  Load(&set_persistence, {"nvmlDeviceSetPersistenceMode"});
  Load(&lock_clocks, {"nvmlDeviceSetGpuLockedClocks"});
  Load(&unlock_clocks, {"nvmlDeviceResetGpuLockedClocks"});
}

void NvmlLibrary::Functions::LoadProcesses() {
  // Early drivers of the 535 branch write longer entries through the _v3 functions.
  const bool v3_is_odd = AskText(driver_version).value_or("").starts_with("535.");
  const char* compute_v3 = "nvmlDeviceGetComputeRunningProcesses_v3";
  const char* compute_v2 = "nvmlDeviceGetComputeRunningProcesses_v2";
  const char* mps_v3 = "nvmlDeviceGetMPSComputeRunningProcesses_v3";
  const char* mps_v2 = "nvmlDeviceGetMPSComputeRunningProcesses_v2";
  const char* graphics_v3 = "nvmlDeviceGetGraphicsRunningProcesses_v3";
  const char* graphics_v2 = "nvmlDeviceGetGraphicsRunningProcesses_v2";
  Load(&compute.v2, {v3_is_odd ? compute_v2 : compute_v3, compute_v2});
  Load(&mps.v2, {v3_is_odd ? mps_v2 : mps_v3, mps_v2});
  Load(&graphics.v2, {v3_is_odd ? graphics_v2 : graphics_v3, graphics_v2});
  // New libraries have the plain names too, with the layout of old.
  Load(&compute.v1, {"nvmlDeviceGetComputeRunningProcesses"});
  Load(&mps.v1, {"nvmlDeviceGetMPSComputeRunningProcesses"});
  Load(&graphics.v1, {"nvmlDeviceGetGraphicsRunningProcesses"});
}

template <typename Entry>
absl::StatusOr<std::vector<Entry>> NvmlLibrary::Functions::AskList(
    Return (*function)(NvmlDevice, unsigned*, Entry*), NvmlDevice device) const {
  constexpr unsigned kSpare = 8;  // a process may start between two calls
  constexpr int kTries = 5;
  unsigned count = 0;
  std::vector<Entry> entries;
  Return result = function(device, &count, nullptr);
  for (int i = 0; i < kTries && result == kInsufficientSize; ++i) {
    count += kSpare;
    entries.resize(count);
    result = function(device, &count, entries.data());
  }
  if (result != kSuccess) return Error(result);
  entries.resize(count);
  return entries;
}

absl::StatusOr<std::vector<NvmlProcess>> NvmlLibrary::Functions::AskProcesses(
    const ProcessList& list, NvmlDevice device) const {
  std::vector<NvmlProcess> processes;
  const auto take = [&processes](const auto& entries) -> absl::Status {
    if (!entries.ok()) return entries.status();
    for (const auto& entry : *entries) {
      NvmlProcess& process = processes.emplace_back();
      process.pid = entry.pid;
      if (entry.used_bytes != kNotAvailable) process.used_bytes = entry.used_bytes;
    }
    return absl::OkStatus();
  };
  absl::Status status = Error(kFunctionNotFound);
  if (list.v2 != nullptr) {
    status = take(AskList(list.v2, device));
  } else if (list.v1 != nullptr) {
    status = take(AskList(list.v1, device));
  }
  if (!status.ok()) return status;
  return processes;
}

absl::StatusOr<std::unique_ptr<NvmlLibrary>> NvmlLibrary::Open(const std::string& name) {
  LibraryHandle handle(dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL));
  const std::string error = handle == nullptr ? Visible(dlerror()) : "";
  if (handle == nullptr) handle = OpenWhereDriversLie(name);
  if (handle == nullptr) {
    // A machine without the driver is nothing to speak of; a broken library is.
    const bool absent = error.starts_with(name) && error.find("No such file") != std::string::npos;
    return absent ? absl::NotFoundError(error) : absl::InternalError(error);
  }
  auto functions = std::make_unique<Functions>(std::move(handle));
  if (!functions->LoadRequired()) {
    return absl::InternalError(name + ": has no function " + functions->missing);
  }
  functions->LoadOptional();
  if (const Return result = functions->init(); result != kSuccess) {
    return absl::Status(CodeOf(result), name + ": " + Visible(functions->error_string(result)));
  }
  functions->LoadProcesses();
  return std::unique_ptr<NvmlLibrary>(new NvmlLibrary(std::move(functions)));
}

NvmlLibrary::NvmlLibrary(std::unique_ptr<const Functions> functions)
    : nvml_(std::move(functions)) {}

NvmlLibrary::~NvmlLibrary() { nvml_->shutdown(); }

absl::StatusOr<std::string> NvmlLibrary::DriverVersion() const {
  return nvml_->AskText(nvml_->driver_version);
}

absl::StatusOr<int> NvmlLibrary::CudaVersion() const {
  return nvml_->Ask<int>(nvml_->cuda_version);
}

absl::StatusOr<unsigned> NvmlLibrary::DeviceCount() const {
  return nvml_->Ask<unsigned>(nvml_->device_count);
}

absl::StatusOr<NvmlDevice> NvmlLibrary::DeviceAt(unsigned index) const {
  return nvml_->Ask<NvmlDevice>(nvml_->by_index, index);
}

absl::StatusOr<NvmlDevice> NvmlLibrary::DeviceOf(const std::string& uuid) const {
  return nvml_->Ask<NvmlDevice>(nvml_->by_uuid, uuid.c_str());
}

bool NvmlLibrary::IsInMigMode(NvmlDevice gpu) const {
  if (nvml_->mig_mode == nullptr) return false;
  unsigned current = 0;
  unsigned pending = 0;
  // Most GPUs answer kNotSupported: no MIG.
  return nvml_->mig_mode(gpu, &current, &pending) == kSuccess && current == kMigEnabled;
}

absl::StatusOr<unsigned> NvmlLibrary::MigSlots(NvmlDevice gpu) const {
  return nvml_->Ask<unsigned>(nvml_->max_mig_count, gpu);
}

absl::StatusOr<NvmlDevice> NvmlLibrary::MigInstance(NvmlDevice gpu, unsigned slot) const {
  return nvml_->Ask<NvmlDevice>(nvml_->mig_by_index, gpu, slot);
}

NvmlDevice NvmlLibrary::GpuOf(NvmlDevice device) const {
  // Refused for what is no instance.
  return nvml_->Ask<NvmlDevice>(nvml_->gpu_of_mig, device).value_or(device);
}

absl::StatusOr<std::string> NvmlLibrary::Uuid(NvmlDevice device) const {
  return nvml_->AskText(nvml_->uuid, device);
}

absl::StatusOr<unsigned> NvmlLibrary::MinorNumber(NvmlDevice device) const {
  return nvml_->Ask<unsigned>(nvml_->minor_number, GpuOf(device));
}

absl::StatusOr<std::string> NvmlLibrary::Name(NvmlDevice device) const {
  return nvml_->AskText(nvml_->name, device);
}

absl::StatusOr<int> NvmlLibrary::ComputeCapability(NvmlDevice device) const {
  if (nvml_->capability == nullptr) return nvml_->Error(kFunctionNotFound);
  int major = 0;
  int minor = 0;
  const Return result = nvml_->capability(device, &major, &minor);
  if (result != kSuccess) return nvml_->Error(result);
  return 10 * major + minor;
}

absl::StatusOr<NvmlMemory> NvmlLibrary::Memory(NvmlDevice device) const {
  MemoryV2 newer{};
  newer.version = kMemoryV2;
  if (nvml_->memory_v2 != nullptr && nvml_->memory_v2(device, &newer) == kSuccess) {
    return NvmlMemory{newer.total, newer.used, false};
  }
  const auto older = nvml_->Ask<MemoryV1>(nvml_->memory_v1, device);
  if (!older.ok()) return older.status();
  return NvmlMemory{older->total, older->used, true};
}

NvmlSettings NvmlLibrary::Settings(NvmlDevice gpu) const {
  const auto number = [&](auto function, auto... arguments) -> std::optional<unsigned> {
    const auto answer = nvml_->Ask<unsigned>(function, gpu, arguments...);
    return answer.ok() ? std::optional(*answer) : std::nullopt;
  };
  NvmlSettings settings;
  settings.power_limit_mw = number(nvml_->power_limit);
  unsigned current = 0;
  unsigned pending = 0;
  if (nvml_->ecc_mode != nullptr && nvml_->ecc_mode(gpu, &current, &pending) == kSuccess) {
    settings.ecc = current != 0;
  }
  if (const auto mode = number(nvml_->persistence_mode)) settings.persistence = *mode != 0;
  settings.compute_mode = number(nvml_->compute_mode);
  settings.application_mhz = number(nvml_->application_clock, kClockGraphics);
  settings.application_memory_mhz = number(nvml_->application_clock, kClockMemory);
  settings.pcie_generation = number(nvml_->pcie_generation);
  settings.pcie_width = number(nvml_->pcie_width);
  return settings;
}

bool NvmlLibrary::CanSet(NvmlSetting setting) const {
  switch (setting) {
    case NvmlSetting::kPersistence:
      return nvml_->set_persistence != nullptr;
    case NvmlSetting::kPowerLimitMw:
      return nvml_->set_power_limit != nullptr;
    case NvmlSetting::kLockedMhz:
      return nvml_->lock_clocks != nullptr && nvml_->unlock_clocks != nullptr;
  }
  return false;
}

absl::StatusOr<std::optional<unsigned>> NvmlLibrary::Setting(NvmlDevice gpu,
                                                             NvmlSetting setting) const {
  if (setting == NvmlSetting::kLockedMhz) return std::nullopt;
  const auto value = nvml_->Ask<unsigned>(
      setting == NvmlSetting::kPersistence ? nvml_->persistence_mode : nvml_->power_limit, gpu);
  if (absl::IsUnimplemented(value.status())) return std::nullopt;
  if (!value.ok()) return value.status();
  return *value;
}

absl::Status NvmlLibrary::Set(NvmlDevice gpu, NvmlSetting setting,
                              std::optional<unsigned> value) const {
  if (!CanSet(setting)) return nvml_->Error(kFunctionNotFound);
  switch (setting) {
    case NvmlSetting::kPersistence:
      return nvml_->StatusOf(nvml_->set_persistence(gpu, value.value_or(0)));
    case NvmlSetting::kPowerLimitMw:
      return nvml_->StatusOf(nvml_->set_power_limit(gpu, value.value_or(0)));
    case NvmlSetting::kLockedMhz:
      break;
  }
  if (!value) return nvml_->StatusOf(nvml_->unlock_clocks(gpu));
  const unsigned mhz = *value == kBaseClocks ? kClockLimitTdp : *value;
  return nvml_->StatusOf(nvml_->lock_clocks(gpu, mhz, mhz));
}

absl::StatusOr<NvmlRange> NvmlLibrary::PowerLimitsMilliwatts(NvmlDevice gpu) const {
  if (nvml_->power_limits == nullptr) return nvml_->Error(kFunctionNotFound);
  NvmlRange range;
  const Return result = nvml_->power_limits(gpu, &range.least, &range.most);
  if (result != kSuccess) return nvml_->Error(result);
  return range;
}

absl::StatusOr<std::string> NvmlLibrary::PciAddress(NvmlDevice gpu) const {
  const auto info = nvml_->Ask<PciInfo>(nvml_->pci_info, gpu);
  if (!info.ok()) return info.status();
  // A GPU is function 0 of its card; 1 is its sound.
  return absl::StrFormat("%04x:%02x:%02x.0", info->domain, info->bus, info->device);
}

absl::StatusOr<unsigned> NvmlLibrary::SmClockMhz(NvmlDevice device) const {
  return nvml_->Ask<unsigned>(nvml_->clock, device, kClockSm);
}

absl::StatusOr<unsigned> NvmlLibrary::PowerMilliwatts(NvmlDevice device) const {
  // A GPU that is on takes some: 0 is no answer.
  const auto instant = nvml_->AskField(kFieldPowerInstant, device);
  if (instant && *instant > 0) return *instant;
  return nvml_->Ask<unsigned>(nvml_->power, device);
}

absl::StatusOr<unsigned> NvmlLibrary::TemperatureCelsius(NvmlDevice device) const {
  return nvml_->Ask<unsigned>(nvml_->temperature, device, kTemperatureGpu);
}

absl::StatusOr<unsigned> NvmlLibrary::SlowdownCelsius(NvmlDevice device) const {
  return nvml_->Ask<unsigned>(nvml_->temperature_threshold, device, kThresholdSlowdown);
}

absl::StatusOr<double> NvmlLibrary::UtilisationRatio(NvmlDevice device) const {
  const auto rates = nvml_->Ask<Utilisation>(nvml_->utilisation, device);
  if (!rates.ok()) return rates.status();
  return rates->gpu_percent / 100.0;
}

absl::StatusOr<uint64_t> NvmlLibrary::ThrottleReasons(NvmlDevice device) const {
  return nvml_->Ask<unsigned long long>(nvml_->throttle_reasons, device);
}

absl::StatusOr<uint64_t> NvmlLibrary::EnergyMillijoules(NvmlDevice device) const {
  return nvml_->Ask<unsigned long long>(nvml_->energy, device);
}

absl::StatusOr<uint64_t> NvmlLibrary::ViolationNs(NvmlDevice device, NvmlViolation policy) const {
  const auto time =
      nvml_->Ask<ViolationTime>(nvml_->violation, device, static_cast<unsigned>(policy));
  if (!time.ok()) return time.status();
  return time->violation_ns;
}

absl::StatusOr<std::vector<NvmlProcess>> NvmlLibrary::ComputeProcesses(NvmlDevice device) const {
  auto processes = nvml_->AskProcesses(nvml_->compute, device);
  if (!processes.ok()) return processes;
  const auto clients = nvml_->AskProcesses(nvml_->mps, device);
  if (clients.ok()) processes->insert(processes->end(), clients->begin(), clients->end());
  return processes;
}

absl::StatusOr<std::vector<NvmlProcess>> NvmlLibrary::GraphicsProcesses(NvmlDevice device) const {
  return nvml_->AskProcesses(nvml_->graphics, device);
}

absl::StatusOr<std::vector<NvmlProcessUse>> NvmlLibrary::ProcessUse(NvmlDevice device,
                                                                    uint64_t since_us) const {
  if (nvml_->process_use == nullptr) return nvml_->Error(kFunctionNotFound);
  unsigned count = 0;
  // Sizes of the driver's buffer; it does not grow with the processes.
  Return result = nvml_->process_use(device, nullptr, &count, since_us);
  std::vector<ProcessSample> samples(count);
  if (result == kInsufficientSize) {
    result = nvml_->process_use(device, samples.data(), &count, since_us);
  }
  std::vector<NvmlProcessUse> uses;
  if (result == kNotFound) return uses;
  if (result != kSuccess) return nvml_->Error(result);
  for (unsigned i = 0; i < count && i < samples.size(); ++i) {
    // Entries of the buffer that were never written.
    if (samples[i].pid == 0 || samples[i].stamp_us <= since_us) continue;
    uses.push_back({samples[i].pid, samples[i].stamp_us, samples[i].sm_percent / 100.0});
  }
  return uses;
}

absl::StatusOr<std::unique_ptr<NvmlLibrary::XidWatch>> NvmlLibrary::WatchXids(
    NvmlDevice device) const {
  if (nvml_->register_events == nullptr || nvml_->await_event == nullptr ||
      nvml_->free_events == nullptr) {
    return nvml_->Error(kFunctionNotFound);
  }
  const auto events = nvml_->Ask<NvmlEventSet*>(nvml_->make_events);
  if (!events.ok()) return events.status();
  const NvmlDevice gpu = GpuOf(device);
  std::optional<unsigned> instance;
  if (gpu != device) {
    const auto number = nvml_->Ask<unsigned>(nvml_->instance_number, device);
    if (number.ok()) instance = *number;
  }
  std::unique_ptr<XidWatch> watch(new XidWatch(nvml_.get(), *events, instance));
  const Return result = nvml_->register_events(gpu, kXidCriticalError, *events);
  if (result != kSuccess) return nvml_->Error(result);
  return watch;
}

NvmlLibrary::XidWatch::XidWatch(const Functions* functions, NvmlEventSet* events,
                                std::optional<unsigned> instance)
    : nvml_(*functions), events_(events), instance_(instance) {}

NvmlLibrary::XidWatch::~XidWatch() { nvml_.free_events(events_); }

std::vector<uint64_t> NvmlLibrary::XidWatch::Take() {
  constexpr int kMost = 1000;  // a GPU that is lost may tell of it without end
  std::vector<uint64_t> xids;
  for (int i = 0; i < kMost; ++i) {
    Event event{nullptr, 0, 0, kNoInstance, kNoInstance};
    if (nvml_.await_event(events_, &event, /*timeout_ms=*/0) != kSuccess) break;
    const bool of_another =
        instance_ && event.gpu_instance != kNoInstance && event.gpu_instance != *instance_;
    if (event.type == kXidCriticalError && !of_another) xids.push_back(event.data);
  }
  return xids;
}

}  // namespace torchlap::host
