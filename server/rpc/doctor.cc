#include "server/rpc/doctor.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <system_error>
#include <utility>

#include "proto/base/visible_text.h"
#include "server/host/cpu_list.h"
#include "server/host/device_telemetry.h"
#include "server/host/settled_device.h"

namespace torchlap::rpc {
namespace {

using std::filesystem::path;

constexpr char kWantedGovernor[] = "performance";

std::optional<double> LoadAverage(const path& root) {
  std::ifstream stream(root / "proc/loadavg");
  double load = 0;
  if (stream >> load) return load;
  return std::nullopt;
}

std::vector<std::string> Governors(const path& root) {
  std::set<std::string> governors;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(root / "sys/devices/system/cpu", error)) {
    std::ifstream stream(entry.path() / "cpufreq/scaling_governor");
    std::string word;
    if (stream >> word) governors.insert(word);
  }
  return {governors.begin(), governors.end()};
}

std::optional<uint64_t> FreeBytes(const path& folder) {
  std::error_code error;
  const auto space = std::filesystem::space(folder, error);
  if (error) return std::nullopt;
  return space.available;
}

GpuFacts LookAt(const host::NvmlLibrary& nvml, const std::string& uuid, const path& root) {
  GpuFacts facts;
  facts.uuid = uuid;
  const auto device = nvml.DeviceOf(uuid);
  if (!device.ok()) return facts;
  facts.reading = host::ReadDevice(nvml, *device, /*at_ns=*/0);
  if (const auto slowdown = nvml.SlowdownCelsius(*device); slowdown.ok()) {
    facts.slowdown_celsius = *slowdown;
  }
  if (auto processes = host::ProcessesOn(nvml, *device, root); processes.ok()) {
    facts.processes = *std::move(processes);
  }
  return facts;
}

// By what was seen last, or what is known before anything was tried.
std::vector<std::string> NotInForce(const host::NvmlLibrary& nvml, const std::string& uuid,
                                    const DoctorQuestion& question) {
  const auto wanted = question.wanted.find(uuid);
  if (wanted == question.wanted.end()) return {};
  const auto seen = question.not_in_force.find(uuid);
  if (seen != question.not_in_force.end() && !seen->second.empty()) return seen->second;
  return host::WhyNotSettable(nvml, uuid, wanted->second, host::MaySetDevices(question.root));
}

v1::Finding Make(v1::Severity severity, v1::FindingCode code, const std::string& detail,
                 const std::string& expected = "") {
  v1::Finding finding;
  finding.set_severity(severity);
  finding.set_code(code);
  finding.set_detail(Visible(detail));
  finding.set_expected(expected);
  return finding;
}

// One of the two codes by whether all is well.
v1::Finding Torch(const MachineFacts& facts) {
  if (facts.worker_problem.empty()) {
    return Make(v1::SEVERITY_OK, v1::FINDING_TORCH, facts.torch_folder);
  }
  return Make(v1::SEVERITY_PROBLEM, v1::FINDING_TORCH_MISSING, facts.worker_problem);
}

v1::Finding Driver(const host::NvmlAnswer& nvml) {
  const std::string words(nvml.library.message());
  if (absl::IsNotFound(nvml.library)) {
    return Make(v1::SEVERITY_NOTE, v1::FINDING_DRIVER_ABSENT, "");
  }
  if (absl::IsFailedPrecondition(nvml.library)) {
    return Make(v1::SEVERITY_PROBLEM, v1::FINDING_DRIVER_MISMATCH, words);
  }
  if (!nvml.library.ok()) return Make(v1::SEVERITY_PROBLEM, v1::FINDING_DRIVER_FAILED, words);
  if (nvml.driver_too_old) {
    return Make(v1::SEVERITY_PROBLEM, v1::FINDING_DRIVER_TOO_OLD, nvml.driver_version,
                absl::StrCat(host::kOldestDriver));
  }
  return Make(v1::SEVERITY_OK, v1::FINDING_DRIVER, nvml.driver_version);
}

v1::Severity SeverityOfLoad(double load_ratio, const DoctorThresholds& thresholds) {
  if (load_ratio <= thresholds.high_load_ratio) return v1::SEVERITY_OK;
  return load_ratio > thresholds.full_load_ratio ? v1::SEVERITY_PROBLEM : v1::SEVERITY_NOTE;
}

bool IsRunning(const v1::Device& device) { return device.state() == v1::DEVICE_STATE_RUNNING; }

// The most that runs of ours are of the load: a thread on each core of a CPU device, and one that
// tells the GPU what to do.
double OwnLoad(const std::vector<v1::Device>& devices) {
  double load = 0;
  for (const v1::Device& device : devices) {
    if (!IsRunning(device)) continue;
    const auto cores = host::ParseCpuList(device.cores());
    const bool is_on_cores = device.kind() == v1::DEVICE_KIND_CPU && cores.ok();
    load += is_on_cores ? static_cast<double>(cores->size()) : 1;
  }
  return load;
}

v1::Finding Load(const MachineFacts& facts, const DoctorThresholds& thresholds) {
  const auto cores = static_cast<double>(facts.cores);
  const double own = OwnLoad(facts.devices);
  const v1::Severity severity = SeverityOfLoad((*facts.load_average - own) / cores, thresholds);
  v1::Finding finding =
      Make(severity, severity == v1::SEVERITY_OK ? v1::FINDING_LOAD : v1::FINDING_LOAD_HIGH, "");
  finding.set_load(*facts.load_average);
  finding.set_cores(static_cast<uint32_t>(facts.cores));
  if (severity != v1::SEVERITY_OK) {
    finding.set_expected_load(cores * thresholds.high_load_ratio + own);
  }
  return finding;
}

v1::Finding Disk(uint64_t free_bytes, const DoctorThresholds& thresholds) {
  const bool is_low = free_bytes < thresholds.low_disk_bytes;
  v1::Finding finding = is_low ? Make(v1::SEVERITY_PROBLEM, v1::FINDING_DISK_LOW, "")
                               : Make(v1::SEVERITY_OK, v1::FINDING_DISK, "");
  finding.set_bytes(free_bytes);
  if (is_low) finding.set_expected_bytes(thresholds.low_disk_bytes);
  return finding;
}

bool HasWantedGovernor(const std::vector<std::string>& governors) {
  return std::all_of(governors.begin(), governors.end(),
                     [](const std::string& governor) { return governor == kWantedGovernor; });
}

void AddMachine(const MachineFacts& facts, const DoctorThresholds& thresholds,
                std::vector<v1::Finding>* findings) {
  findings->push_back(Make(v1::SEVERITY_OK, v1::FINDING_DAEMON, TORCHLAP_VERSION));
  findings->push_back(Torch(facts));
  findings->push_back(Driver(facts.nvml));
  if (facts.load_average && facts.cores > 0) findings->push_back(Load(facts, thresholds));
  if (!HasWantedGovernor(facts.governors)) {
    findings->push_back(Make(v1::SEVERITY_NOTE, v1::FINDING_GOVERNOR,
                             absl::StrJoin(facts.governors, ", "), kWantedGovernor));
  }
  if (facts.free_bytes) findings->push_back(Disk(*facts.free_bytes, thresholds));
  if (!facts.state_lost.empty()) {
    findings->push_back(Make(v1::SEVERITY_PROBLEM, v1::FINDING_STATE_LOST, facts.state_lost));
  }
  if (!facts.not_stored.empty()) {
    findings->push_back(Make(v1::SEVERITY_PROBLEM, v1::FINDING_NOT_STORED, facts.not_stored));
  }
}

// The findings about one device, named.
class DeviceFindings {
 public:
  DeviceFindings(const std::string& device, std::vector<v1::Finding>* findings)
      : device_(device), findings_(findings) {}

