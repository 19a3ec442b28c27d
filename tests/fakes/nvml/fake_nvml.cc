// libtorchlap_fake_nvml.so: the few functions of libnvidia-ml that the daemon calls, answered from
// the text file that TORCHLAP_FAKE_NVML names. A directive a line; memory in MiB; the rest of the
// line is the model.
//
//   driver 550.54.15
//   init-error 9
//   gpu GPU-1111 40960 NVIDIA A100-SXM4-40GB
//   broken 15                        # the handle of this GPU is refused with the error
//   mig-gpu GPU-2222 40960 NVIDIA A100-SXM4-40GB     # in MIG mode, the two below are its instances
//   mig MIG-3333 4864 NVIDIA A100-SXM4-40GB MIG 1g.5gb
//   mig-gap                          # a slot without an instance
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr int kSuccess = 0;
constexpr int kUninitialized = 1;
constexpr int kNotSupported = 3;
constexpr int kNotFound = 6;
constexpr int kInsufficientSize = 7;
constexpr unsigned long long kMib = 1048576;

struct FakeDevice {
  std::string uuid;
  std::string model;
  unsigned long long memory_bytes = 0;
  bool is_mig_gpu = false;
  int error = kSuccess;
  std::vector<std::unique_ptr<FakeDevice>> slots;  // nullptr: a gap
};

struct FakeDriver {
  std::string version = "550.0";
  int init_error = kSuccess;
  std::vector<std::unique_ptr<FakeDevice>> gpus;
};

std::unique_ptr<FakeDriver> driver;

std::unique_ptr<FakeDevice> ReadDevice(std::istream& line) {
  auto device = std::make_unique<FakeDevice>();
  unsigned long long mib = 0;
  line >> device->uuid >> mib >> std::ws;
  std::getline(line, device->model);
  device->memory_bytes = mib * kMib;
  return device;
}

void ReadDirective(const std::string& text) {
  std::istringstream line(text);
  std::string word;
  line >> word;
  if (word == "driver") {
    line >> driver->version;
  } else if (word == "init-error") {
    line >> driver->init_error;
  } else if (word == "gpu" || word == "mig-gpu") {
    driver->gpus.push_back(ReadDevice(line));
    driver->gpus.back()->is_mig_gpu = word == "mig-gpu";
  } else if (word == "broken") {
    driver->gpus.push_back(std::make_unique<FakeDevice>());
    line >> driver->gpus.back()->error;
  } else if (word == "mig") {
    driver->gpus.back()->slots.push_back(ReadDevice(line));
  } else if (word == "mig-gap") {
    driver->gpus.back()->slots.push_back(nullptr);
  } else if (!word.empty()) {
    // A test that misspells must not pass as one without devices.
    std::cerr << "TORCHLAP_FAKE_NVML: unknown directive " << word << "\n";
    std::abort();
  }
}

int CopyText(const std::string& text, char* to, unsigned size) {
  if (text.size() + 1 > size) return kInsufficientSize;
  std::memcpy(to, text.c_str(), text.size() + 1);
  return kSuccess;
}

}  // namespace

extern "C" {

struct FakeMemory {
  unsigned long long total, free, used;
};

int nvmlInit_v2() {
  driver = std::make_unique<FakeDriver>();
  const char* file = std::getenv("TORCHLAP_FAKE_NVML");
  std::ifstream stream(file == nullptr ? "" : file);
  for (std::string line; std::getline(stream, line);) ReadDirective(line);
  return driver->init_error;
}

int nvmlShutdown() {
  driver.reset();
  return kSuccess;
}

const char* nvmlErrorString(int result) {
  switch (result) {
    case 9:
      return "Driver Not Loaded";
    case 15:
      return "GPU is lost";
    case 18:
      return "Driver/library version mismatch";
    default:
      return "Unknown Error";
  }
}

int nvmlSystemGetDriverVersion(char* text, unsigned size) {
  if (driver == nullptr) return kUninitialized;
  return CopyText(driver->version, text, size);
}

int nvmlDeviceGetCount_v2(unsigned* count) {
  if (driver == nullptr) return kUninitialized;
  *count = static_cast<unsigned>(driver->gpus.size());
  return kSuccess;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, FakeDevice** device) {
  *device = driver->gpus.at(index).get();
  return (*device)->error;
}

int nvmlDeviceGetName(FakeDevice* device, char* text, unsigned size) {
  return CopyText(device->model, text, size);
}

int nvmlDeviceGetUUID(FakeDevice* device, char* text, unsigned size) {
  return CopyText(device->uuid, text, size);
}

int nvmlDeviceGetMemoryInfo(FakeDevice* device, FakeMemory* memory) {
  if (device->memory_bytes == 0) return kNotSupported;
  *memory = {device->memory_bytes, device->memory_bytes, 0};
  return kSuccess;
}

int nvmlDeviceGetMigMode(FakeDevice* device, unsigned* current, unsigned* pending) {
  if (!device->is_mig_gpu) return kNotSupported;
  *current = 1;
  *pending = 1;
  return kSuccess;
}

int nvmlDeviceGetMaxMigDeviceCount(FakeDevice* device, unsigned* count) {
  *count = static_cast<unsigned>(device->slots.size());
  return kSuccess;
}

int nvmlDeviceGetMigDeviceHandleByIndex(FakeDevice* device, unsigned index, FakeDevice** instance) {
  *instance = device->slots.at(index).get();
  return *instance == nullptr ? kNotFound : kSuccess;
}

}  // extern "C"
