#include "server/host/configuration.h"

#include <sys/un.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <system_error>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "proto/default_paths.h"
#include "proto/ranges.h"
#include "proto/words.h"
#include "server/host/account_name.h"
#include "server/host/cpu_list.h"
#include "server/host/memory_size.h"
#include "server/host/nvml_library.h"
#include "server/host/time_span.h"

namespace torchlap::host {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSystemConfigFile = "/etc/torchlap/torchlapd.toml";
constexpr double kDefaultMemoryShare = 0.8;
constexpr size_t kCoresToSpareOne = 4;
constexpr int64_t kMaxGraceMs = 600000;
constexpr int64_t kSystemTimeLimitNs = 86'400'000'000'000;
constexpr int64_t kMaxQueuedJobs = 10000000;
constexpr int64_t kMaxQueuedLaunches = 10000000;
constexpr int64_t kMaxShare = 100000;
constexpr int64_t kMaxCoresPerGpu = 64;
constexpr size_t kLongestName = 64;
constexpr int64_t kMaxClockMhz = 10000;
constexpr int64_t kMaxPowerWatts = 10000;
// Below the air of a warm room no fan brings a GPU.
constexpr int64_t kLeastCelsius = 25;
constexpr int64_t kMostCelsius = 110;
constexpr int64_t kMaxSettleSeconds = 3600;
constexpr int64_t kDefaultSettleSeconds = 300;
constexpr int64_t kSecondNs = 1'000'000'000;
// A canary takes some seconds of the device: more often it would be a load of its own.
constexpr int64_t kLeastCanaryNs = 600 * kSecondNs;
constexpr int64_t kMaxCanaryIdleSeconds = 86400;

// A [[device]] entry as it stands; what it leaves open is settled when all entries are known.
struct DeviceEntry {
  std::string name;
  v1::DeviceKind kind = v1::DEVICE_KIND_CPU;
  std::optional<std::vector<int>> cores;
  std::optional<uint64_t> memory_bytes;
  std::optional<uint32_t> threads;
  VendorPeaks vendor_peaks;
  uint32_t line = 0;
  uint32_t cores_line = 0;
  uint32_t threads_line = 0;
  WantedSettings wanted;
  std::optional<SettleWindow> settle;
  // Of what a CUDA device has alone: the first such key, and its line.
  std::string cuda_key;
  uint32_t cuda_key_line = 0;
};

// The cores for devices when nothing is said: all, but the lowest is left to the daemon where there
// are enough.
std::vector<int> DefaultCores(const std::vector<int>& host, const std::vector<int>& daemon_cores) {
  std::vector<int> cores;
  std::set_difference(host.begin(), host.end(), daemon_cores.begin(), daemon_cores.end(),
                      std::back_inserter(cores));
  if (cores.empty()) return host;
  if (daemon_cores.empty() && cores.size() >= kCoresToSpareOne) cores.erase(cores.begin());
  return cores;
}

const char* TypeName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a decimal number";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    default:
      return "a date or time";
  }
}

uint32_t LineOf(const toml::node& node) { return node.source().begin.line; }

// Reads one file into a Configuration. The first error wins; what is read after it does not matter.
class Reader {
 public:
  Reader(fs::path file, const HostResources& host, Configuration* configuration)
      : file_(std::move(file)), host_(host), configuration_(configuration) {}

  absl::Status Read();

 private:
  void Fail(uint32_t line, const std::string& message);
  void FailType(const std::string& key, const toml::node& node, const char* wanted);
  bool ok() const { return status_.ok(); }

  void Parse();
  void ReadTable(const toml::table& table);
  void ReadKey(const std::string& key, const toml::node& node);
  void ReadDevices(const toml::node& node);
  DeviceEntry ReadDevice(const toml::table& table);
  void ReadDeviceKey(const std::string& key, const toml::node& node, DeviceEntry* entry);
  // False: no key of a CUDA device alone.
  bool ReadCudaKey(const std::string& key, const toml::node& node, DeviceEntry* entry);
  void CheckEntry(const DeviceEntry& entry);
  void CheckName(const DeviceEntry& entry);
  void Settle();
  void SettleCpuDevices(const std::vector<DeviceEntry>& entries);
  DeviceSettings SettleDevice(const DeviceEntry& entry, std::vector<int> default_cores);

