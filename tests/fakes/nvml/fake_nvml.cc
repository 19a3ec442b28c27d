// libtorchlap_fake_nvml*.so: the functions of libnvidia-ml that the daemon calls, answered from the
// text file that TORCHLAP_FAKE_NVML names. A directive a line.
//
//   driver 580.65.06
//   cuda 13000                       # newest CUDA of the driver; as its branch has it
//   init-error 9
//   gpu GPU-1111 40960 NVIDIA A100-SXM4-40GB         # UUID, MiB (0: it does not say), model
//   broken 15                        # the handle of this GPU is refused with the error
//   mig-gpu GPU-2222 40960 NVIDIA A100-SXM4-40GB     # in MIG mode, the two below are its instances
//   mig MIG-3333 4864 NVIDIA A100-SXM4-40GB MIG 1g.5gb
//   mig-gap                          # a slot without an instance
//
// What follows is of the device above it. Of several values each read takes the next one, and the
// last one stays. A device without a directive does not support what it stands for.
//
//   capability 9 0
//   minor 3                          # N of /dev/nvidiaN; of a GPU, not of its instances
//   sm-mhz 1980 1755                 power-mw 350000
//   temperature 41 87                slowdown-at 92
//   utilisation 0 100                # percent
//   throttle 0x0 0x48                # bits of nvmlClocksEventReason*
//   used-mib 512 20480               reserved-mib 300
//   energy-mj 1000 9000
//   violation-thermal-ns 0 5000      violation-power-ns 0      violation-board-ns 0
//   process 4211 11468 compute       # pid, MiB or `na`, compute, graphics or both
//   process-error 4                  # the lists of processes are refused
//   use 4211 0 80                    # percent of the multiprocessors; 0: not in the list
//   gone 15                          # every reading is refused from now on
//
// Built three times: with the functions of a new library, of one from 2021 (process lists _v2), and
// of one from before versions (plain names, short entries in process lists, no MIG).
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
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
constexpr unsigned long long kNotAvailable = ~0ULL;

using Number = unsigned long long;

// Values for one read after the other; the last one stays.
class Sequence {
 public:
  void Fill(std::istream& line) {
    for (std::string word; line >> word;) values_.push_back(std::stoull(word, nullptr, 0));
  }
  bool empty() const { return values_.empty(); }
  Number Next() {
    const Number value = values_[next_];
    if (next_ + 1 < values_.size()) ++next_;
    return value;
  }

 private:
  std::vector<Number> values_;
  size_t next_ = 0;
};

struct FakeProcess {
  unsigned pid = 0;
  Number used_bytes = kNotAvailable;
  bool computes = false;
  bool draws = false;
};

struct FakeDevice {
  std::string uuid;
  std::string model;
  Number memory_bytes = 0;
  bool is_mig_gpu = false;
  int error = kSuccess;  // of its handle
  int reading_error = kSuccess;
  int process_error = kSuccess;
  std::map<std::string, Sequence> readings;  // by directive
  std::vector<FakeProcess> processes;
  std::map<unsigned, Sequence> uses;  // by pid
  Number use_stamp_us = 0;
  std::vector<std::unique_ptr<FakeDevice>> slots;  // nullptr: a gap
};

struct FakeDriver {
  std::string version = "580.65.06";
  int cuda = 0;  // 0: by the version
  int init_error = kSuccess;
  std::vector<std::unique_ptr<FakeDevice>> gpus;
};

std::mutex mutex;
int users = 0;  // init less shutdown, as in the real library
std::unique_ptr<FakeDriver> driver;

// A test that misspells must not pass as one without devices.
[[noreturn]] void Refuse(const std::string& line) {
  std::cerr << "TORCHLAP_FAKE_NVML: what is this: " << line << "\n";
  std::abort();
}

std::unique_ptr<FakeDevice> ReadDevice(std::istream& line) {
  auto device = std::make_unique<FakeDevice>();
  Number mib = 0;
  line >> device->uuid >> mib >> std::ws;
  std::getline(line, device->model);
  device->memory_bytes = mib * kMib;
  return device;
}

FakeProcess ReadProcess(std::istream& line) {
  FakeProcess process;
  std::string used;
  std::string kind;
  line >> process.pid >> used >> kind;
  if (used != "na") process.used_bytes = std::stoull(used) * kMib;
  process.computes = kind == "compute" || kind == "both";
  process.draws = kind == "graphics" || kind == "both";
  return process;
}