  // The finding, to be filled further.
  v1::Finding& Add(v1::Severity severity, v1::FindingCode code, const std::string& detail = "") {
    findings_->push_back(Make(severity, code, detail));
    findings_->back().set_device(device_);
    return findings_->back();
  }

 private:
  const std::string device_;
  std::vector<v1::Finding>* const findings_;
};

void AddClaim(const v1::Device& device, DeviceFindings* findings) {
  v1::Finding& found = findings->Add(v1::SEVERITY_NOTE, v1::FINDING_DEVICE_CLAIMED);
  if (device.claimed_by_pid() == 0) return found.set_detail(device.detail());
  found.mutable_process()->set_pid(device.claimed_by_pid());
  found.mutable_process()->set_user(device.claimed_by_user());
}

void AddState(const v1::Device& device, const host::NvmlAnswer& nvml, DeviceFindings* findings) {
  const bool is_gone = device.kind() == v1::DEVICE_KIND_CUDA && nvml.library.ok() &&
                       std::none_of(nvml.devices.begin(), nvml.devices.end(),
                                    [&](const auto& cuda) { return cuda.uuid == device.uuid(); });
  if (is_gone) {
    findings->Add(v1::SEVERITY_PROBLEM, v1::FINDING_DEVICE_LOST,
                  "the driver does not list it any more");
    return;
  }
  v1::Finding& found = findings->Add(v1::SEVERITY_OK, v1::FINDING_DEVICE, device.model());
  if (device.memory_bytes() > 0) found.set_bytes(device.memory_bytes());
  if (device.state() == v1::DEVICE_STATE_CLAIMED) {
    AddClaim(device, findings);
  } else if (device.state() == v1::DEVICE_STATE_UNAVAILABLE) {
    findings->Add(v1::SEVERITY_PROBLEM, v1::FINDING_DEVICE_LEFT_OUT, device.detail());
  }
}

// Newer GPUs do not tell where they slow down: there it is what holds the clocks down now.
bool IsHot(const GpuFacts& gpu, const DoctorThresholds& thresholds) {
  if (gpu.slowdown_celsius) {
    return gpu.reading.temperature_celsius() + thresholds.hot_margin_celsius >=
           *gpu.slowdown_celsius;
  }
  constexpr uint64_t kHeat = host::throttle::kHardwareThermal | host::throttle::kSoftwareThermal;
  return (gpu.reading.throttle_reasons() & kHeat) != 0;
}

void AddTemperature(const GpuFacts& gpu, const DoctorThresholds& thresholds,
                    DeviceFindings* findings) {
  if (!gpu.reading.has_temperature_celsius()) return;
  const v1::Severity severity = IsHot(gpu, thresholds) ? v1::SEVERITY_PROBLEM : v1::SEVERITY_OK;
  v1::Finding& found = findings->Add(severity, v1::FINDING_TEMPERATURE);
  found.set_celsius(gpu.reading.temperature_celsius());
  if (gpu.slowdown_celsius) found.set_expected_celsius(*gpu.slowdown_celsius);
}

// What holds the clocks down though there is work, or because something is wrong. Idle clocks and
// clocks that somebody set are neither.
void AddThrottling(const GpuFacts& gpu, DeviceFindings* findings) {
  using Cause = std::pair<uint64_t, v1::ThrottleCause>;
  static constexpr Cause kWrong[] = {
      {host::throttle::kHardwareThermal, v1::THROTTLE_HARDWARE_THERMAL},
      {host::throttle::kSoftwareThermal, v1::THROTTLE_DRIVER_THERMAL},
      {host::throttle::kPowerBrake, v1::THROTTLE_POWER_BRAKE}};
  const uint64_t reasons = gpu.reading.throttle_reasons();
  std::vector<v1::ThrottleCause> causes;
  for (const auto& [bit, cause] : kWrong) {
    if ((reasons & bit) != 0) causes.push_back(cause);
  }
  // The bit above the others: set with each of them, and alone where the hardware says no more.
  if (causes.empty() && (reasons & host::throttle::kHardwareSlowdown) != 0) {
    causes.push_back(v1::THROTTLE_HARDWARE);
  }
  if (!causes.empty()) {
    v1::Finding& found = findings->Add(v1::SEVERITY_PROBLEM, v1::FINDING_THROTTLED);
    for (const v1::ThrottleCause cause : causes) found.add_causes(cause);
  } else if ((reasons & host::throttle::kSoftwarePowerCap) != 0) {
    findings->Add(v1::SEVERITY_NOTE, v1::FINDING_THROTTLED).add_causes(v1::THROTTLE_POWER_LIMIT);
  }
}

v1::ProcessUse UseOf(const host::GpuProcess& process) {
  v1::ProcessUse use;
  use.set_pid(static_cast<int32_t>(process.pid));
  use.set_user(process.who.user);
  use.set_name(process.who.name);
  if (process.used_bytes) use.set_used_bytes(*process.used_bytes);
  use.set_only_draws(!process.computes);
  return use;
}

void AddProcesses(const GpuFacts& gpu, const v1::Device& device, const MachineFacts& facts,
                  const DoctorThresholds& thresholds, DeviceFindings* findings) {
  const bool is_busy =
      !IsRunning(device) && gpu.reading.utilisation_ratio() > thresholds.busy_ratio;
  for (const host::GpuProcess& process : gpu.processes) {
    const bool is_ours = process.who.parent == facts.daemon_pid;
    // Inside of a container nobody has a name: with a run of ours it may be our worker.
    const bool may_be_ours = process.who.name.empty() && IsRunning(device);
    if (is_ours || may_be_ours) continue;
    const bool disturbs = is_busy && process.computes;
    v1::Finding& found = findings->Add(disturbs ? v1::SEVERITY_PROBLEM : v1::SEVERITY_NOTE,
                                       v1::FINDING_FOREIGN_PROCESS);
    *found.mutable_process() = UseOf(process);
  }
}

void AddCanary(const v1::Device& device, const MachineFacts& facts,
               std::vector<v1::Finding>* findings) {
  const auto canary = facts.canaries.find(device.uuid());
  if (canary == facts.canaries.end()) return;
  findings->push_back(canary->second);
  findings->back().set_device(device.name());
}

void AddOffered(const MachineFacts& facts, const DoctorThresholds& thresholds,
                std::vector<v1::Finding>* findings) {
  for (const v1::Device& device : facts.devices) {
    DeviceFindings of_device(device.name(), findings);
    AddState(device, facts.nvml, &of_device);
    for (const GpuFacts& gpu : facts.gpus) {
      if (gpu.uuid != device.uuid()) continue;
      AddTemperature(gpu, thresholds, &of_device);
      AddThrottling(gpu, &of_device);
      for (const std::string& line : gpu.not_in_force) {
        of_device.Add(v1::SEVERITY_PROBLEM, v1::FINDING_SETTINGS_MISSING, line);
      }
      AddProcesses(gpu, device, facts, thresholds, &of_device);
    }
    AddCanary(device, facts, findings);
  }
}

void AddNotOffered(const MachineFacts& facts, std::vector<v1::Finding>* findings) {
  for (const host::LeftOutDevice& device : facts.nvml.left_out) {
    DeviceFindings(device.name, findings)
        .Add(v1::SEVERITY_PROBLEM,
             device.is_lost ? v1::FINDING_DEVICE_LOST : v1::FINDING_DEVICE_LEFT_OUT, device.reason);
  }
  for (const host::CudaDevice& cuda : facts.nvml.devices) {
    const bool is_offered =
        std::any_of(facts.devices.begin(), facts.devices.end(),
                    [&](const v1::Device& device) { return device.uuid() == cuda.uuid; });
    if (is_offered) continue;
    DeviceFindings(cuda.name, findings)
        .Add(v1::SEVERITY_NOTE, v1::FINDING_DEVICE_LEFT_OUT,
             "it was not there when the daemon started");
  }
}

}  // namespace

