#include "server/run/launch_runner.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>
#include <unistd.h>

#include <string_view>
#include <utility>
#include <vector>

#include "proto/base/clock.h"
#include "proto/words.h"
#include "server/host/cpu_list.h"
#include "server/host/state_folders.h"
#include "server/host/torch_folder.h"
#include "server/run/fit_search.h"
#include "server/run/next_run.h"
#include "server/run/run_assessment.h"
#include "server/run/run_follower.h"

extern char** environ;

namespace torchlap::run {
namespace {

constexpr int64_t kProgressIntervalNs = 1'000'000'000;

WorkerEnd CannotStart(StopCause cause, std::string detail) {
  WorkerEnd end;
  end.stop_cause = cause;
  end.stop_detail = std::move(detail);
  return end;
}

// LibTorch's folders; on CUDA behind them the daemon's own path, as in containers it alone may lead
// to the driver's libraries.
std::string WorkerLibraryPath(const host::HostDevice& device,
                              const host::Configuration& configuration) {
  std::string path =
      configuration.torch_folder.empty() ? "" : host::LibraryPath(configuration.torch_folder);
  const char* own = ::getenv("LD_LIBRARY_PATH");
  if (device.kind != v1::DEVICE_KIND_CUDA || own == nullptr || *own == '\0') return path;
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

GpuSurroundings SurroundingsOf(const host::NvmlLibrary* nvml, const std::string& uuid,
                               pid_t worker_pid, const host::DeviceTelemetry& telemetry) {
  GpuSurroundings gpu;
  gpu.worker_pid = worker_pid;
  gpu.uses = telemetry.Processes();
  if (nvml == nullptr) return gpu;
  const auto device = nvml->DeviceOf(uuid);
  if (!device.ok()) return gpu;
  if (const auto capability = nvml->ComputeCapability(*device); capability.ok()) {
    gpu.compute_capability = *capability;
  }
  if (auto processes = host::ProcessesOn(*nvml, *device); processes.ok()) {
    gpu.processes = *std::move(processes);
  }
  return gpu;
}

}  // namespace

LaunchRunner::LaunchRunner(const host::HostDevice* device, const DispatcherSetting* setting,
                           WakeUp* wake_up, std::function<StopCause(uint64_t job_id)> stop_cause)
    : device_(*device), setting_(*setting), wake_up_(wake_up), stop_cause_(std::move(stop_cause)) {}

LaunchResult LaunchRunner::Run(const storage::StartedRun& started) {
  const auto ruled_out = FindRuledOut(started);
  if (!ruled_out) return {RunTheWorker(started), std::nullopt};
  storage::FinishedRun skipped = RunRecord(started.run).FinishSkipped(ruled_out->failure);
  Assess(device_, {}, *setting_.runs, &skipped);
  return {std::move(skipped), ruled_out->instead};
}

storage::FinishedRun LaunchRunner::RunTheWorker(const storage::StartedRun& started) {
  const int64_t began_ns = MonotonicNs();
  v1::Readings readings = host::ReadReadings();
  RunRecord record(started.run);
  const bool is_cuda = device_.kind == v1::DEVICE_KIND_CUDA;
  host::DeviceTelemetry telemetry(is_cuda ? setting_.nvml : nullptr, device_.uuid,
                                  started.run.plan().telemetry(), &MonotonicNs);
  const std::optional<uint64_t> foreign_bytes = ForeignMemory();
  pid_t pid = 0;
  const WorkerEnd end = RunWorker(started, &telemetry, &pid, &record);
  storage::FinishedRun finished = std::move(record).Finish(
      end, host::EnvironmentOf(*setting_.facts, device_), MonotonicNs() - began_ns);
  finished.readings.MergeFrom(readings);
  for (v1::DeviceReading& reading : telemetry.Take()) {
    *finished.readings.add_device() = std::move(reading);
  }
  if (foreign_bytes) finished.run.mutable_memory()->set_device_foreign_bytes(*foreign_bytes);
  if (finished.run.outcome() == v1::OUTCOME_OUT_OF_MEMORY) {
    // The worker is gone by now: what is held is held by others.
    if (const auto held = ForeignMemory()) {
      finished.run.mutable_failure()->set_foreign_bytes(*held);
    }
  }
  Assess(device_, SurroundingsOf(setting_.nvml.get(), device_.uuid, pid, telemetry), *setting_.runs,
         &finished);
  spdlog::info("{}: run {} ended {} {}", device_.name, finished.run.run_id(),
               Word(finished.run.outcome()), finished.run.failure().detail());
  return finished;
}

std::optional<LaunchRunner::RuledOut> LaunchRunner::FindRuledOut(
    const storage::StartedRun& started) const {
  if (!started.run.workload().has_transformer_lm()) return std::nullopt;
  auto by_arithmetic =
      RuledOutByArithmetic(started.run.workload(), device_.name, device_.memory_bytes);
  if (by_arithmetic) return RuledOut{*std::move(by_arithmetic), std::nullopt};
  if (started.run.cause() != v1::CAUSE_FIRST) return std::nullopt;
  const NextTry::Size smallest = SmallestTry(TryOf(started.job, started.run));
  const auto failed = setting_.jobs->OutOfMemoryInSweep(
      started.job.job_id(), device_.uuid, smallest.batch_size, smallest.context_length);
  // An error here costs one try that could have been saved.
  if (failed.ok() && *failed) return RuledOut{RuledOutByRun(**failed), std::nullopt};
  return BeyondFrontier(started);
}

std::optional<LaunchRunner::RuledOut> LaunchRunner::BeyondFrontier(
    const storage::StartedRun& started) const {
  const auto frontier = setting_.runs->FindFrontier(started.run);
  if (!frontier.ok() || !*frontier) return std::nullopt;
  const NextTry::Size fits{(*frontier)->batch_size, (*frontier)->context_length};
  if (!MayShrinkTo(TryOf(started.job, started.run), fits)) return std::nullopt;
  RuledOut ruled_out;
  ruled_out.instead = fits;
  ruled_out.failure.set_detail(fmt::format(
      "not tried: run {} ran out of memory at batch {}, context {}, and batch {}, context {} fits",
      (*frontier)->too_big_run_id, (*frontier)->too_big_batch_size,
      (*frontier)->too_big_context_length, fits.batch_size, fits.context_length));
  return ruled_out;
}

std::optional<uint64_t> LaunchRunner::ForeignMemory() const {
  if (device_.kind != v1::DEVICE_KIND_CUDA || setting_.nvml == nullptr) return std::nullopt;
  return host::ForeignBytes(*setting_.nvml, device_.uuid, /*own_pid=*/0);
}

WorkerEnd LaunchRunner::RunWorker(const storage::StartedRun& started,
                                  host::DeviceTelemetry* telemetry, pid_t* pid, RunRecord* record) {
  if (!device_.problem.empty()) return CannotStart(StopCause::kDeviceUnusable, device_.problem);
  if (!setting_.torch_problem.empty()) {
    return CannotStart(StopCause::kCannotStart, setting_.torch_problem);
  }
  const v1::Run& run = started.run;
  const int64_t began_ns = MonotonicNs();
  auto worker = WorkerProcess::Start(Command(run.run_id()));
  if (!worker.ok()) {
    // No descriptors, processes or memory left: later there may be.
    return CannotStart(absl::IsResourceExhausted(worker.status()) ? StopCause::kNoResources
                                                                  : StopCause::kCannotStart,
                       std::string(worker.status().message()));
  }
  *pid = (*worker)->pid();
  FollowOrders orders;
  orders.deadline_ns = began_ns + run.plan().time_limit_ns();
  orders.grace = setting_.configuration->grace;
  orders.wake_up = wake_up_;
  orders.stop_cause = [this, &run] { return stop_cause_(run.job_id()); };
  orders.progressed = [this, record, reported_ns = int64_t{0}]() mutable {
    if (!setting_.hub->has_listeners() || MonotonicNs() - reported_ns < kProgressIntervalNs) return;
    reported_ns = MonotonicNs();
    setting_.hub->Report(record->progress());
  };
  orders.next_sample_ns = [telemetry] { return telemetry->NextSampleNs(); };
  orders.sample = [telemetry] { telemetry->Sample(); };
  telemetry->Begin();
  WorkerEnd end = FollowWorker(Request(run), orders, worker->get(), record);
  telemetry->End();
  return end;
}

WorkerCommand LaunchRunner::Command(const std::string& run_id) const {
  const host::Configuration& configuration = *setting_.configuration;
  WorkerCommand command;
  command.program = setting_.worker_program;
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
      "CUDA_VISIBLE_DEVICES=" + (device_.kind == v1::DEVICE_KIND_CUDA ? device_.uuid : ""),
  };
  if (const std::string path = WorkerLibraryPath(device_, configuration); !path.empty()) {
    command.environment.push_back("LD_LIBRARY_PATH=" + path);
  }
  if (device_.kind == v1::DEVICE_KIND_CUDA) {
    // Kernels that LibTorch compiles at run time are kept between runs.
    command.environment.push_back("PYTORCH_KERNEL_CACHE_PATH=" +
                                  host::KernelFolder(configuration.state_folder).string());
  }
  if (!configuration.worker_path.empty()) PassFakesThrough(&command.environment);
  return command;
}

v1::WorkerRequest LaunchRunner::Request(const v1::Run& run) const {
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
  if (device_.kind == v1::DEVICE_KIND_CUDA) {
    grant.set_uuid(device_.uuid);
  } else {
    grant.set_memory_limit_bytes(device_.memory_bytes);
  }
  return request;
}

}  // namespace torchlap::run
