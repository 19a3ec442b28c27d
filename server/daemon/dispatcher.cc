#include "server/daemon/dispatcher.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <utility>
#include <variant>

#include "proto/words.h"
#include "server/daemon/cpu_list.h"
#include "server/daemon/fair_order.h"
#include "server/daemon/oom_ladder.h"
#include "server/daemon/run_follower.h"
#include "server/daemon/state_folders.h"
#include "server/daemon/torch_folder.h"

extern char** environ;

namespace torchlap::daemon {
namespace {

// After an error of the database (a full disk, say) there is nothing to wait for but time.
constexpr int kRetryMs = 2000;
constexpr int64_t kProgressIntervalNs = 1'000'000'000;

WorkerEnd CannotStart(std::string detail) {
  WorkerEnd end;
  end.stop_cause = StopCause::kCannotStart;
  end.stop_detail = std::move(detail);
  return end;
}

storage::AfterRun AfterFailure(const v1::Run& run) {
  storage::AfterRun after;
  after.next = storage::AfterRun::Next::kJobFailed;
  after.reason = fmt::format("{}: {}", Word(run.outcome()), run.failure().detail());
  return after;
}

FailedTry TryOf(const storage::StartedRun& started, const v1::Run& run) {
  const v1::TransformerLm& model = run.workload().transformer_lm();
  FailedTry tried;
  tried.outcome = run.outcome();
  tried.batch_size = model.batch_size();
  tried.context_length = model.context_length();
  tried.policy = started.job.spec().oom();
  tried.purpose = run.purpose();
  return tried;
}

storage::AfterRun AfterMemoryRanOut(const storage::StartedRun& started, const v1::Run& run) {
  const NextTry next = AfterOutOfMemory(TryOf(started, run));
  storage::AfterRun after;
  if (next.size) {
    after.next = storage::AfterRun::Next::kTryAgain;
    after.batch_size = next.size->batch_size;
    after.context_length = next.size->context_length;
    return after;
  }
  after.next = storage::AfterRun::Next::kJobFailed;
  after.reason = next.reason;
  return after;
}

// A fake worker reads what it shall do from these; a real one is never given them.
void PassFakesThrough(std::vector<std::string>* environment) {
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::string_view(*variable).rfind("TORCHLAP_FAKE_", 0) == 0) {
      environment->emplace_back(*variable);
    }
  }
}

}  // namespace

std::vector<std::string> DeviceKeys(const HostDevice& device) {
  return {"uuid:" + device.uuid, fmt::format("class:{}", Word(device.kind)), "any"};
}

storage::AfterRun Next(const storage::StartedRun& started, const v1::Run& run) {
  using After = storage::AfterRun;
  switch (run.outcome()) {
    case v1::OUTCOME_OK:
      return After{};
    case v1::OUTCOME_OUT_OF_MEMORY:
      return AfterMemoryRanOut(started, run);
    case v1::OUTCOME_INTERRUPTED:
      return After{After::Next::kTryAgain, run.workload().transformer_lm().batch_size(),
                   run.workload().transformer_lm().context_length(), ""};
    case v1::OUTCOME_CANCELLED:
      return After{After::Next::kJobCancelled, 0, 0, "cancelled while running"};
    default:
      return AfterFailure(run);
  }
}

Dispatcher::Dispatcher(HostDevice device, DispatcherSetting setting)
    : device_(std::move(device)), setting_(std::move(setting)), device_keys_(DeviceKeys(device_)) {
  status_.set_name(device_.name);
  status_.set_uuid(device_.uuid);
  status_.set_kind(device_.kind);
  status_.set_model(device_.model);
  status_.set_cores(PrintCpuList(device_.cores));
  status_.set_memory_bytes(device_.memory_bytes);
}

Dispatcher::~Dispatcher() { Stop(); }

void Dispatcher::Start() {
  HoldDevice();
  thread_ = std::jthread([this] { Run(); });
}

void Dispatcher::Stop() {
  stopping_ = true;
  wake_up_.Notify();
}

void Dispatcher::Join() {
  if (thread_.joinable()) thread_.join();
}

void Dispatcher::Wake() { wake_up_.Notify(); }

v1::Device Dispatcher::Describe() const {
  MutexLock lock(&mutex_);
  return status_;
}

void Dispatcher::SetState(v1::DeviceState state, const std::string& run_id,
                          const std::string& detail) {
  MutexLock lock(&mutex_);
  status_.set_state(state);
  status_.set_run_id(run_id);
  status_.set_detail(detail);
  status_.clear_claimed_by_pid();
  status_.clear_claimed_by_user();
}