  std::string String(const std::string& key, const toml::node& node);
  int64_t Integer(const std::string& key, const toml::node& node, int64_t least, int64_t most);
  bool Switch(const std::string& key, const toml::node& node);
  fs::path Path(const std::string& key, const toml::node& node);
  std::vector<int> Cores(const std::string& key, const toml::node& node);
  uint64_t Memory(const std::string& key, const toml::node& node);
  int64_t TimeSpan(const std::string& key, const toml::node& node);
  v1::DeviceKind Kind(const std::string& key, const toml::node& node);
  VendorPeaks Peaks(const std::string& key, const toml::node& node);
  std::set<std::string> Accounts(const std::string& key, const toml::node& node);
  uint32_t Clocks(const std::string& key, const toml::node& node);
  SettleWindow Window(const std::string& key, const toml::node& node);
  void ReadWindowKey(const std::string& key, const toml::node& node, SettleWindow* window);
  void CheckWindow(const std::string& key, const toml::node& node, const SettleWindow& window);
  CanaryPlan Canary(const std::string& key, const toml::node& node);
  void ReadCanaryKey(const std::string& key, const toml::node& node, CanaryPlan* plan);

  const fs::path file_;
  const HostResources& host_;
  Configuration* const configuration_;
  std::vector<DeviceEntry> entries_;
  absl::Status status_;
};

void Reader::Fail(uint32_t line, const std::string& message) {
  status_.Update(
      absl::InvalidArgumentError(file_.string() + ":" + std::to_string(line) + ": " + message));
}

void Reader::FailType(const std::string& key, const toml::node& node, const char* wanted) {
  Fail(LineOf(node), key + " is " + TypeName(node) + ", must be " + wanted);
}

std::string Reader::String(const std::string& key, const toml::node& node) {
  const auto value = node.value_exact<std::string>();
  if (!value) {
    FailType(key, node, "a string in quotes");
  } else if (value->empty()) {
    Fail(LineOf(node), key + " is empty, leave it out instead");
  }
  return value.value_or("");
}

int64_t Reader::Integer(const std::string& key, const toml::node& node, int64_t least,
                        int64_t most) {
  const auto value = node.value_exact<int64_t>();
  if (!value) {
    FailType(key, node, "a whole number");
  } else if (*value < least || *value > most) {
    Fail(LineOf(node), key + " is " + std::to_string(*value) + ", must be " +
                           std::to_string(least) + " to " + std::to_string(most));
  }
  return value.value_or(0);
}

bool Reader::Switch(const std::string& key, const toml::node& node) {
  const auto value = node.value_exact<bool>();
  if (!value) FailType(key, node, "true or false");
  return value.value_or(false);
}

fs::path Reader::Path(const std::string& key, const toml::node& node) {
  return (fs::absolute(file_).parent_path() / String(key, node)).lexically_normal();
}

std::vector<int> Reader::Cores(const std::string& key, const toml::node& node) {
  const auto text = node.value_exact<std::string>();
  if (!text) {
    FailType(key, node, "a list in quotes, like \"0,2-5\"");
    return {};
  }
  const auto cores = ParseCpuList(*text);
  if (!cores.ok()) {
    Fail(LineOf(node), std::string(cores.status().message()));
    return {};
  }
  const std::vector<int> missing = CoresWithout(*cores, host_.cores);
  if (!missing.empty()) {
    Fail(LineOf(node), key + " is " + *text + ", but core " + std::to_string(missing.front()) +
                           " is not among those that this daemon may run on, " +
                           PrintCpuList(host_.cores));
  }
  return *cores;
}