bool ReadDriverDirective(const std::string& word, std::istream& line) {
  if (word == "driver") {
    line >> driver->version;
  } else if (word == "cuda") {
    line >> driver->cuda;
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
  } else {
    return false;
  }
  return true;
}

const std::vector<std::string>& ReadingDirectives() {
  static const std::vector<std::string> words = {"capability",
                                                 "minor",
                                                 "sm-mhz",
                                                 "power-mw",
                                                 "temperature",
                                                 "slowdown-at",
                                                 "throttle",
                                                 "used-mib",
                                                 "utilisation",
                                                 "reserved-mib",
                                                 "energy-mj",
                                                 "violation-thermal-ns",
                                                 "violation-power-ns",
                                                 "violation-board-ns"};
  return words;
}

bool ReadDeviceDirective(const std::string& word, std::istream& line) {
  if (driver->gpus.empty()) return false;
  FakeDevice* device = driver->gpus.back().get();
  if (!device->slots.empty() && device->slots.back() != nullptr) {
    device = device->slots.back().get();
  }
  const auto& readings = ReadingDirectives();
  if (std::find(readings.begin(), readings.end(), word) != readings.end()) {
    device->readings[word].Fill(line);
  } else if (word == "process") {
    device->processes.push_back(ReadProcess(line));
  } else if (word == "process-error") {
    line >> device->process_error;
  } else if (word == "use") {
    unsigned pid = 0;
    line >> pid;
    device->uses[pid].Fill(line);
  } else if (word == "gone") {
    line >> device->reading_error;
  } else {
    return false;
  }
  return true;
}

void ReadDirective(const std::string& text) {
  std::istringstream line(text.substr(0, text.find('#')));
  std::string word;
  line >> word;
  if (word.empty()) return;
  if (!ReadDriverDirective(word, line) && !ReadDeviceDirective(word, line)) Refuse(text);
}

int CopyText(const std::string& text, char* to, unsigned size) {
  if (text.size() + 1 > size) return kInsufficientSize;
  std::memcpy(to, text.c_str(), text.size() + 1);
  return kSuccess;
}

// The next value of the directive.
template <typename Value>
int Read(FakeDevice* device, const std::string& directive, Value* value) {
  const std::lock_guard lock(mutex);
  if (device->reading_error != kSuccess) return device->reading_error;
  Sequence& sequence = device->readings[directive];
  if (sequence.empty()) return kNotSupported;
  *value = static_cast<Value>(sequence.Next());
  return kSuccess;
}

FakeDevice* Find(const std::string& uuid) {
  for (const auto& gpu : driver->gpus) {
    if (gpu->uuid == uuid) return gpu.get();
    for (const auto& slot : gpu->slots) {
      if (slot != nullptr && slot->uuid == uuid) return slot.get();
    }
  }
  return nullptr;
}

struct ShortEntry {
  unsigned pid;
  Number used_bytes;
};
struct LongEntry {
  unsigned pid;
  Number used_bytes;
  unsigned gpu_instance, compute_instance;
};

template <typename Entry>
int ListProcesses(FakeDevice* device, bool FakeProcess::*listed, unsigned* count, Entry* entries) {
  const std::lock_guard lock(mutex);
  if (device->process_error != kSuccess) return device->process_error;
  std::vector<FakeProcess> found;
  for (const FakeProcess& process : device->processes) {
    if (process.*listed) found.push_back(process);
  }
  const unsigned room = entries == nullptr ? 0 : *count;
  *count = static_cast<unsigned>(found.size());
  if (found.size() > room) return kInsufficientSize;
  for (size_t i = 0; i < found.size(); ++i) {
    entries[i] = {};
    entries[i].pid = found[i].pid;
    entries[i].used_bytes = found[i].used_bytes;
  }
  return kSuccess;
}

}  // namespace