void Dispatcher::SetClaimedBy(const HeldBy& holder) {
  SetState(v1::DEVICE_STATE_CLAIMED, "",
           fmt::format("claimed by pid {}, user {}", holder.pid, holder.user));
  MutexLock lock(&mutex_);
  status_.set_claimed_by_pid(holder.pid);
  status_.set_claimed_by_user(holder.user);
}

void Dispatcher::Run() {
  while (!stopping_) {
    const bool worked = HoldDevice() && RunNext();
    if (!worked && !stopping_) Sleep(failed_);
  }
}

void Dispatcher::Sleep(bool after_error) {
  std::array<pollfd, 2> fds = {{{wake_up_.fd(), POLLIN, 0}, {claim_watch_.get(), POLLIN, 0}}};
  ::poll(fds.data(), fds.size(), after_error ? kRetryMs : -1);
  wake_up_.Clear();
}

bool Dispatcher::HoldDevice() {
  if (claim_) return true;
  // Its holder is still there. Asking again would leave one more connection in its queue.
  pollfd holder = {claim_watch_.get(), POLLIN, 0};
  if (claim_watch_ && ::poll(&holder, 1, 0) == 0) return false;
  claim_watch_.reset();
  return TryToHold();
}

bool Dispatcher::TryToHold() {
  auto answer = TryClaim(device_.claim_keys);
  failed_ = !answer.ok();
  if (failed_) {
    SetState(v1::DEVICE_STATE_UNAVAILABLE, "", std::string(answer.status().message()));
    return false;
  }
  if (auto* held = std::get_if<HeldBy>(&*answer)) {
    SetClaimedBy(*held);
    spdlog::info("{}: claimed by pid {}, user {}; waiting for its end", device_.name, held->pid,
                 held->user);
    claim_watch_ = std::move(held->watch_fd);
    return false;
  }
  claim_ = std::get<Claim>(std::move(*answer));
  SetState(v1::DEVICE_STATE_IDLE, "", "");
  return true;
}

bool Dispatcher::RunNext() {
  auto taken = TakeNext();
  failed_ = !taken.ok();
  if (failed_) {
    spdlog::error("{}: cannot take the next job: {}", device_.name,
                  std::string(taken.status().message()));
    return false;
  }
  if (!*taken) return false;
  const storage::StartedRun& started = **taken;
  SetState(v1::DEVICE_STATE_RUNNING, started.run.run_id(), "");
  setting_.hub->EventsCommitted();
  const storage::FinishedRun finished = RunLaunch(started);
  storage::AfterRun after = Next(started, finished.run);
  // Not by the daemon's stop, then: this host could not start a process. Later it may; but not for
  // ever.
  failed_ = finished.run.outcome() == v1::OUTCOME_INTERRUPTED && !stopping_;
  if (failed_) after.next = storage::AfterRun::Next::kInterrupted;
  Store(finished, after);
  SetState(v1::DEVICE_STATE_IDLE, "", "");
  setting_.hub->EventsCommitted();
  setting_.queue_changed();
  return !failed_;
}

absl::StatusOr<std::optional<storage::StartedRun>> Dispatcher::TakeNext() {
  const storage::DeviceIdentity identity{device_.name, device_.uuid, device_.model};
  while (!stopping_) {
    const int64_t now_ns = WallClockNs();
    auto heads = setting_.jobs->Heads(device_keys_, now_ns);
    if (!heads.ok()) return heads.status();
    const storage::QueueHead* head = ChooseNext(*heads);
    if (head == nullptr) return std::nullopt;
    auto started = setting_.jobs->Start(head->job_id, head->launch, identity, now_ns);
    if (started.ok()) return std::optional(*std::move(started));
    // Another device was first, or the job was cancelled: look again.
    if (!absl::IsAborted(started.status())) return started.status();
  }
  return std::nullopt;
}

storage::FinishedRun Dispatcher::RunLaunch(const storage::StartedRun& started) {
  const int64_t began_ns = MonotonicNs();
  v1::Readings readings = ReadReadings();
  RunRecord record(started.run);
  if (const auto ruled_out = RuledOut(started)) {
    return std::move(record).FinishSkipped(*ruled_out);
  }
  const WorkerEnd end = RunWorker(started, &record);
  storage::FinishedRun finished = std::move(record).Finish(
      end, EnvironmentOf(*setting_.facts, device_), MonotonicNs() - began_ns);
  finished.readings = std::move(readings);
  spdlog::info("{}: run {} ended {} {}", device_.name, finished.run.run_id(),
               Word(finished.run.outcome()), finished.run.failure().detail());
  return finished;
}

