#include "server/daemon/nvml.h"

#include <dlfcn.h>

#include <array>
#include <memory>
#include <string_view>

namespace torchlap::daemon {
namespace {

// Own prototypes: nvml.h comes with the CUDA toolkit, which building torchlap must not need. Names
// and numbers as in NVIDIA's NVML API reference; the versioned symbols are what nvml.h maps the
// plain names to.
using Return = int;
constexpr Return kSuccess = 0;
constexpr Return kNotSupported = 3;
constexpr Return kNotFound = 6;
constexpr unsigned kMigEnabled = 1;
constexpr unsigned kTextBytes =
    96;  // NVML_DEVICE_NAME_V2_BUFFER_SIZE and NVML_DEVICE_UUID_V2_BUFFER_SIZE

struct DeviceHandle;
using Device = DeviceHandle*;

struct Memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

struct LibraryCloser {
  void operator()(void* library) const { dlclose(library); }
};

class Library {
 public:
  // Sets *note, one line, if the library is there but is not what it should be.
  static std::unique_ptr<Library> Open(const std::string& name, std::string* note);

  // Of the symbols below, all are there.
  Return (*init)();
  Return (*shutdown)();
  const char* (*error_string)(Return);
  Return (*driver_version)(char*, unsigned);
  Return (*count)(unsigned*);
  Return (*by_index)(unsigned, Device*);
  Return (*name)(Device, char*, unsigned);
  Return (*uuid)(Device, char*, unsigned);
  Return (*memory)(Device, Memory*);
  Return (*mig_mode)(Device, unsigned*, unsigned*);
  Return (*max_mig_count)(Device, unsigned*);
  Return (*mig_by_index)(Device, unsigned, Device*);

 private:
  explicit Library(void* handle) : handle_(handle) {}

  template <typename Function>
  bool Load(const char* symbol, Function* function) {
    *function = reinterpret_cast<Function>(dlsym(handle_.get(), symbol));
    return *function != nullptr;
  }
  bool LoadAll();

  std::unique_ptr<void, LibraryCloser> handle_;
};

bool Library::LoadAll() {
  return Load("nvmlInit_v2", &init) && Load("nvmlShutdown", &shutdown) &&
         Load("nvmlErrorString", &error_string) &&
         Load("nvmlSystemGetDriverVersion", &driver_version) &&
         Load("nvmlDeviceGetCount_v2", &count) &&
         Load("nvmlDeviceGetHandleByIndex_v2", &by_index) && Load("nvmlDeviceGetName", &name) &&
         Load("nvmlDeviceGetUUID", &uuid) && Load("nvmlDeviceGetMemoryInfo", &memory) &&
         Load("nvmlDeviceGetMigMode", &mig_mode) &&
         Load("nvmlDeviceGetMaxMigDeviceCount", &max_mig_count) &&
         Load("nvmlDeviceGetMigDeviceHandleByIndex", &mig_by_index);
}

std::unique_ptr<Library> Library::Open(const std::string& name, std::string* note) {
  void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const std::string error = dlerror();
    // A machine without the driver is nothing to speak of; a broken library is.
    if (error.find("No such file") == std::string::npos) *note = error;
    return nullptr;
  }
  std::unique_ptr<Library> library(new Library(handle));
  if (library->LoadAll()) return library;
  *note = name + ": " + dlerror();
  return nullptr;
}

// The devices of an initialised library, one after the other.
class Listing {
 public:
  Listing(const Library& nvml, NvmlAnswer* answer) : nvml_(nvml), answer_(answer) {}

  void AddAll();

 private:
  void AddGpu(unsigned index);
  void AddMigInstances(Device gpu, const std::string& name);
  void AddDevice(Device device, const std::string& name);
  void Note(const std::string& what, Return result) {
    answer_->notes.push_back(what + ": " + nvml_.error_string(result));
  }

  const Library& nvml_;
  NvmlAnswer* const answer_;
};

void Listing::AddAll() {
  std::array<char, kTextBytes> driver{};
  if (nvml_.driver_version(driver.data(), kTextBytes) == kSuccess) {
    answer_->driver_version = driver.data();
  }
  unsigned count = 0;
  const Return result = nvml_.count(&count);
  if (result != kSuccess) return Note("NVIDIA driver cannot count its devices", result);
  for (unsigned i = 0; i < count; ++i) AddGpu(i);
}

void Listing::AddGpu(unsigned index) {
  const std::string name = "cuda:" + std::to_string(index);
  Device gpu = nullptr;
  const Return result = nvml_.by_index(index, &gpu);
  if (result != kSuccess) return Note(name + " is left out", result);
  unsigned current = 0;
  unsigned pending = 0;
  // Most GPUs answer kNotSupported: no MIG.
  const bool is_mig = nvml_.mig_mode(gpu, &current, &pending) == kSuccess && current == kMigEnabled;
  if (is_mig) return AddMigInstances(gpu, name);
  AddDevice(gpu, name);
}

void Listing::AddMigInstances(Device gpu, const std::string& name) {
  unsigned slots = 0;
  const Return result = nvml_.max_mig_count(gpu, &slots);
  if (result != kSuccess)
    return Note(name + " is left out, its MIG instances are not known", result);
  const size_t before = answer_->devices.size();
  for (unsigned i = 0; i < slots; ++i) {
    Device instance = nullptr;
    const Return found = nvml_.mig_by_index(gpu, i, &instance);
    const std::string instance_name = name + "." + std::to_string(i);
    if (found == kSuccess) AddDevice(instance, instance_name);
    // Slots are not filled without gaps.
    if (found != kSuccess && found != kNotFound) Note(instance_name + " is left out", found);
  }
  if (answer_->devices.size() == before) {
    answer_->notes.push_back(name + " is left out: it is in MIG mode and has no instance");
  }
}

void Listing::AddDevice(Device device, const std::string& name) {
  std::array<char, kTextBytes> text{};
  CudaDevice found;
  found.name = name;
  Return result = nvml_.uuid(device, text.data(), kTextBytes);
  if (result != kSuccess) return Note(name + " is left out, it tells no UUID", result);
  found.uuid = text.data();
  result = nvml_.name(device, text.data(), kTextBytes);
  found.model = result == kSuccess ? text.data() : "unknown NVIDIA GPU";
  Memory memory{};
  result = nvml_.memory(device, &memory);
  if (result == kSuccess) found.memory_bytes = memory.total;
  // Devices that share the host's memory have none of their own to tell.
  if (result != kSuccess && result != kNotSupported) {
    return Note(name + " is left out, it tells no memory", result);
  }
  answer_->devices.push_back(std::move(found));
}

}  // namespace

NvmlAnswer AskNvml(const std::string& library) {
  NvmlAnswer answer;
  std::string note;
  const std::unique_ptr<Library> nvml = Library::Open(library, &note);
  if (!note.empty()) answer.notes.push_back("no CUDA devices: " + note);
  if (nvml == nullptr) return answer;
  const Return result = nvml->init();
  if (result != kSuccess) {
    answer.notes.push_back("no CUDA devices: " + library + ": " + nvml->error_string(result));
    return answer;
  }
  Listing(*nvml, &answer).AddAll();
  nvml->shutdown();
  return answer;
}

}  // namespace torchlap::daemon