uint64_t Reader::Memory(const std::string& key, const toml::node& node) {
  const auto number = node.value_exact<int64_t>();
  const auto text = node.value_exact<std::string>();
  if (!number && !text) {
    FailType(key, node, "an amount in quotes, like \"2GiB\", or a number of bytes");
    return 0;
  }
  const auto bytes = ParseMemorySize(number ? std::to_string(*number) : *text);
  if (!bytes.ok()) {
    Fail(LineOf(node), std::string(bytes.status().message()));
    return 0;
  }
  // No model fits into less: a number that was not meant in bytes.
  constexpr uint64_t kLeastBytes = 1 << 20;
  if (*bytes < kLeastBytes) {
    Fail(LineOf(node), key + " is " + PrintMemorySize(*bytes) + ", must be at least " +
                           PrintMemorySize(kLeastBytes));
  }
  if (*bytes > host_.total_memory_bytes) {
    Fail(LineOf(node), key + " is " + PrintMemorySize(*bytes) + ", this machine has " +
                           PrintMemorySize(host_.total_memory_bytes));
  }
  return *bytes;
}

int64_t Reader::TimeSpan(const std::string& key, const toml::node& node) {
  const auto text = node.value_exact<std::string>();
  if (!text) {
    FailType(key, node, "a time in quotes, like \"24h\"");
    return 0;
  }
  const auto ns = ParseTimeSpan(key, *text);
  if (!ns.ok()) Fail(LineOf(node), std::string(ns.status().message()));
  return ns.value_or(0);
}

VendorPeaks Reader::Peaks(const std::string& key, const toml::node& node) {
  VendorPeaks peaks;
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    FailType(key, node, "a table of TFLOP/s by precision, like { bf16 = 989.4, tf32 = 494.7 }");
    return peaks;
  }
  for (const auto& [name, value] : *table) {
    const std::string word(name.str());
    const auto precision = ParseWord<v1::Precision>(word);
    const auto tflops = value.value<double>();
    if (!precision) {
      Fail(LineOf(value), key + " has " + word + ", must be of " + Words<v1::Precision>());
    } else if (!tflops || !(*tflops > 0)) {
      Fail(LineOf(value), key + " of " + word + " must be a number above 0, in TFLOP/s");
    } else {
      peaks[*precision] = *tflops * 1e12;
    }
  }
  return peaks;
}

std::set<std::string> Reader::Accounts(const std::string& key, const toml::node& node) {
  std::set<std::string> accounts;
  const toml::array* list = node.as_array();
  if (list == nullptr) {
    FailType(key, node, "a list of accounts, like [\"ann\", \"uid:1001\"]");
    return accounts;
  }
  for (const toml::node& entry : *list) {
    const std::string name = String("an entry of " + key, entry);
    if (!IsAccountName(name) && ok()) {
      Fail(LineOf(entry), key + " has " + name + ", must be names of accounts, or uid:N");
    }
    accounts.insert(name);
  }
  return accounts;
}

uint32_t Reader::Clocks(const std::string& key, const toml::node& node) {
  if (node.value_exact<std::string>() == "base") return kBaseClocks;
  if (node.is_integer()) return static_cast<uint32_t>(Integer(key, node, 1, kMaxClockMhz));
  const auto text = node.value_exact<std::string>();
  Fail(LineOf(node), key + " is " + (text ? "'" + *text + "'" : TypeName(node)) +
                         ", must be \"base\" or a number of MHz");
  return kBaseClocks;
}

SettleWindow Reader::Window(const std::string& key, const toml::node& node) {
  SettleWindow window;
  window.at_most_ns = kDefaultSettleSeconds * kSecondNs;
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    FailType(key, node, "a table, like { below_celsius = 50, idle_s = 10, at_most_s = 300 }");
    return window;
  }
  for (const auto& [name, value] : *table) {
    ReadWindowKey(std::string(name.str()), value, &window);
  }
  if (ok()) CheckWindow(key, node, window);
  return window;
}