std::optional<v1::Failure> Dispatcher::RuledOut(const storage::StartedRun& started) const {
  auto by_arithmetic = RuledOutByArithmetic(started.run.workload().transformer_lm(), device_.name,
                                            device_.memory_bytes);
  if (by_arithmetic || started.run.cause() != v1::CAUSE_FIRST) return by_arithmetic;
  const NextTry::Size smallest = SmallestTry(TryOf(started, started.run));
  const auto failed = setting_.jobs->OutOfMemoryInSweep(
      started.job.job_id(), device_.uuid, smallest.batch_size, smallest.context_length);
  // An error here costs one try that could have been saved.
  if (!failed.ok() || !*failed) return std::nullopt;
  return RuledOutByRun(**failed);
}

WorkerEnd Dispatcher::RunWorker(const storage::StartedRun& started, RunRecord* record) {
  if (!setting_.torch_problem.empty()) return CannotStart(setting_.torch_problem);
  const v1::Run& run = started.run;
  const int64_t began_ns = MonotonicNs();
  auto worker = WorkerProcess::Start(Command(run.run_id()));
  if (!worker.ok()) return CannotStart(std::string(worker.status().message()));
  FollowOrders orders;
  orders.deadline_ns = began_ns + run.plan().time_limit_ns();
  orders.grace = setting_.configuration->grace;
  orders.wake_up = &wake_up_;
  orders.stop_cause = [this, &run] { return StopCauseOf(run.job_id()); };
  orders.progressed = [this, record, reported_ns = int64_t{0}]() mutable {
    if (!setting_.hub->has_listeners() || MonotonicNs() - reported_ns < kProgressIntervalNs) return;
    reported_ns = MonotonicNs();
    setting_.hub->Report(record->progress());
  };
  return FollowWorker(Request(run), orders, worker->get(), record);
}

StopCause Dispatcher::StopCauseOf(uint64_t job_id) {
  if (stopping_) return StopCause::kShutdown;
  const auto cancelled = setting_.jobs->CancelRequested(job_id);
  return cancelled.ok() && *cancelled ? StopCause::kCancel : StopCause::kNone;
}

void Dispatcher::Store(const storage::FinishedRun& finished, const storage::AfterRun& after) {
  for (;;) {
    const auto state = setting_.jobs->FinishRun(finished, after, WallClockNs());
    if (state.ok() || absl::IsAborted(state.status())) return;
    spdlog::error("{}: cannot store run {}: {}{}", device_.name, finished.run.run_id(),
                  std::string(state.status().message()),
                  stopping_ ? "; it will be run again" : "; trying again");
    SetState(v1::DEVICE_STATE_RUNNING, finished.run.run_id(),
             fmt::format("cannot store the run: {}", std::string(state.status().message())));
    if (stopping_) return;
    Sleep(/*after_error=*/true);
  }
}

WorkerCommand Dispatcher::Command(const std::string& run_id) const {
  const Configuration& configuration = *setting_.configuration;
  WorkerCommand command;
  command.program = setting_.worker_program;
  command.log_file = LogFile(configuration.state_folder, run_id);
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
  if (!configuration.torch_folder.empty()) {
    command.environment.push_back("LD_LIBRARY_PATH=" + LibraryPath(configuration.torch_folder));
  }
  if (!configuration.worker_path.empty()) PassFakesThrough(&command.environment);
  return command;
}

v1::WorkerRequest Dispatcher::Request(const v1::Run& run) const {
  v1::WorkerRequest request;
  request.set_run_id(run.run_id());
  *request.mutable_workload() = run.workload();
  *request.mutable_plan() = run.plan();
  if (run.purpose() == v1::PURPOSE_TRACE) {
    request.set_trace_path(TraceFile(setting_.configuration->state_folder, run.run_id()));
  }
  v1::DeviceGrant& grant = *request.mutable_device();
  grant.set_kind(device_.kind);
  grant.set_cores(PrintCpuList(device_.cores));
  grant.set_threads(device_.threads);
  if (device_.kind == v1::DEVICE_KIND_CUDA) {
    grant.set_uuid(device_.uuid);
  } else {
    grant.set_memory_limit_bytes(device_.memory_bytes);
  }
  return request;
}

}  // namespace torchlap::daemon