std::string WorkerProblem(const path& program, const std::string& torch_problem) {
  if (::access(program.c_str(), X_OK) == 0) return torch_problem;
  return program.string() + " is not there or cannot be executed";
}

MachineFacts LookAtMachine(const DoctorQuestion& question) {
  MachineFacts facts;
  facts.torch_folder = question.torch_folder;
  facts.worker_problem = Visible(WorkerProblem(question.worker_program, question.torch_problem));
  facts.devices = question.devices;
  facts.daemon_pid = ::getpid();
  facts.load_average = LoadAverage(question.root);
  facts.cores = static_cast<size_t>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 0L));
  facts.governors = Governors(question.root);
  facts.free_bytes = FreeBytes(question.state_folder);
  facts.state_lost = question.state_lost;
  facts.not_stored = question.not_stored;
  facts.canaries = question.canaries;
  const auto nvml = host::NvmlLibrary::Open(question.nvml_library);
  facts.nvml = host::AskNvml(nvml);
  for (const host::CudaDevice& device : facts.nvml.devices) {
    facts.gpus.push_back(LookAt(**nvml, device.uuid, question.root));
    facts.gpus.back().not_in_force = NotInForce(**nvml, device.uuid, question);
  }
  return facts;
}

std::vector<v1::Finding> Examine(const MachineFacts& facts, const DoctorThresholds& thresholds) {
  std::vector<v1::Finding> findings;
  AddMachine(facts, thresholds, &findings);
  AddOffered(facts, thresholds, &findings);
  AddNotOffered(facts, &findings);
  return findings;
}

}  // namespace torchlap::rpc
