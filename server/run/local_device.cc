#include "server/run/local_device.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "proto/base/clock.h"
#include "server/host/cpu_list.h"
#include "server/host/device_processes.h"
#include "server/host/device_telemetry.h"
#include "server/host/processor_use.h"
#include "server/host/state_folders.h"
#include "server/host/torch_folder.h"
#include "server/run/worker_family.h"

extern char** environ;

namespace torchlap::run {
namespace {

constexpr std::chrono::milliseconds kPatienceWithOthers{1000};

// LibTorch's folders; on CUDA behind them the daemon's own path, as in containers it alone may lead
// to the driver's libraries.
std::string WorkerLibraryPath(bool is_cuda, const host::Configuration& configuration) {
  std::string path =
      configuration.torch_folder.empty() ? "" : host::LibraryPath(configuration.torch_folder);
  const char* own = ::getenv("LD_LIBRARY_PATH");
  if (!is_cuda || own == nullptr || *own == '\0') return path;
  if (!path.empty()) path += ":";
  return path + own;
}

// A fake worker reads what it shall do from these; a real one is never given them.
void PassFakesThrough(std::vector<std::string>* environment) {
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::string_view(*variable).rfind("TORCHLAP_FAKE_", 0) == 0) {
      environment->emplace_back(*variable);
    }
  }
}

// What NVML tells; without it nothing.
class LocalTelemetry final : public Telemetry {
 public:
  LocalTelemetry(std::shared_ptr<const host::NvmlLibrary> nvml, const std::string& uuid,
                 v1::Telemetry mode)
      : nvml_(nvml), uuid_(uuid), telemetry_(std::move(nvml), uuid, mode, &SystemClock()) {}

  void Begin(pid_t worker) override {
    worker_ = worker;
    telemetry_.Begin(worker);
  }
  void End() override { telemetry_.End(); }
  std::optional<int64_t> NextSampleNs() const override { return telemetry_.NextSampleNs(); }
  void Sample() override { telemetry_.Sample(); }
  void Measured(int64_t from_ns, bool has_ended) override {
    telemetry_.Measured(from_ns, has_ended);
  }
  std::vector<v1::DeviceReading> Take() override { return telemetry_.Take(); }

  GpuSurroundings Around() const override {
    GpuSurroundings gpu;
    gpu.worker_pid = worker_;
    gpu.use = telemetry_.Use();
    gpu.xids = telemetry_.xids();
    if (nvml_ == nullptr) return gpu;
    const auto device = nvml_->DeviceOf(uuid_);
    if (!device.ok()) return gpu;
    if (const auto capability = nvml_->ComputeCapability(*device); capability.ok()) {
      gpu.compute_capability = *capability;
    }
    return gpu;
  }

 private:
  const std::shared_ptr<const host::NvmlLibrary> nvml_;
  const std::string uuid_;
  host::DeviceTelemetry telemetry_;
  pid_t worker_ = 0;
};

// The claim goes on watching its own.
host::HeldBy CopyOf(const host::HeldBy& holder) {
  host::HeldBy copy;
  copy.key = holder.key;
  copy.pid = holder.pid;
  copy.uid = holder.uid;
  copy.user = holder.user;
  copy.watch_fd.reset(::fcntl(holder.watch_fd.get(), F_DUPFD_CLOEXEC, 0));
  copy.may_lapse = holder.may_lapse;
  return copy;
}

}  // namespace

LocalDevice::LocalDevice(host::HostDevice device, const LocalSetting* setting)
    : device_(std::move(device)), setting_(*setting) {
  if (device_.wanted.any() && setting_.journal != nullptr) {
    settled_.emplace(device_.uuid, device_.wanted, setting_.journal);
  }
}

// While its claim is still held.
LocalDevice::~LocalDevice() {
  if (!settled_ || !settled_->has_changes()) return;
  const auto find = [this](const std::string& uuid) {
    return host::FindSettableGpu(kept_open_ != nullptr ? kept_open_ : Nvml(), uuid);
  };
  const host::RestoreReport report = host::RestoreSettings(find, setting_.journal, device_.uuid);
  for (const auto& line : report.restored) spdlog::info("{}: restored: {}", device_.name, line);
  for (const auto& line : report.left) spdlog::warn("{}: {}", device_.name, line);
  for (const auto& line : report.failed) {
    spdlog::error("{}: cannot restore {}; torchlapd --restore-devices tries again", device_.name,
                  line);
  }
}