void Reader::ReadWindowKey(const std::string& key, const toml::node& node, SettleWindow* window) {
  if (key == "below_celsius") {
    window->below_celsius = static_cast<uint32_t>(Integer(key, node, kLeastCelsius, kMostCelsius));
  } else if (key == "idle_s") {
    window->idle_ns = Integer(key, node, 1, kMaxSettleSeconds) * kSecondNs;
  } else if (key == "at_most_s") {
    window->at_most_ns = Integer(key, node, 1, kMaxSettleSeconds) * kSecondNs;
  } else {
    Fail(LineOf(node),
         "unknown key " + key + " of settle, must be one of below_celsius, idle_s, at_most_s");
  }
}

void Reader::CheckWindow(const std::string& key, const toml::node& node,
                         const SettleWindow& window) {
  if (!window.below_celsius && window.idle_ns == 0) {
    return Fail(LineOf(node), key + " has neither below_celsius nor idle_s, must have one of them");
  }
  if (window.idle_ns <= window.at_most_ns) return;
  Fail(LineOf(node), "idle_s of " + key + " is " + std::to_string(window.idle_ns / kSecondNs) +
                         ", must be at most its at_most_s, " +
                         std::to_string(window.at_most_ns / kSecondNs));
}

CanaryPlan Reader::Canary(const std::string& key, const toml::node& node) {
  CanaryPlan plan;
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    FailType(key, node, "a table, like { every = \"6h\", idle_s = 60 }");
    return plan;
  }
  for (const auto& [name, value] : *table) ReadCanaryKey(std::string(name.str()), value, &plan);
  return plan;
}

void Reader::ReadCanaryKey(const std::string& key, const toml::node& node, CanaryPlan* plan) {
  if (key == "every") {
    plan->every_ns = TimeSpan(key, node);
    if (plan->every_ns >= kLeastCanaryNs) return;
    Fail(LineOf(node), "every of canary is " + PrintTimeSpan(plan->every_ns) +
                           ", must be at least " + PrintTimeSpan(kLeastCanaryNs));
  } else if (key == "idle_s") {
    plan->idle_ns = Integer(key, node, 1, kMaxCanaryIdleSeconds) * kSecondNs;
  } else {
    Fail(LineOf(node), "unknown key " + key + " of canary, must be one of every, idle_s");
  }
}

v1::DeviceKind Reader::Kind(const std::string& key, const toml::node& node) {
  const std::string word = String(key, node);
  if (word == "cuda") return v1::DEVICE_KIND_CUDA;
  if (word != "cpu") Fail(LineOf(node), key + " is " + word + ", must be cpu or cuda");
  return v1::DEVICE_KIND_CPU;
}

void Reader::ReadKey(const std::string& key, const toml::node& node) {
  if (key == "state_folder") {
    configuration_->state_folder = Path(key, node);
  } else if (key == "runtime_folder") {
    configuration_->runtime_folder = Path(key, node);
  } else if (key == "socket") {
    configuration_->socket_path = Path(key, node);
  } else if (key == "torch") {
    configuration_->torch_folder = Path(key, node);
  } else if (key == "worker") {
    configuration_->worker_path = Path(key, node);
  } else if (key == "nvml_library") {
    const std::string name = String(key, node);
    // A bare name is for the dynamic linker to find.
    const bool is_path = name.find('/') != std::string::npos;
    configuration_->nvml_library = is_path ? Path(key, node).string() : name;
  } else if (key == "max_interruptions") {
    configuration_->max_interruptions =
        static_cast<uint32_t>(Integer(key, node, 0, kMaxQueuedJobs));
  } else if (key == "max_time_limit") {
    configuration_->max_time_limit_ns = TimeSpan(key, node);
  } else if (key == "max_queued_jobs") {
    configuration_->max_queued_jobs = static_cast<uint32_t>(Integer(key, node, 1, kMaxQueuedJobs));
  } else if (key == "max_queued_launches") {
    configuration_->max_queued_launches =
        static_cast<uint32_t>(Integer(key, node, 1, kMaxQueuedLaunches));
  } else if (key == "max_queued_launches_per_user") {
    configuration_->max_queued_launches_per_user =
        static_cast<uint32_t>(Integer(key, node, 1, kMaxQueuedLaunches));
  } else if (key == "min_queued_launches_per_user") {
    configuration_->min_queued_launches_per_user =
        static_cast<uint32_t>(Integer(key, node, 0, kMaxShare));
  } else if (key == "grace_ms") {
    configuration_->grace = std::chrono::milliseconds(Integer(key, node, 0, kMaxGraceMs));
  } else if (key == "admins") {
    configuration_->admins = Accounts(key, node);
  } else if (key == "canary") {
    configuration_->canary = Canary(key, node);
  } else if (key == "private") {
    configuration_->is_private = Switch(key, node);
  } else if (key == "daemon_cores") {
    configuration_->daemon_cores = Cores(key, node);
  } else if (key == "cores_per_gpu") {
    configuration_->cores_per_gpu = static_cast<uint32_t>(Integer(key, node, 0, kMaxCoresPerGpu));
  } else if (key == "device") {
    ReadDevices(node);
  } else {
    Fail(LineOf(node),
         "unknown key " + key +
             ", must be one of state_folder, runtime_folder, socket, max_interruptions, "
             "max_time_limit, max_queued_jobs, max_queued_launches, max_queued_launches_per_user, "
             "min_queued_launches_per_user, daemon_cores, cores_per_gpu, torch, worker, "
             "nvml_library, grace_ms, admins, canary, private, [[device]]");
  }
}

