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
//   power-instant-mw 420000          # field 186; not of the library from 2021
//   temperature 41 87                slowdown-at 92
//   utilisation 0 100                # percent
//   throttle 0x0 0x48                # bits of nvmlClocksEventReason*
//   used-mib 512 20480               reserved-mib 300
//   energy-mj 1000 9000
//   power-limit-mw 400000 300000     ecc 1                  persistence 0         compute-mode 3
//   application-mhz 1410             application-memory-mhz 1215
//   pcie-generation 4                pcie-width 16         # at most
//   pcie-generation-now 4 1          pcie-width-now 16 8   # in use: less while it rests
//   pci 0x1 0x65 0x0                 # domain, bus, device
//   violation-thermal-ns 0 5000      violation-power-ns 0      violation-board-ns 0
//   process 4211 11468 compute       # pid, MiB or `na`; compute, graphics, both, or mps (a client)
//   process 4212 100 both 2 3        # listed from the second look to the third
//   process-error 4                  # the lists of processes are refused
//   use 4211 0 80                    # percent of the multiprocessors, sampled now; 0: no sample
//   sample 1700000000250000 4211 80  # stamp (us since 1970), pid, percent; not known before it
//   sample 1700000000250000 4211 80 3          # nor before the third question
//   garbage 4102444800000000 77 205  # an entry that is told as it is, at every question
//   garbage 4102444800000000 77 205 3          # at every one from the third on
//   instance 2                       # number of this MIG instance
//   xid 31                           # an error of the whole GPU, told to those who watch it
//   xid 43 2                         # of its MIG instance number 2
//   gone 15                          # every reading is refused from now on
//   recording gpu.jsonl              # of a GPU: what raw_counters.py wrote is told again, as time
//   goes on
//
// As the real library does, an answer folds the samples since the question's stamp (of any time)
// into one entry a process: the newest stamp, and the mean.
//
// A recording begins when the library is opened. Its answers come before those of directives; what
// it does not have (name, memory in the old layout, settings, XIDs) they tell. The time is that of
// the clock, or, in us since 1970, TORCHLAP_FAKE_NVML_NOW_US, which a test sets as it goes.
//   power-limits-mw 100000 400000    # a limit beyond them is refused
//   set-error 4                      # whoever sets something is refused
//
// What is set is a line at the end of the file, so that it outlives the process as the driver's
// state does; the last one counts, and takes the place of `power-limit-mw` and `persistence`:
//
//   set GPU-1111 power-limit-mw 300000
//   set GPU-1111 persistence 1
//   set GPU-1111 locked-mhz 1410     # `base` where the board's own clock was asked for, or `off`
//
// Built three times: with the functions of a new library, of one from 2021 (process lists _v2), and
// of one from before versions (plain names, short entries in process lists, no MIG).
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "tests/fakes/nvml/recording.h"

namespace {

constexpr int kSuccess = 0;
constexpr int kUninitialized = 1;
constexpr int kInvalidArgument = 2;
constexpr int kNotSupported = 3;
constexpr int kNotFound = 6;
constexpr int kInsufficientSize = 7;
constexpr int kTimeout = 10;
[[maybe_unused]] constexpr unsigned kClockLimitTdp = 0xffffff01;
constexpr unsigned long long kXidCriticalError = 8;
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
  size_t size() const { return values_.size(); }
  Number at(size_t place) const { return values_[place]; }
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
  bool is_mps_client = false;
  unsigned first_look = 1;
  unsigned last_look = ~0U;
};

struct FakeSample {
  Number stamp_us = 0;
  unsigned pid = 0;
  unsigned percent = 0;
  unsigned first_question = 1;
};

constexpr unsigned kWholeGpu = ~0U;

struct FakeXid {
  Number number = 0;
  unsigned instance = kWholeGpu;
};

