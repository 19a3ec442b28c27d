#include "server/run/dispatcher.h"

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>

#include <array>
#include <utility>
#include <variant>

#include "proto/base/clock.h"
#include "proto/words.h"
#include "server/host/cpu_list.h"
#include "server/run/fair_order.h"
#include "server/run/fit_search.h"
#include "server/run/next_run.h"

namespace torchlap::run {
namespace {

// What a run needs to know of the job's runs before it.
void Prepare(const std::vector<v1::Run>& earlier, storage::StartedRun* started) {
  v1::Run& run = started->run;
  if (run.purpose() == v1::PURPOSE_FIT) {
    *run.mutable_plan() = FitPlan(started->job.spec(), earlier);
  }
  if (const uint32_t tries = ContaminatedTries(run.launch(), earlier); tries > 0) {
    run.set_contaminated_tries(tries);
  }
}

// After an error of the database (a full disk, say) there is nothing to wait for but time.
constexpr int kRetryMs = 2000;
}  // namespace

std::vector<std::string> DeviceKeys(const host::HostDevice& device) {
  if (device.only_by_name) return {"uuid:" + device.uuid};
  return {"uuid:" + device.uuid, fmt::format("class:{}", Word(device.kind)), "any"};
}

Dispatcher::Dispatcher(host::HostDevice device, DispatcherSetting setting)
    : device_(std::move(device)),
      setting_(std::move(setting)),
      device_keys_(DeviceKeys(device_)),
      runner_(&device_, &setting_, &wake_up_,
              [this](uint64_t job_id) { return StopCauseOf(job_id); }) {
  status_.set_name(device_.name);
  status_.set_uuid(device_.uuid);
  status_.set_kind(device_.kind);
  status_.set_model(device_.model);
  status_.set_cores(host::PrintCpuList(device_.cores));
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

void Dispatcher::SetIdle() {
  SetState(device_.problem.empty() ? v1::DEVICE_STATE_IDLE : v1::DEVICE_STATE_UNAVAILABLE, "",
           device_.problem);
}

void Dispatcher::SetClaimedBy(const host::HeldBy& holder) {
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
  auto answer = host::TryClaim(device_.claim_keys);
  failed_ = !answer.ok();
  if (failed_) {
    SetState(v1::DEVICE_STATE_UNAVAILABLE, "", std::string(answer.status().message()));
    return false;
  }
  if (auto* held = std::get_if<host::HeldBy>(&*answer)) {
    SetClaimedBy(*held);
    spdlog::info("{}: claimed by pid {}, user {}; waiting for its end", device_.name, held->pid,
                 held->user);
    claim_watch_ = std::move(held->watch_fd);
    return false;
  }
  claim_ = std::get<host::Claim>(std::move(*answer));
  SetIdle();
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
  storage::StartedRun& started = **taken;
  const std::vector<v1::Run> earlier = EarlierRuns(started);
  Prepare(earlier, &started);
  SetState(v1::DEVICE_STATE_RUNNING, started.run.run_id(), "");
  setting_.hub->EventsCommitted();
  const auto [finished, instead] = runner_.Run(started);
  storage::AfterRun after = instead ? TryInstead(*instead) : Next(started, finished.run, earlier);
  // Not by the daemon's stop, then: this host could not start a process. Later it may; but not for
  // ever.
  failed_ = finished.run.outcome() == v1::OUTCOME_INTERRUPTED && !stopping_;
  if (failed_) after.next = storage::AfterRun::Next::kInterrupted;
  Store(finished, after);
  SetIdle();
  setting_.hub->EventsCommitted();
  setting_.queue_changed();
  return !failed_;
}

absl::StatusOr<std::optional<storage::StartedRun>> Dispatcher::TakeNext() {
  const storage::DeviceIdentity identity{device_.name, device_.uuid, device_.model};
  while (!stopping_) {
    const int64_t now_ns = WallNs();
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

std::vector<v1::Run> Dispatcher::EarlierRuns(const storage::StartedRun& started) const {
  std::vector<v1::Run> earlier;
  if (started.run.number() == 1) return earlier;
  const auto job = setting_.jobs->Get(started.job.job_id());
  if (!job.ok()) return earlier;
  for (const v1::Run& run : job->runs()) {
    if (run.number() < started.run.number()) earlier.push_back(run);
  }
  return earlier;
}

StopCause Dispatcher::StopCauseOf(uint64_t job_id) {
  if (stopping_) return StopCause::kShutdown;
  const auto cancelled = setting_.jobs->CancelRequested(job_id);
  return cancelled.ok() && *cancelled ? StopCause::kCancel : StopCause::kNone;
}

void Dispatcher::Store(const storage::FinishedRun& finished, const storage::AfterRun& after) {
  for (;;) {
    const auto state = setting_.jobs->FinishRun(finished, after, WallNs());
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

}  // namespace torchlap::run