absl::StatusOr<std::optional<host::HeldBy>> LocalDevice::TryToHold() {
  if (claim_) return std::nullopt;
  const auto locks = LockFolder();
  if (!locks.ok()) return locks.status();
  auto answer = host::TryClaim(device_.claim_keys, *locks);
  if (!answer.ok()) return answer.status();
  if (auto* held = std::get_if<host::HeldBy>(&*answer)) return std::optional(std::move(*held));
  claim_ = std::get<host::Claim>(std::move(*answer));
  return std::nullopt;
}

absl::StatusOr<std::filesystem::path> LocalDevice::LockFolder() const {
  if (!setting_.configuration->system) return std::filesystem::path();
  const std::filesystem::path folder = setting_.configuration->runtime_folder / "claims";
  absl::Status made = host::MakeRuntimeFolder(folder, host::RuntimeAccess::kOwnerOnly);
  if (!made.ok()) return made;
  return folder;
}

std::optional<host::HeldBy> LocalDevice::UsedByAnother() {
  if (!claim_) return std::nullopt;
  claim_->LookAgain();
  const std::vector<host::HeldBy>& others = claim_->others();
  const std::optional<size_t> user = FirstThatCounts(others);
  if (user) return CopyOf(others[*user]);
  WarnOf(others);
  return std::nullopt;
}

// To use a GPU is to have been able to open it. Cores, also those that a GPU's worker has, are
// everybody's: there the holder, or what it has started, computes.
std::optional<size_t> LocalDevice::FirstThatCounts(const std::vector<host::HeldBy>& others) const {
  std::vector<host::ProcessOwner> holders;
  for (size_t i = 0; i < others.size(); ++i) {
    const host::HeldBy& holder = others[i];
    if (host::CountsAlways(holder)) return i;
    holders.push_back({holder.pid, holder.uid});
    if (!is_cuda() || !holder.answers) continue;
    const auto nvml = Nvml();
    if (nvml != nullptr && host::UsesGpu(*nvml, device_.uuid, holder.uid)) return i;
  }
  const bool has_own_cores = !is_cuda() || device_.claim_keys.size() > 1;
  return has_own_cores ? host::FirstToComputeOn(device_.cores, holders) : std::nullopt;
}

void LocalDevice::WarnOf(const std::vector<host::HeldBy>& ignored) {
  std::vector<std::string> warnings;
  for (const host::HeldBy& holder : ignored) {
    warnings.push_back(
        holder.answers
            ? fmt::format("claim {} of pid {}, user {}: ignored, as that account does not use the "
                          "device",
                          holder.key, holder.pid, holder.user)
            : fmt::format("claim {}: ignored, as who holds it does not answer", holder.key));
    const bool is_known =
        std::find(warnings_.begin(), warnings_.end(), warnings.back()) != warnings_.end();
    if (!is_known) spdlog::warn("{}: {}", device_.name, warnings.back());
  }
  warnings_ = std::move(warnings);
}

SettleLook LocalDevice::Settle() {
  SettleLook look;
  look.window = device_.settle;
  if (!look.window && !device_.wanted.any()) return look;
  const auto nvml = Nvml();
  look.not_in_force = SetAsWanted(nvml);
  if (nvml == nullptr) return look;
  const auto device = nvml->DeviceOf(device_.uuid);
  if (!device.ok()) return look;
  if (look.window && look.window->idle_ns > 0) {
    look.others_worked_ns_ago =
        host::LastWorkOn(*nvml, device_.uuid, SystemClock().WallNs(), last_worker_);
  }
  const auto celsius = nvml->TemperatureCelsius(nvml->GpuOf(*device));
  if (celsius.ok()) look.celsius = *celsius;
  return look;
}

std::vector<std::string> LocalDevice::SetAsWanted(
    const std::shared_ptr<const host::NvmlLibrary>& nvml) {
  if (!device_.wanted.any()) return {};
  if (!settled_) return {"nothing is set: the journal of settings cannot be read"};
  const auto gpu = host::FindSettableGpu(nvml, device_.uuid);
  if (!gpu.ok()) return {"nothing is set: " + std::string(gpu.status().message())};
  std::vector<std::string> lines = settled_->Apply(gpu->get());
  kept_open_ = settled_->has_changes() ? nvml : nullptr;
  return lines;
}