struct FakeDevice {
  std::string uuid;
  std::string model;
  Number memory_bytes = 0;
  bool is_mig_gpu = false;
  int error = kSuccess;  // of its handle
  int reading_error = kSuccess;
  int process_error = kSuccess;
  int set_error = kSuccess;
  std::map<std::string, Sequence> readings;  // by directive
  std::vector<unsigned> pci;                 // domain, bus, device
  std::vector<FakeProcess> processes;
  unsigned looks = 0;                 // at the list of those that compute
  std::map<unsigned, Sequence> uses;  // by pid
  std::vector<FakeSample> samples;
  std::vector<FakeSample> garbage;
  unsigned questions = 0;  // for samples and uses
  std::vector<FakeXid> xids;
  std::optional<Recording> recording;
  FakeDevice* gpu = nullptr;                       // of a MIG instance
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

Number NowUs() {
  if (const char* told = std::getenv("TORCHLAP_FAKE_NVML_NOW_US")) return std::stoull(told);
  using std::chrono::microseconds;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<Number>(std::chrono::duration_cast<microseconds>(now).count());
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
  process.is_mps_client = kind == "mps";
  if (unsigned look = 0; line >> look) process.first_look = look;
  if (unsigned look = 0; line >> look) process.last_look = look;
  return process;
}

FakeSample ReadSample(std::istream& line) {
  FakeSample sample;
  line >> sample.stamp_us >> sample.pid >> sample.percent;
  if (unsigned question = 0; line >> question) sample.first_question = question;
  return sample;
}

FakeXid ReadXid(std::istream& line) {
  FakeXid xid;
  line >> xid.number;
  if (unsigned instance = 0; line >> instance) xid.instance = instance;
  return xid;
}

bool ReadDriverDirective(const std::string& word, std::istream& line) {
  if (word == "set") return true;  // read when it is asked for
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
    driver->gpus.back()->slots.back()->gpu = driver->gpus.back().get();
  } else if (word == "mig-gap") {
    driver->gpus.back()->slots.push_back(nullptr);
  } else {
    return false;
  }
  return true;
}

