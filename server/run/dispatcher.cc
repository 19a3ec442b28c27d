#include "server/run/dispatcher.h"

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <utility>

#include "proto/words.h"
#include "server/host/cpu_list.h"
#include "server/run/fair_order.h"
#include "server/run/fit_search.h"
#include "server/run/next_run.h"
#include "storage/row_damage.h"

namespace torchlap::run {
namespace {

constexpr int64_t kLookAgainNs = 5'000'000'000;

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

}  // namespace

std::vector<std::string> DeviceKeys(const host::HostDevice& device) {
  if (device.only_by_name) return {"uuid:" + device.uuid};
  return {"uuid:" + device.uuid, fmt::format("class:{}", Word(device.kind)), "any"};
}

Dispatcher::Dispatcher(std::unique_ptr<Place> place, DispatcherSetting setting)
    : place_(std::move(place)),
      device_(place_->device()),
      setting_(setting),
      device_keys_(DeviceKeys(device_)),
      runner_(place_.get(), &setting_, &wake_up_,
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
  // Asked again by the thread where it failed.
  HoldDevice().IgnoreError();
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

std::optional<int64_t> Dispatcher::idle_since_ns() const {
  MutexLock lock(&mutex_);
  return idle_since_ns_;
}

StorageTrouble Dispatcher::trouble() const {
  MutexLock lock(&mutex_);
  return trouble_;
}

void Dispatcher::SetTrouble(StorageTrouble trouble) {
  {
    MutexLock lock(&mutex_);
    if (trouble.why == trouble_.why && trouble.unstored_job_id == trouble_.unstored_job_id) return;
    trouble_ = std::move(trouble);
  }
  setting_.hub->EventsCommitted();
}

void Dispatcher::SetState(v1::DeviceState state, const std::string& run_id,
                          const std::string& detail) {
  MutexLock lock(&mutex_);
  if (state != v1::DEVICE_STATE_IDLE) {
    idle_since_ns_.reset();
  } else if (!idle_since_ns_) {
    idle_since_ns_ = setting_.clock->MonotonicNs();
  }
  status_.set_state(state);
  status_.set_run_id(run_id);
  status_.set_detail(detail);
  status_.clear_claimed_by_pid();
  status_.clear_claimed_by_user();
}

void Dispatcher::SetUser(const std::string& user) {
  MutexLock lock(&mutex_);
  status_.set_user(user);
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
    const absl::StatusOr<bool> worked = WorkOnce();
    if (!worked.ok()) {
      // Others wake this thread meanwhile: that heals nothing.
      SetState(v1::DEVICE_STATE_UNAVAILABLE, "", std::string(worked.status().message()));
      // Who waits for the device is told what for.
      setting_.hub->EventsCommitted();
      Pause(backoff_.NextNs());
      if (held_) SetIdle();
      setting_.hub->EventsCommitted();
      continue;
    }
    backoff_.Succeeded();
    if (!*worked && !stopping_) Sleep();
  }
}

absl::StatusOr<bool> Dispatcher::WorkOnce() {
  const absl::StatusOr<bool> held = HoldDevice();
  if (!held.ok() || !*held) return held;
  return RunNext();
}

void Dispatcher::Sleep() {
  std::array<pollfd, 2> fds = {{{wake_up_.fd(), POLLIN, 0}, {claim_watch_.get(), POLLIN, 0}}};
  setting_.clock->Poll(fds.data(), fds.size(), std::min(ask_again_ns_, look_again_ns_));
  wake_up_.Clear();
}

void Dispatcher::Pause(int64_t length_ns) {
  const int64_t until_ns = setting_.clock->MonotonicNs() + length_ns;
  while (!stopping_ && setting_.clock->MonotonicNs() < until_ns) {
    pollfd wake = {wake_up_.fd(), POLLIN, 0};
    setting_.clock->Poll(&wake, 1, until_ns);
    wake_up_.Clear();
  }
}

bool Dispatcher::WaitOut(const std::string& failure, const std::string& run_id, Backoff* backoff) {
  spdlog::error("{}: {}{}", device_.name, failure,
                stopping_ ? "; run " + run_id + " will be run again" : "; trying again");
  SetState(v1::DEVICE_STATE_RUNNING, run_id, failure);
  Pause(backoff->NextNs());
  return !stopping_;
}

absl::StatusOr<bool> Dispatcher::HoldDevice() {
  // Asking again would leave one more connection in its holder's queue.
  if (GivesWay()) return false;
  claim_watch_.reset();
  ask_again_ns_ = Clock::kNever;
  if (held_) {
    if (Describe().state() == v1::DEVICE_STATE_CLAIMED) SetIdle();
    return true;
  }
  auto other = place_->TryToHold();
  if (!other.ok()) {
    SetState(v1::DEVICE_STATE_UNAVAILABLE, "", std::string(other.status().message()));
    return other.status();
  }
  if (*other) {
    GiveWay(**std::move(other));
    return false;
  }
  held_ = true;
  SetIdle();
  setting_.hub->EventsCommitted();
  return !IsUsedByAnother();
}

bool Dispatcher::GivesWay() const {
  const bool waits = claim_watch_ || ask_again_ns_ != Clock::kNever;
  if (!waits || setting_.clock->MonotonicNs() >= ask_again_ns_) return false;
  pollfd holder = {claim_watch_.get(), POLLIN, 0};
  return ::poll(&holder, 1, 0) == 0;
}

void Dispatcher::GiveWay(host::HeldBy holder) {
  SetClaimedBy(holder);
  // A claim that may lapse is found again and again.
  if (gave_way_to_ != holder.user) {
    spdlog::info("{}: claimed by pid {}, user {}; waiting for its end", device_.name, holder.pid,
                 holder.user);
    setting_.hub->EventsCommitted();
  }
  gave_way_to_ = holder.user;
  claim_watch_ = std::move(holder.watch_fd);
  // Without a descriptor its end is not seen.
  if (!holder.may_lapse && claim_watch_) return;
  const std::chrono::nanoseconds pace = setting_.claim_pace;
  ask_again_ns_ = setting_.clock->MonotonicNs() + pace.count();
}

bool Dispatcher::IsUsedByAnother() {
  auto other = place_->UsedByAnother();
  if (!other) {
    gave_way_to_.clear();
    return false;
  }
  GiveWay(*std::move(other));
  return true;
}

absl::StatusOr<bool> Dispatcher::RunNext() {
  auto taken = TakeNext();
  if (!taken.ok()) {
    spdlog::error("{}: cannot take the next job: {}", device_.name,
                  std::string(taken.status().message()));
    SetTrouble({TroubleWords(taken.status()), 0});
    return taken.status();
  }
  SetTrouble({});
  if (!*taken) return false;
  if (absl::Status ran = RunStarted(**std::move(taken)); !ran.ok()) return ran;
  return true;
}

absl::Status Dispatcher::RunStarted(Taken taken) {
  storage::StartedRun& started = taken.started;
  SetState(v1::DEVICE_STATE_RUNNING, started.run.run_id(), "");
  SetUser(started.job.user());
  setting_.hub->EventsCommitted();
  const absl::StatusOr<std::vector<v1::Run>> earlier = EarlierRuns(started);
  // Its run stays without an outcome: the next daemon queues the launch again.
  if (absl::IsAborted(earlier.status())) return absl::OkStatus();
  if (!earlier.ok()) {
    SetAside(std::move(started), earlier.status());
    return absl::OkStatus();
  }
  Prepare(*earlier, &started);
  const int64_t began_ns = setting_.clock->MonotonicNs();
  const auto [finished, instead] =
      taken.refused.empty() ? runner_.Run(started, settle_wait_.Take())
                            : LaunchResult{runner_.Refuse(started, taken.refused), std::nullopt};
  // Meanwhile the others waited for our own run.
  if (busy_since_ns_) *busy_since_ns_ += setting_.clock->MonotonicNs() - began_ns;
  // What was skipped has warmed nothing.
  if (finished.run.outcome() != v1::OUTCOME_SKIPPED) {
    settle_wait_.NotIdle(setting_.clock->MonotonicNs());
  }
  Store(finished, instead ? TryInstead(*instead) : Next(started, finished.run, *earlier));
  SetUser("");
  SetIdle();
  setting_.hub->EventsCommitted();
  const bool no_room = finished.run.outcome() == v1::OUTCOME_INTERRUPTED && !stopping_;
  return no_room ? absl::ResourceExhaustedError(finished.run.failure().detail()) : absl::OkStatus();
}

absl::StatusOr<std::optional<Dispatcher::Taken>> Dispatcher::TakeNext() {
  const storage::DeviceIdentity identity{device_.name, device_.uuid, device_.model};
  bool is_ours = false;
  while (!stopping_) {
    const int64_t now_ns = setting_.clock->WallNs();
    auto heads = setting_.jobs->Heads(device_keys_, now_ns);
    if (!heads.ok()) return heads.status();
    // Only where there is a launch, as the look costs time.
    if (!is_ours && ChooseNext(*heads) != nullptr) {
      if (IsUsedByAnother()) return std::nullopt;
      is_ours = true;
    }
    auto choice = Choose(*std::move(heads));
    if (!choice.ok()) return choice.status();
    if (!*choice) return std::nullopt;
    const storage::QueueHead& head = (*choice)->head;
    auto started = setting_.jobs->Start(head.job_id, head.launch, identity, now_ns);
    if (started.ok()) return Taken{*std::move(started), std::move((*choice)->refused)};
    if (absl::IsFailedPrecondition(started.status())) {
      // It was set aside, and its watchers are told: the next one may do better.
      spdlog::error("{}: {}", device_.name, std::string(started.status().message()));
      setting_.hub->EventsCommitted();
      continue;
    }
    // Another device was first, or the job was cancelled: look again.
    if (!absl::IsAborted(started.status())) return started.status();
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<Dispatcher::Choice>> Dispatcher::Choose(
    std::vector<storage::QueueHead> heads) {
  if (heads.empty()) {
    settle_wait_.NobodyWaits();
    EndBusy();
    return std::nullopt;
  }
  const std::optional<host::ForeignWork> others = place_->OthersNow();
  const bool is_beside_others = others && !others->computing.empty();
  if (is_beside_others) settle_wait_.NotIdle(setting_.clock->MonotonicNs());
  std::string why;
  while (const storage::QueueHead* head = ChooseNext(heads)) {
    const absl::StatusOr<BusyVerdict> verdict = LookAt(*head, others);
    if (!verdict.ok()) return verdict.status();
    if (verdict->next == BusyVerdict::Next::kGo && !HasSettled(is_beside_others)) {
      return std::nullopt;
    }
    if (verdict->next != BusyVerdict::Next::kWait) {
      EndBusy();
      return Choice{*head, verdict->reason};
    }
    if (why.empty()) why = verdict->reason;
    heads.erase(heads.begin() + (head - heads.data()));
  }
  settle_wait_.NobodyWaits();
  SetBusy(why, setting_.clock->MonotonicNs() + kLookAgainNs);
  return std::nullopt;
}

bool Dispatcher::HasSettled(bool is_beside_others) {
  SettleLook look = place_->Settle();
  look.is_beside_others = is_beside_others;
  const SettleWait::Verdict verdict = settle_wait_.Look(look, setting_.clock->MonotonicNs());
  SetNotInForce(std::move(look.not_in_force));
  if (verdict.why.empty()) return true;
  SetBusy(verdict.why, verdict.look_again_ns);
  return false;
}

void Dispatcher::SetNotInForce(std::vector<std::string> lines) {
  MutexLock lock(&mutex_);
  for (const std::string& line : lines) {
    const bool is_news =
        std::find(not_in_force_.begin(), not_in_force_.end(), line) == not_in_force_.end();
    if (is_news) spdlog::warn("{}: {}; its runs say so", device_.name, line);
  }
  not_in_force_ = std::move(lines);
}

std::vector<std::string> Dispatcher::not_in_force() const {
  MutexLock lock(&mutex_);
  return not_in_force_;
}

absl::StatusOr<BusyVerdict> Dispatcher::LookAt(const storage::QueueHead& head,
                                               const std::optional<host::ForeignWork>& others) {
  if (!others || IsQuiet(*others, device_.memory_bytes)) {
    busy_since_ns_.reset();
    return BusyVerdict();
  }
  const auto job = setting_.jobs->Get(head.job_id);
  // What is wrong with the row is said by who starts it.
  if (absl::IsNotFound(job.status()) || storage::IsRowDamaged(job.status())) return BusyVerdict();
  if (!job.ok()) return job.status();
  const uint64_t most = MostForeignBytes(*job, head.launch, device_.memory_bytes);
  const auto why = WhyBusy(*others, most, device_.memory_bytes);
  if (!why) return BusyVerdict();
  const int64_t now_ns = setting_.clock->MonotonicNs();
  if (!busy_since_ns_) busy_since_ns_ = now_ns;
  const int64_t waited_ns =
      std::min(now_ns - *busy_since_ns_, setting_.clock->WallNs() - job->submitted_at_ns());
  return JudgeBusy(job->spec().if_busy(), *why, waited_ns);
}

void Dispatcher::SetBusy(const std::string& why, int64_t look_again_ns) {
  look_again_ns_ = look_again_ns;
  const v1::Device now = Describe();
  const bool was_busy = now.state() == v1::DEVICE_STATE_BUSY;
  if (was_busy && now.detail() == why) return;
  SetState(v1::DEVICE_STATE_BUSY, "", why);
  // A temperature that falls is no news for a log.
  if (!was_busy) spdlog::info("{}: {}; waiting", device_.name, why);
  setting_.hub->EventsCommitted();
}

void Dispatcher::EndBusy() {
  look_again_ns_ = Clock::kNever;
  if (Describe().state() != v1::DEVICE_STATE_BUSY) return;
  SetIdle();
  setting_.hub->EventsCommitted();
}

void Dispatcher::SetAside(storage::StartedRun started, const absl::Status& why) {
  const std::string reason =
      fmt::format("launch {} of job {} was set aside: its earlier runs cannot be read: {}",
                  started.run.launch(), started.run.job_id(), std::string(why.message()));
  spdlog::error("{}: {}", device_.name, reason);
  storage::FinishedRun finished;
  finished.run = std::move(started.run);
  finished.run.set_outcome(v1::OUTCOME_INTERRUPTED);
  finished.run.mutable_failure()->set_detail(reason);
  storage::AfterRun after;
  after.next = storage::AfterRun::Next::kSetAside;
  after.reason = reason;
  Store(finished, after);
  SetUser("");
  SetIdle();
  setting_.hub->EventsCommitted();
}

absl::StatusOr<std::vector<v1::Run>> Dispatcher::EarlierRuns(const storage::StartedRun& started) {
  std::vector<v1::Run> earlier;
  if (started.run.number() == 1) return earlier;
  Backoff backoff;
  for (;;) {
    auto job = setting_.jobs->Get(started.job.job_id());
    if (job.ok()) {
      SetTrouble({});
      for (v1::Run& run : *job->mutable_runs()) {
        if (run.number() < started.run.number()) earlier.push_back(std::move(run));
      }
      return earlier;
    }
    // Damage does not heal while a daemon has the file: trying again would hold the device for
    // ever.
    if (absl::IsDataLoss(job.status()) || absl::IsNotFound(job.status())) return job.status();
    // Going on without them would begin a search anew, and count every retry as the first.
    const std::string failure =
        fmt::format("cannot read the job's earlier runs: {}", std::string(job.status().message()));
    SetTrouble({TroubleWords(job.status()), 0});
    if (!WaitOut(failure, started.run.run_id(), &backoff)) return absl::AbortedError(failure);
  }
}

absl::StatusOr<StopCause> Dispatcher::StopCauseOf(uint64_t job_id) {
  if (stopping_) return StopCause::kShutdown;
  const auto cancelled = setting_.jobs->CancelRequested(job_id);
  if (!cancelled.ok()) return cancelled.status();
  return *cancelled ? StopCause::kCancel : StopCause::kNone;
}

void Dispatcher::Store(const storage::FinishedRun& finished, const storage::AfterRun& after) {
  Backoff backoff;
  for (;;) {
    const auto state = setting_.jobs->FinishRun(finished, after, setting_.clock->WallNs());
    if (state.ok() || absl::IsAborted(state.status())) return SetTrouble({});
    const std::string failure =
        fmt::format("cannot store the run: {}", std::string(state.status().message()));
    if (absl::IsNotFound(state.status()) || storage::IsRowDamaged(state.status())) {
      // Its row, or its job's, is gone: trying again would hold the device for ever.
      spdlog::error("{}: {}; run {} is given up", device_.name, failure, finished.run.run_id());
      return SetTrouble({});
    }
    SetTrouble({TroubleWords(state.status()), finished.run.job_id()});
    if (WaitOut(failure, finished.run.run_id(), &backoff)) continue;
    spdlog::error(
        "run {} ended {} and was never stored: it counts as interrupted, its launch is "
        "run again",
        finished.run.run_id(), Word(finished.run.outcome()));
    return;
  }
}

}  // namespace torchlap::run