absl::StatusOr<std::unique_ptr<Worker>> LocalDevice::Start(const std::string& run_id) {
  if (!device_.problem.empty()) return absl::FailedPreconditionError(device_.problem);
  if (!setting_.torch_problem.empty()) return absl::UnavailableError(setting_.torch_problem);
  // Of an earlier daemon too: it may have been killed a moment ago.
  const std::vector<pid_t> left =
      WorkerFamily::Own().EndStrays(device_.claim_keys, kPatienceWithOthers);
  if (!left.empty()) {
    return absl::ResourceExhaustedError(fmt::format(
        "process {}, which an earlier worker here was or started, is still there", left.front()));
  }
  auto worker = WorkerProcess::Start(Command(run_id));
  if (!worker.ok()) return worker.status();
  last_worker_ = (*worker)->pid();
  return std::unique_ptr<Worker>(*std::move(worker));
}

WorkerCommand LocalDevice::Command(const std::string& run_id) const {
  const host::Configuration& configuration = *setting_.configuration;
  WorkerCommand command;
  command.program = setting_.worker_program;
  command.claim_keys = device_.claim_keys;
  command.log_file = host::LogFile(configuration.state_folder, run_id);
  // An allow-list: no variable that changes what is measured leaks in from the daemon's
  // environment.
  command.environment = {
      "PATH=/usr/bin:/bin",
      "LANG=C.UTF-8",
      fmt::format("TORCHLAP_PARENT_PID={}", ::getpid()),
      fmt::format("OMP_NUM_THREADS={}", device_.threads),
      // Threads that spin at barriers make steps many times slower now and then on busy cores.
      "OMP_WAIT_POLICY=PASSIVE",
      "CUDA_VISIBLE_DEVICES=" + (is_cuda() ? device_.uuid : ""),
  };
  if (const std::string path = WorkerLibraryPath(is_cuda(), configuration); !path.empty()) {
    command.environment.push_back("LD_LIBRARY_PATH=" + path);
  }
  if (is_cuda()) {
    // Kernels that LibTorch compiles at run time are kept between runs.
    command.environment.push_back("PYTORCH_KERNEL_CACHE_PATH=" +
                                  host::KernelFolder(configuration.state_folder).string());
  }
  if (!configuration.worker_path.empty()) PassFakesThrough(&command.environment);
  return command;
}

v1::WorkerRequest LocalDevice::Request(const v1::Run& run) const {
  v1::WorkerRequest request;
  request.set_run_id(run.run_id());
  *request.mutable_workload() = run.workload();
  *request.mutable_plan() = run.plan();
  if (run.purpose() == v1::PURPOSE_TRACE) {
    request.set_trace_path(host::TraceFile(setting_.configuration->state_folder, run.run_id()));
  }
  v1::DeviceGrant& grant = *request.mutable_device();
  grant.set_kind(device_.kind);
  grant.set_cores(host::PrintCpuList(device_.cores));
  grant.set_threads(device_.threads);
  if (is_cuda()) {
    grant.set_uuid(device_.uuid);
  } else {
    grant.set_memory_limit_bytes(device_.memory_bytes);
  }
  return request;
}

// Fakes have other names.
bool LocalDevice::KeepsTime() const {
  return setting_.worker_program.filename() == "torchlap-worker";
}

v1::Environment LocalDevice::Environment() const {
  v1::Environment environment = host::EnvironmentOf(*setting_.facts, device_);
  if (const auto nvml = Nvml()) host::AddGpuSettings(*nvml, device_.uuid, &environment);
  if (settled_) environment.set_gpu_locked_clocks(settled_->locked_clocks());
  return environment;
}

v1::Readings LocalDevice::Readings() const { return host::ReadReadings(); }

std::shared_ptr<const host::NvmlLibrary> LocalDevice::Nvml() const {
  return is_cuda() && setting_.nvml != nullptr ? setting_.nvml->Get() : nullptr;
}

std::unique_ptr<Telemetry> LocalDevice::Watch(v1::Telemetry mode) const {
  return std::make_unique<LocalTelemetry>(Nvml(), device_.uuid, mode);
}

std::optional<uint64_t> LocalDevice::ForeignBytes() const {
  const auto nvml = Nvml();
  if (nvml == nullptr) return std::nullopt;
  return host::ForeignBytes(*nvml, device_.uuid, /*own_pid=*/0);
}

std::optional<host::ForeignWork> LocalDevice::OthersNow() const {
  const auto nvml = Nvml();
  if (nvml == nullptr) return std::nullopt;
  return host::ForeignWorkOn(*nvml, device_.uuid, SystemClock().WallNs(), last_worker_);
}

std::optional<uint64_t> LocalDevice::MemoryKills() const { return host::KernelMemoryKills(); }

}  // namespace torchlap::run