const std::vector<std::string>& ReadingDirectives() {
  static const std::vector<std::string> words = {"capability",
                                                 "instance",
                                                 "minor",
                                                 "sm-mhz",
                                                 "power-mw",
                                                 "power-instant-mw",
                                                 "temperature",
                                                 "slowdown-at",
                                                 "throttle",
                                                 "used-mib",
                                                 "utilisation",
                                                 "reserved-mib",
                                                 "energy-mj",
                                                 "power-limit-mw",
                                                 "power-limits-mw",
                                                 "ecc",
                                                 "persistence",
                                                 "compute-mode",
                                                 "application-mhz",
                                                 "application-memory-mhz",
                                                 "pcie-generation",
                                                 "pcie-width",
                                                 "pcie-generation-now",
                                                 "pcie-width-now",
                                                 "memory-mhz",
                                                 "performance-state",
                                                 "enforced-limit-mw",
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
  } else if (word == "pci") {
    for (std::string number; line >> number;) {
      device->pci.push_back(static_cast<unsigned>(std::stoul(number, nullptr, 0)));
    }
  } else if (word == "process") {
    device->processes.push_back(ReadProcess(line));
  } else if (word == "process-error") {
    line >> device->process_error;
  } else if (word == "set-error") {
    line >> device->set_error;
  } else if (word == "use") {
    unsigned pid = 0;
    line >> pid;
    device->uses[pid].Fill(line);
  } else if (word == "sample") {
    device->samples.push_back(ReadSample(line));
  } else if (word == "garbage") {
    device->garbage.push_back(ReadSample(line));
  } else if (word == "xid") {
    (device->gpu == nullptr ? device : device->gpu)->xids.push_back(ReadXid(line));
  } else if (word == "recording") {
    std::string file;
    line >> file;
    device->recording.emplace(file, NowUs());
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

// What a recording has under this name, handed to `take`, and its result. Nothing: there is none.
template <typename Take>
std::optional<int> Replay(const FakeDevice& device, const std::string& name, Take take) {
  if (!device.recording || name.empty() || device.reading_error != kSuccess) return std::nullopt;
  const Recording::Answer answer = device.recording->At(NowUs(), name);
  if (answer.result == kSuccess) take(answer.value);
  return answer.result;
}

template <typename Take>
std::optional<int> ReplayLocked(const FakeDevice& device, const std::string& name, Take take) {
  const std::lock_guard lock(mutex);
  return Replay(device, name, take);
}

// The name of a number in a recording; empty: it has none.
std::string RecordedName(const std::string& directive) {
  static const std::map<std::string, std::string> names = {
      {"throttle", "clock_reasons"},
      {"sm-mhz", "sm_mhz"},
      {"memory-mhz", "memory_mhz"},
      {"performance-state", "performance_state"},
      {"power-mw", "power_mw"},
      {"power-instant-mw", "power_instant_mw"},
      {"enforced-limit-mw", "power_limit_mw"},
      {"energy-mj", "energy_mj"},
      {"temperature", "celsius"},
      {"slowdown-at", "slowdown_celsius"}};
  const auto name = names.find(directive);
  return name == names.end() ? "" : name->second;
}

std::string StateFile() {
  const char* file = std::getenv("TORCHLAP_FAKE_NVML");
  return file == nullptr ? "" : file;
}

// What somebody has set last, in this process or another; empty: nobody has.
[[maybe_unused]] std::string LastSet(const std::string& uuid, const std::string& setting) {
  std::ifstream stream(StateFile());
  std::string last;
  for (std::string text; std::getline(stream, text);) {
    std::istringstream line(text);
    std::string word, of, what, value;
    if (line >> word >> of >> what >> value && word == "set" && of == uuid && what == setting) {
      last = value;
    }
  }
  return last;
}

[[maybe_unused]] int Set(const FakeDevice* device, const std::string& setting,
                         const std::string& value) {
  if (device->gpu != nullptr) return kInvalidArgument;  // a MIG instance
  if (device->set_error != kSuccess) return device->set_error;
  const std::lock_guard lock(mutex);
  std::ofstream(StateFile(), std::ios::app)
      << "set " + device->uuid + " " + setting + " " + value + "\n";
  return kSuccess;
}

// What is recorded now, else the next value of the directive.
template <typename Value>
int Read(FakeDevice* device, const std::string& directive, Value* value) {
  const std::lock_guard lock(mutex);
  const auto recorded =
      Replay(*device, RecordedName(directive), [value](const auto& number) { *value = number; });
  if (recorded) return *recorded;
  if (device->reading_error != kSuccess) return device->reading_error;
  Sequence& sequence = device->readings[directive];
  if (sequence.empty()) return kNotSupported;
  *value = static_cast<Value>(sequence.Next());
  return kSuccess;
}

[[maybe_unused]] int ReadSetting(FakeDevice* device, const std::string& directive,
                                 unsigned* value) {
  const std::string set = LastSet(device->uuid, directive);
  const int result = Read(device, directive, value);
  if (result == kSuccess && !set.empty()) *value = static_cast<unsigned>(std::stoul(set));
  return result;
}

// The value at that place of the directive, as often as it is asked for.
template <typename Value>
int ReadAgain(FakeDevice* device, const std::string& directive, size_t place, Value* value) {
  const std::lock_guard lock(mutex);
  if (device->reading_error != kSuccess) return device->reading_error;
  const Sequence& sequence = device->readings[directive];
  if (sequence.size() <= place) return kNotSupported;
  *value = static_cast<Value>(sequence.at(place));
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

// Of its directives: those that are at work now and the samples since then, folded, and garbage.
// With the mutex held.
[[maybe_unused]] std::vector<FakeUse> UsesOf(FakeDevice* device, Number since_us) {
  const Number now_us = NowUs();
  std::vector<FakeUse> samples;
  for (auto& [pid, sequence] : device->uses) {
    const auto percent = static_cast<unsigned>(sequence.Next());
    if (percent > 0) samples.push_back({pid, now_us, percent, 0, 0, 0});
  }
  for (const FakeSample& sample : device->samples) {
    const bool is_known = sample.first_question <= device->questions && sample.stamp_us <= now_us;
    if (is_known && sample.stamp_us > since_us) {
      samples.push_back({sample.pid, sample.stamp_us, sample.percent, 0, 0, 0});
    }
  }
  std::vector<FakeUse> uses = FoldByPid(samples);
  for (const FakeSample& entry : device->garbage) {
    if (entry.first_question > device->questions) continue;
    uses.push_back({entry.pid, entry.stamp_us, entry.percent, 0, 0, 0});
  }
  return uses;
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

// Room for a list, or how much it would take.
template <typename Entry>
int CopyEntries(const std::vector<LongEntry>& found, unsigned* count, Entry* entries) {
  const unsigned room = entries == nullptr ? 0 : *count;
  *count = static_cast<unsigned>(found.size());
  if (found.size() > room) return kInsufficientSize;
  for (size_t i = 0; i < found.size(); ++i) {
    if constexpr (std::is_same_v<Entry, LongEntry>) {
      entries[i] = found[i];
    } else {
      entries[i] = {found[i].pid, found[i].used_bytes};
    }
  }
  return kSuccess;
}

template <typename Entry>
int ListProcesses(FakeDevice* device, bool FakeProcess::*listed, unsigned* count, Entry* entries) {
  const std::lock_guard lock(mutex);
  if (device->process_error != kSuccess) return device->process_error;
  // The others are asked for after those that compute, in the same look.
  const bool of_compute = listed == &FakeProcess::computes;
  std::vector<LongEntry> found;
  const auto take = [&found](const auto& entries_now) {
    for (const auto& entry : entries_now) {
      found.push_back({entry.at("pid"), entry.at("used_bytes"), entry.at("gpu_instance"),
                       entry.at("compute_instance")});
    }
  };
  const bool of_mps = listed == &FakeProcess::is_mps_client;
  const std::string name = of_compute ? "compute_processes"
                           : of_mps   ? "mps_processes"
                                      : "graphics_processes";
  if (const auto result = Replay(*device, name, take)) {
    return *result == kSuccess ? CopyEntries(found, count, entries) : *result;
  }
  const unsigned look = of_compute ? device->looks + 1 : std::max(1U, device->looks);
  for (const FakeProcess& process : device->processes) {
    const bool is_there = process.first_look <= look && look <= process.last_look;
    if (is_there && process.*listed) found.push_back({process.pid, process.used_bytes, 0, 0});
  }
  const int result = CopyEntries(found, count, entries);
  if (result == kSuccess && of_compute) ++device->looks;
  return result;
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
#define TORCHLAP_MPS nvmlDeviceGetMPSComputeRunningProcesses_v2
#define TORCHLAP_THROTTLE nvmlDeviceGetCurrentClocksThrottleReasons
#else
#define TORCHLAP_COMPUTE nvmlDeviceGetComputeRunningProcesses_v3
#define TORCHLAP_GRAPHICS nvmlDeviceGetGraphicsRunningProcesses_v3
#define TORCHLAP_MPS nvmlDeviceGetMPSComputeRunningProcesses_v3
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
struct FakeFieldValue {
  unsigned field, scope;
  long long stamp_us, latency_us;
  unsigned type;
  int result;
  Number value;
};
struct FakePciInfo {
  char legacy_address[16];
  unsigned domain, bus, device;
};
struct FakeUtilisation {
  unsigned gpu, memory;
};
struct FakeViolation {
  Number reference_us, violation_ns;
};
struct FakeEvents {
  FakeDevice* device = nullptr;
  std::deque<FakeXid> waiting;
};
struct FakeEvent {
  FakeDevice* device;
  Number type, data;
  unsigned gpu_instance, compute_instance;
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
  if (clock != 1 && clock != 2) return kNotSupported;
  return Read(device, clock == 1 ? "sm-mhz" : "memory-mhz", mhz);
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
  const auto take = [rates](const auto& value) { *rates = {value.at("gpu"), value.at("memory")}; };
  if (const auto result = ReplayLocked(*device, "utilisation", take)) return *result;
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

int TORCHLAP_MPS(FakeDevice* device, unsigned* count, LongEntry* entries) {
  return ListProcesses(device, &FakeProcess::is_mps_client, count, entries);
}

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

int nvmlDeviceGetMinorNumber(FakeDevice* device, unsigned* number) {
  return Read(device, "minor", number);
}

int nvmlDeviceGetCudaComputeCapability(FakeDevice* device, int* major, int* minor) {
  const int result = ReadAgain(device, "capability", 0, major);
  return result == kSuccess ? ReadAgain(device, "capability", 1, minor) : result;
}

int nvmlDeviceGetMemoryInfo_v2(FakeDevice* device, FakeMemoryV2* memory) {
  // The size of the struct and a 2: a caller with another layout must not pass.
  if (memory->version != (sizeof(FakeMemoryV2) | (2U << 24U))) return 25;
  const auto take = [memory](const auto& value) {
    *memory = {value.at("version"), value.at("total"), value.at("reserved"), value.at("free"),
               value.at("used")};
  };
  if (const auto result = ReplayLocked(*device, "memory", take)) return *result;
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

// Of each field a result of its own. Numbers are unsigned int, the upper half of their room is what
// it was.
int nvmlDeviceGetFieldValues([[maybe_unused]] FakeDevice* device, int count,
                             FakeFieldValue* values) {
  for (int i = 0; i < count; ++i) {
    FakeFieldValue& value = values[i];
    value.type = 1;
    value.result = kNotSupported;
#if !defined(TORCHLAP_FAKE_NVML_2021)
    if (value.field != 186 || value.scope != 0) continue;
    unsigned milliwatts = 0;
    value.result = Read(device, "power-instant-mw", &milliwatts);
    value.value = (value.value >> 32U << 32U) | milliwatts;
#endif
  }
  return kSuccess;
}

int nvmlDeviceGetPerformanceState(FakeDevice* device, unsigned* state) {
  return Read(device, "performance-state", state);
}

int nvmlDeviceGetEnforcedPowerLimit(FakeDevice* device, unsigned* milliwatts) {
  return Read(device, "enforced-limit-mw", milliwatts);
}

int nvmlDeviceGetPowerManagementLimit(FakeDevice* device, unsigned* milliwatts) {
  return ReadSetting(device, "power-limit-mw", milliwatts);
}

int nvmlDeviceGetPowerManagementLimitConstraints(FakeDevice* device, unsigned* least,
                                                 unsigned* most) {
  const int result = ReadAgain(device, "power-limits-mw", 0, least);
  return result == kSuccess ? ReadAgain(device, "power-limits-mw", 1, most) : result;
}

int nvmlDeviceSetPowerManagementLimit(FakeDevice* device, unsigned milliwatts) {
  unsigned least = 0;
  unsigned most = ~0U;
  nvmlDeviceGetPowerManagementLimitConstraints(device, &least, &most);
  if (milliwatts < least || milliwatts > most) return kInvalidArgument;
  return Set(device, "power-limit-mw", std::to_string(milliwatts));
}

int nvmlDeviceSetPersistenceMode(FakeDevice* device, unsigned mode) {
  return Set(device, "persistence", std::to_string(mode));
}

int nvmlDeviceSetGpuLockedClocks(FakeDevice* device, unsigned least, unsigned most) {
  if (least != most) return kInvalidArgument;
  return Set(device, "locked-mhz", least == kClockLimitTdp ? "base" : std::to_string(least));
}

int nvmlDeviceResetGpuLockedClocks(FakeDevice* device) { return Set(device, "locked-mhz", "off"); }

int nvmlDeviceGetEccMode(FakeDevice* device, unsigned* current, unsigned* pending) {
  *pending = 1;
  return Read(device, "ecc", current);
}

int nvmlDeviceGetPersistenceMode(FakeDevice* device, unsigned* mode) {
  return ReadSetting(device, "persistence", mode);
}

int nvmlDeviceGetComputeMode(FakeDevice* device, unsigned* mode) {
  return Read(device, "compute-mode", mode);
}

int nvmlDeviceGetApplicationsClock(FakeDevice* device, unsigned clock, unsigned* mhz) {
  if (clock != 0 && clock != 2) return kNotSupported;
  return Read(device, clock == 0 ? "application-mhz" : "application-memory-mhz", mhz);
}

int nvmlDeviceGetMaxPcieLinkGeneration(FakeDevice* device, unsigned* generation) {
  return Read(device, "pcie-generation", generation);
}

int nvmlDeviceGetMaxPcieLinkWidth(FakeDevice* device, unsigned* width) {
  return Read(device, "pcie-width", width);
}

int nvmlDeviceGetCurrPcieLinkGeneration(FakeDevice* device, unsigned* generation) {
  return Read(device, "pcie-generation-now", generation);
}

int nvmlDeviceGetCurrPcieLinkWidth(FakeDevice* device, unsigned* width) {
  return Read(device, "pcie-width-now", width);
}

int nvmlDeviceGetPciInfo_v3(FakeDevice* device, FakePciInfo* info) {
  if (device->pci.size() < 3) return kNotSupported;
  info->domain = device->pci[0];
  info->bus = device->pci[1];
  info->device = device->pci[2];
  return kSuccess;
}

int nvmlDeviceGetTotalEnergyConsumption(FakeDevice* device, Number* millijoules) {
  return Read(device, "energy-mj", millijoules);
}

int nvmlDeviceGetViolationStatus(FakeDevice* device, unsigned policy, FakeViolation* time) {
  static const std::map<unsigned, std::string> kDirectives = {
      {0, "violation-power-ns"}, {1, "violation-thermal-ns"}, {3, "violation-board-ns"}};
  static const std::map<unsigned, std::string> kRecorded = {{0, "violation_power"},
                                                            {1, "violation_thermal"},
                                                            {2, "violation_sync_boost"},
                                                            {3, "violation_board_limit"},
                                                            {4, "violation_low_utilisation"},
                                                            {5, "violation_reliability"},
                                                            {10, "violation_application_clocks"},
                                                            {11, "violation_base_clocks"}};
  if (const auto recorded = kRecorded.find(policy); recorded != kRecorded.end()) {
    const auto take = [time](const auto& value) {
      *time = {value.at("reference_us"), value.at("violation_ns")};
    };
    if (const auto result = ReplayLocked(*device, recorded->second, take)) return *result;
  }
  const auto directive = kDirectives.find(policy);
  if (directive == kDirectives.end()) return kNotSupported;
  return Read(device, directive->second, &time->violation_ns);
}

int nvmlDeviceGetProcessUtilization(FakeDevice* device, FakeUse* uses, unsigned* count,
                                    Number since_us) {
  const std::lock_guard lock(mutex);
  const auto recorded = Replay(*device, "process_utilisation", [](const auto&) {});
  const bool tells =
      recorded ? *recorded == kSuccess || *recorded == kNotFound
               : !device->uses.empty() || !device->samples.empty() || !device->garbage.empty();
  if (!tells) return recorded.value_or(kNotSupported);
  if (uses == nullptr) {
    *count = 1000;  // the driver's buffer, not the number of processes
    return kInsufficientSize;
  }
  ++device->questions;
  const std::vector<FakeUse> told =
      recorded ? device->recording->Uses(NowUs(), since_us) : UsesOf(device, since_us);
  const unsigned room = *count;
  *count = static_cast<unsigned>(std::min<size_t>(told.size(), room));
  std::copy_n(told.begin(), *count, uses);
  return *count == 0 ? kNotFound : kSuccess;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(FakeDevice* device, FakeDevice** gpu) {
  if (device->gpu == nullptr) return kInvalidArgument;
  *gpu = device->gpu;
  return kSuccess;
}

int nvmlDeviceGetGpuInstanceId(FakeDevice* device, unsigned* number) {
  return Read(device, "instance", number);
}

int nvmlEventSetCreate(FakeEvents** events) {
  *events = new FakeEvents;
  return kSuccess;
}

int nvmlDeviceRegisterEvents(FakeDevice* device, Number types, FakeEvents* events) {
  // As the driver does: events are those of whole GPUs.
  if (device->gpu != nullptr || types != kXidCriticalError) return kInvalidArgument;
  const std::lock_guard lock(mutex);
  events->device = device;
  events->waiting.assign(device->xids.begin(), device->xids.end());
  return kSuccess;
}

int nvmlEventSetWait_v2(FakeEvents* events, FakeEvent* event, unsigned timeout_ms) {
  if (timeout_ms != 0) return kInvalidArgument;  // the daemon must not wait here
  const std::lock_guard lock(mutex);
  if (events->waiting.empty()) return kTimeout;
  const FakeXid xid = events->waiting.front();
  events->waiting.pop_front();
  *event = {events->device, kXidCriticalError, xid.number, xid.instance, kWholeGpu};
  return kSuccess;
}

int nvmlEventSetFree(FakeEvents* events) {
  delete events;
  return kSuccess;
}

#endif

}  // extern "C"