void Reader::ReadTable(const toml::table& table) {
  for (const auto& [key, node] : table) ReadKey(std::string(key.str()), node);
}

void Reader::ReadDevices(const toml::node& node) {
  const toml::array* list = node.as_array();
  if (list == nullptr || !list->is_array_of_tables()) {
    return FailType("device", node, "written as [[device]]");
  }
  for (const toml::node& entry : *list) entries_.push_back(ReadDevice(*entry.as_table()));
}

void Reader::ReadDeviceKey(const std::string& key, const toml::node& node, DeviceEntry* entry) {
  if (key == "name") {
    entry->name = String(key, node);
  } else if (key == "kind") {
    entry->kind = Kind(key, node);
  } else if (key == "cores") {
    entry->cores = Cores(key, node);
    entry->cores_line = LineOf(node);
  } else if (key == "memory") {
    entry->memory_bytes = Memory(key, node);
  } else if (key == "threads") {
    entry->threads = static_cast<uint32_t>(Integer(key, node, 1, kMaxCore + 1));
    entry->threads_line = LineOf(node);
  } else if (key == "vendor_peak_tflops") {
    entry->vendor_peaks = Peaks(key, node);
  } else if (!ReadCudaKey(key, node, entry)) {
    Fail(LineOf(node), "unknown key " + key +
                           " of a device, must be one of name, kind, cores, memory, threads, "
                           "vendor_peak_tflops, lock_clocks, power_limit_watts, persistence, "
                           "settle");
  }
}

bool Reader::ReadCudaKey(const std::string& key, const toml::node& node, DeviceEntry* entry) {
  if (key == "lock_clocks") {
    entry->wanted.lock_clocks_mhz = Clocks(key, node);
  } else if (key == "power_limit_watts") {
    entry->wanted.power_limit_watts = static_cast<uint32_t>(Integer(key, node, 1, kMaxPowerWatts));
  } else if (key == "persistence") {
    entry->wanted.persistence = Switch(key, node);
  } else if (key == "settle") {
    entry->settle = Window(key, node);
  } else {
    return false;
  }
  if (entry->cuda_key.empty()) {
    entry->cuda_key = key;
    entry->cuda_key_line = LineOf(node);
  }
  return true;
}

DeviceEntry Reader::ReadDevice(const toml::table& table) {
  DeviceEntry entry;
  entry.line = LineOf(table);
  for (const auto& [key, node] : table) ReadDeviceKey(std::string(key.str()), node, &entry);
  if (!table.contains("name")) Fail(entry.line, "device has no name, like name = \"cpu0\"");
  if (!table.contains("kind")) Fail(entry.line, "device has no kind, must be cpu or cuda");
  if (ok()) CheckEntry(entry);
  return entry;
}