// clang-format off
#if defined(TORCHLAP_FAKE_NVML_UNVERSIONED)
#define TORCHLAP_INIT nvmlInit
#define TORCHLAP_COUNT nvmlDeviceGetCount
#define TORCHLAP_BY_INDEX nvmlDeviceGetHandleByIndex
#define TORCHLAP_COMPUTE nvmlDeviceGetComputeRunningProcesses
#define TORCHLAP_GRAPHICS nvmlDeviceGetGraphicsRunningProcesses
using ListedEntry = ShortEntry;
#else
#define TORCHLAP_INIT nvmlInit_v2
#define TORCHLAP_COUNT nvmlDeviceGetCount_v2
#define TORCHLAP_BY_INDEX nvmlDeviceGetHandleByIndex_v2
using ListedEntry = LongEntry;
#if defined(TORCHLAP_FAKE_NVML_2021)
#define TORCHLAP_COMPUTE nvmlDeviceGetComputeRunningProcesses_v2
#define TORCHLAP_GRAPHICS nvmlDeviceGetGraphicsRunningProcesses_v2
#define TORCHLAP_THROTTLE nvmlDeviceGetCurrentClocksThrottleReasons
#else
#define TORCHLAP_COMPUTE nvmlDeviceGetComputeRunningProcesses_v3
#define TORCHLAP_GRAPHICS nvmlDeviceGetGraphicsRunningProcesses_v3
#define TORCHLAP_THROTTLE nvmlDeviceGetCurrentClocksEventReasons
#endif
#endif
// clang-format on