void Reader::CheckEntry(const DeviceEntry& entry) {
  CheckName(entry);
  if (entry.kind == v1::DEVICE_KIND_CUDA && entry.memory_bytes) {
    Fail(entry.line, "memory of " + entry.name + " cannot be set, a CUDA device knows its own");
  }
  if (entry.kind == v1::DEVICE_KIND_CPU && !entry.cuda_key.empty()) {
    Fail(entry.cuda_key_line,
         entry.cuda_key + " of " + entry.name + " cannot be set, it is for a CUDA device only");
  }
  for (const DeviceEntry& other : entries_) {
    if (other.name == entry.name) {
      Fail(entry.line, "device name " + entry.name + " is taken in line " +
                           std::to_string(other.line) + ", must be unique");
    }
  }
}

// A name must not be mistaken for a class, a UUID or a CUDA device where a job names its device.
void Reader::CheckName(const DeviceEntry& entry) {
  const std::string& name = entry.name;
  const bool is_cuda_name = name.starts_with("cuda:");
  if (entry.kind == v1::DEVICE_KIND_CUDA && !is_cuda_name) {
    return Fail(entry.line, "device name is " + name + ", must be like cuda:0 for a CUDA device");
  }
  constexpr std::string_view kOthers = "-_.:";
  const bool is_word = std::all_of(name.begin(), name.end(), [&](unsigned char c) {
    return (c < 128 && std::isalnum(c) != 0) ||
           kOthers.find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (!is_word || name.size() > kLongestName) {
    return Fail(entry.line, "device name is '" + name + "', must be at most " +
                                std::to_string(kLongestName) + " letters, digits, '-', '_', '.' " +
                                "or ':'");
  }
  const bool is_reserved = name == "cpu" || name == "cuda" || name == "any" ||
                           name.starts_with("CPU-") || name.starts_with("GPU-") ||
                           name.starts_with("MIG-");
  if (is_reserved || (entry.kind == v1::DEVICE_KIND_CPU && is_cuda_name)) {
    Fail(entry.line, "device name is " + name + ", which means something else; cpu0 would do");
  }
}

DeviceSettings Reader::SettleDevice(const DeviceEntry& entry, std::vector<int> default_cores) {
  DeviceSettings settings;
  settings.name = entry.name;
  settings.kind = entry.kind;
  settings.cores = entry.cores.value_or(std::move(default_cores));
  settings.memory_bytes = entry.memory_bytes.value_or(0);
  settings.vendor_peaks = entry.vendor_peaks;
  settings.wanted = entry.wanted;
  settings.settle = entry.settle;
  settings.has_default_cores = !entry.cores;
  settings.has_default_threads = !entry.threads;
  const auto most = static_cast<uint32_t>(settings.cores.size());
  settings.threads = entry.threads.value_or(most);
  if (settings.cores.empty()) {
    Fail(entry.line, "no core is left for " + entry.name + ", other CPU devices have them all");
  } else if (settings.threads > most) {
    Fail(entry.threads_line, "threads is " + std::to_string(settings.threads) +
                                 ", must be 1 to the number of cores of " + entry.name + ", " +
                                 std::to_string(most));
  }
  return settings;
}

void Reader::SettleCpuDevices(const std::vector<DeviceEntry>& entries) {
  std::vector<int> taken;
  for (const DeviceEntry& entry : entries) {
    if (!entry.cores) continue;
    for (const int core : *entry.cores) {
      if (std::find(taken.begin(), taken.end(), core) != taken.end()) {
        Fail(entry.cores_line, "core " + std::to_string(core) + " of " + entry.name +
                                   " belongs to another CPU device, must be in one only");
      }
    }
    taken.insert(taken.end(), entry.cores->begin(), entry.cores->end());
  }
  const auto share =
      static_cast<uint64_t>(static_cast<double>(host_.available_memory_bytes) *
                            kDefaultMemoryShare / static_cast<double>(entries.size()));
  for (const DeviceEntry& entry : entries) {
    DeviceSettings settings =
        SettleDevice(entry, CoresWithout(configuration_->default_cores, taken));
    if (!entry.cores) taken.insert(taken.end(), settings.cores.begin(), settings.cores.end());
    if (!entry.memory_bytes) settings.memory_bytes = share;
    configuration_->cpu_devices.push_back(std::move(settings));
  }
  if (configuration_->daemon_cores.empty()) {
    configuration_->daemon_cores = CoresWithout(host_.cores, taken);
  }
}

void Reader::Settle() {
  configuration_->default_cores = DefaultCores(host_.cores, configuration_->daemon_cores);
  std::vector<DeviceEntry> cpus;
  for (const DeviceEntry& entry : entries_) {
    if (entry.kind == v1::DEVICE_KIND_CPU) {
      cpus.push_back(entry);
    } else {
      configuration_->cuda_devices.push_back(SettleDevice(entry, configuration_->default_cores));
    }
  }
  if (cpus.empty()) cpus.emplace_back().name = "cpu0";
  SettleCpuDevices(cpus);
}

void Reader::Parse() {
  std::error_code error;
  errno = 0;
  std::ifstream stream(file_);
  if (!stream) error.assign(errno, std::generic_category());
  // A folder opens, and reads as an empty file.
  if (stream && fs::is_directory(file_)) error = std::make_error_code(std::errc::is_a_directory);
  if (error) {
    const std::string message = "configuration " + file_.string() + ": " + error.message();
    status_ = error == std::errc::permission_denied ? absl::PermissionDeniedError(message)
                                                    : absl::NotFoundError(message);
    return;
  }
  const toml::parse_result parsed = toml::parse(stream);
  if (parsed) return ReadTable(parsed.table());
  Fail(parsed.error().source().begin.line, std::string(parsed.error().description()));
}

absl::Status Reader::Read() {
  if (!file_.empty()) Parse();
  if (ok()) Settle();
  return status_;
}

absl::Status CheckSocketPath(const fs::path& path) {
  constexpr size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (path.native().size() <= kLongest) return absl::OkStatus();
  return absl::InvalidArgumentError("socket path " + path.string() + " has " +
                                    std::to_string(path.native().size()) +
                                    " bytes, must have at most " + std::to_string(kLongest));
}

// The folders that the file left open. A socket of its own place takes the runtime folder with it.
void FillFolders(Configuration* configuration) {
  const bool system = configuration->system;
  if (configuration->state_folder.empty()) {
    configuration->state_folder = system ? SystemStateFolder() : UserStateFolder();
  }
  if (configuration->runtime_folder.empty()) {
    const fs::path usual = system ? SystemSocketPath().parent_path() : UserRuntimeFolder();
    configuration->runtime_folder =
        configuration->socket_path.empty() ? usual : configuration->socket_path.parent_path();
  }
  if (configuration->socket_path.empty()) {
    configuration->socket_path = configuration->runtime_folder / "torchlapd.sock";
  }
}

fs::path FileToRead(const ConfigurationSource& source) {
  if (!source.file.empty()) return source.file;
  const fs::path usual = source.system ? fs::path(kSystemConfigFile) : UserConfigFile();
  std::error_code error;
  // A file that cannot be looked at is not the same as none: reading it will say why.
  const auto type = fs::status(usual, error).type();
  return type == fs::file_type::not_found ? fs::path() : usual;
}

}  // namespace

absl::StatusOr<Configuration> LoadConfiguration(const ConfigurationSource& source,
                                                const HostResources& host) {
  Configuration configuration;
  configuration.file = FileToRead(source);
  configuration.system = source.system;
  configuration.max_time_limit_ns =
      source.system
          ? kSystemTimeLimitNs
          : static_cast<int64_t>(RangeOf<v1::Plan>(v1::Plan::kTimeLimitNsFieldNumber).max);
  absl::Status status = Reader(configuration.file, host, &configuration).Read();
  if (!status.ok()) return status;
  FillFolders(&configuration);
  status = CheckSocketPath(configuration.socket_path);
  if (!status.ok()) return status;
  return configuration;
}

}  // namespace torchlap::host