extern "C" {

struct FakeMemory {
  Number total, free, used;
};
struct FakeMemoryV2 {
  unsigned version;
  Number total, reserved, free, used;
};
struct FakeUtilisation {
  unsigned gpu, memory;
};
struct FakeViolation {
  Number reference_us, violation_ns;
};
struct FakeUse {
  unsigned pid;
  Number stamp_us;
  unsigned sm, memory, encoder, decoder;
};

int TORCHLAP_INIT() {
  const std::lock_guard lock(mutex);
  if (users == 0) {
    driver = std::make_unique<FakeDriver>();
    const char* file = std::getenv("TORCHLAP_FAKE_NVML");
    std::ifstream stream(file == nullptr ? "" : file);
    for (std::string line; std::getline(stream, line);) ReadDirective(line);
  }
  if (driver->init_error == kSuccess) ++users;
  return driver->init_error;
}

int nvmlShutdown() {
  const std::lock_guard lock(mutex);
  if (users == 0) return kUninitialized;
  if (--users == 0) driver.reset();
  return kSuccess;
}

const char* nvmlErrorString(int result) {
  switch (result) {
    case 3:
      return "Not Supported";
    case 4:
      return "Insufficient Permissions";
    case 6:
      return "Not Found";
    case 9:
      return "Driver Not Loaded";
    case 13:
      return "Function Not Found";
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

int TORCHLAP_COUNT(unsigned* count) {
  if (driver == nullptr) return kUninitialized;
  *count = static_cast<unsigned>(driver->gpus.size());
  return kSuccess;
}

int TORCHLAP_BY_INDEX(unsigned index, FakeDevice** device) {
  *device = driver->gpus.at(index).get();
  return (*device)->error;
}

int nvmlDeviceGetHandleByUUID(const char* uuid, FakeDevice** device) {
  if (driver == nullptr) return kUninitialized;
  *device = Find(uuid);
  return *device == nullptr ? kNotFound : kSuccess;
}

int nvmlDeviceGetName(FakeDevice* device, char* text, unsigned size) {
  return CopyText(device->model, text, size);
}

int nvmlDeviceGetUUID(FakeDevice* device, char* text, unsigned size) {
  return CopyText(device->uuid, text, size);
}

// As drivers since 510 do: what they set aside for themselves counts as used.
int nvmlDeviceGetMemoryInfo(FakeDevice* device, FakeMemory* memory) {
  if (device->memory_bytes == 0) return kNotSupported;
  Number used = 0;
  Number reserved = 0;
  Read(device, "used-mib", &used);
  Read(device, "reserved-mib", &reserved);
  used = (used + reserved) * kMib;
  *memory = {device->memory_bytes, device->memory_bytes - used, used};
  return kSuccess;
}

int nvmlDeviceGetClockInfo(FakeDevice* device, unsigned clock, unsigned* mhz) {
  return clock == 1 ? Read(device, "sm-mhz", mhz) : kNotSupported;
}

int nvmlDeviceGetPowerUsage(FakeDevice* device, unsigned* milliwatts) {
  return Read(device, "power-mw", milliwatts);
}

int nvmlDeviceGetTemperature(FakeDevice* device, unsigned sensor, unsigned* celsius) {
  return sensor == 0 ? Read(device, "temperature", celsius) : kNotSupported;
}

int nvmlDeviceGetTemperatureThreshold(FakeDevice* device, unsigned type, unsigned* celsius) {
  return type == 1 ? Read(device, "slowdown-at", celsius) : kNotSupported;
}

int nvmlDeviceGetUtilizationRates(FakeDevice* device, FakeUtilisation* rates) {
  rates->memory = 0;
  return Read(device, "utilisation", &rates->gpu);
}

int TORCHLAP_COMPUTE(FakeDevice* device, unsigned* count, ListedEntry* entries) {
  return ListProcesses(device, &FakeProcess::computes, count, entries);
}

int TORCHLAP_GRAPHICS(FakeDevice* device, unsigned* count, ListedEntry* entries) {
  return ListProcesses(device, &FakeProcess::draws, count, entries);
}

#if !defined(TORCHLAP_FAKE_NVML_UNVERSIONED)

// New libraries keep the plain names for programs of old: entries are short.
int nvmlDeviceGetComputeRunningProcesses(FakeDevice* device, unsigned* count, ShortEntry* entries) {
  return ListProcesses(device, &FakeProcess::computes, count, entries);
}

int nvmlDeviceGetGraphicsRunningProcesses(FakeDevice* device, unsigned* count,
                                          ShortEntry* entries) {
  return ListProcesses(device, &FakeProcess::draws, count, entries);
}

int nvmlSystemGetCudaDriverVersion_v2(int* version) {
  if (driver == nullptr) return kUninitialized;
  const int branch = std::atoi(driver->version.c_str());
  *version = branch >= 580 ? 13000 : branch >= 525 ? 12000 : 11000;
  if (driver->cuda != 0) *version = driver->cuda;
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

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(FakeDevice* instance, FakeDevice** device) {
  for (const auto& gpu : driver->gpus) {
    for (const auto& slot : gpu->slots) {
      if (slot.get() != instance) continue;
      *device = gpu.get();
      return kSuccess;
    }
  }
  return kNotFound;
}

int nvmlDeviceGetMinorNumber(FakeDevice* device, unsigned* number) {
  return Read(device, "minor", number);
}

int nvmlDeviceGetCudaComputeCapability(FakeDevice* device, int* major, int* minor) {
  const int result = Read(device, "capability", major);
  return result == kSuccess ? Read(device, "capability", minor) : result;
}

int nvmlDeviceGetMemoryInfo_v2(FakeDevice* device, FakeMemoryV2* memory) {
  // The size of the struct and a 2: a caller with another layout must not pass.
  if (memory->version != (sizeof(FakeMemoryV2) | (2U << 24U))) return 25;
  if (device->memory_bytes == 0) return kNotSupported;
  Number used = 0;
  Number reserved = 0;
  Read(device, "used-mib", &used);
  Read(device, "reserved-mib", &reserved);
  used *= kMib;
  reserved *= kMib;
  *memory = {memory->version, device->memory_bytes, reserved,
             device->memory_bytes - used - reserved, used};
  return kSuccess;
}

int TORCHLAP_THROTTLE(FakeDevice* device, Number* reasons) {
  return Read(device, "throttle", reasons);
}

int nvmlDeviceGetTotalEnergyConsumption(FakeDevice* device, Number* millijoules) {
  return Read(device, "energy-mj", millijoules);
}

int nvmlDeviceGetViolationStatus(FakeDevice* device, unsigned policy, FakeViolation* time) {
  static const std::map<unsigned, std::string> kDirectives = {
      {0, "violation-power-ns"}, {1, "violation-thermal-ns"}, {3, "violation-board-ns"}};
  const auto directive = kDirectives.find(policy);
  if (directive == kDirectives.end()) return kNotSupported;
  return Read(device, directive->second, &time->violation_ns);
}

int nvmlDeviceGetProcessUtilization(FakeDevice* device, FakeUse* uses, unsigned* count,
                                    Number since_us) {
  const std::lock_guard lock(mutex);
  if (device->uses.empty()) return kNotSupported;
  if (uses == nullptr) {
    *count = 100;  // the driver's buffer, not the number of processes
    return kInsufficientSize;
  }
  // The caller must hand back the last stamp that it saw.
  if (since_us > device->use_stamp_us) return 2;
  device->use_stamp_us += 1'000'000;
  const unsigned room = *count;
  *count = 0;
  for (auto& [pid, sequence] : device->uses) {
    const auto percent = static_cast<unsigned>(sequence.Next());
    if (percent == 0 || *count == room) continue;
    uses[(*count)++] = {pid, device->use_stamp_us, percent, 0, 0, 0};
  }
  return *count == 0 ? kNotFound : kSuccess;
}

#endif

}  // extern "C"
