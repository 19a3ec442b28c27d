#include "server/run/run_follower.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace torchlap::run {
namespace {

constexpr int64_t kNever = Clock::kNever;
constexpr int64_t kAskAgainNs = 1'000'000'000;
// A large process on a busy machine takes its time to end, and its result is lost if it is killed.
constexpr std::chrono::milliseconds kLeastTimeToEnd{10'000};

class Follower {
 public:
  Follower(const FollowOrders& orders, Worker* worker, RunRecord* record)
      : orders_(orders), worker_(worker), record_(record) {}

  // It will never begin.
  void EndForLackOfRoom(const std::string& detail) {
    end_.stop_cause = StopCause::kNoResources;
    end_.stop_detail = detail;
    KillNow();
  }

  WorkerEnd Follow() {
    const std::optional<uint64_t> kills_before = MemoryKills();
    CheckStop();
    while (!Await()) {
    }
    const WorkerExit exit = worker_->Reap();
    // What it said last is still in the buffers.
    TakeEvents();
    worker_->ReadLog();
    // A worker that was killed could not finish its sentence; one that went on its own should have.
    if (worker_->was_cut_short() && !exit.signal) Break("the worker's last event was cut short");
    end_.exit_status = exit.status;
    end_.exit_signal = exit.signal;
    end_.last_log_line = worker_->LastLogLine();
    end_.lingered = exit.signal == SIGKILL && killed_ && !broken_ && record_->is_complete();
    end_.kernel_killed_for_memory =
        exit.signal == SIGKILL && !killed_ && kills_before && MemoryKills() > kills_before;
    return std::move(end_);
  }

 private:
  // Waits for the next thing and sees to it. True when the process has ended.
  bool Await() {
    // What nobody reads any more must not wake anybody: it stays readable for ever.
    const int events_fd = broken_ ? -1 : worker_->events_fd();
    std::array<pollfd, 4> fds = {{{orders_.wake_up->fd(), POLLIN, 0},
                                  {events_fd, POLLIN, 0},
                                  {worker_->log_fd(), POLLIN, 0},
                                  {worker_->exit_fd(), POLLIN, 0}}};
    orders_.clock->Poll(fds.data(), fds.size(), NextDeadline());
    if (fds[0].revents != 0) {
      orders_.wake_up->Clear();
      CheckStop();
    }
    if (fds[1].revents != 0) TakeEvents();
    if (fds[2].revents != 0) worker_->ReadLog();
    CheckTime();
    return fds[3].revents != 0;
  }

  std::optional<uint64_t> MemoryKills() const {
    return orders_.memory_kills ? orders_.memory_kills() : std::nullopt;
  }

  int64_t NextSampleNs() const {
    if (ending_ || record_->is_complete() || !orders_.next_sample_ns) return kNever;
    return orders_.next_sample_ns().value_or(kNever);
  }

  int64_t NextDeadline() const {
    if (ending_) return kill_at_ns_;
    return std::min({orders_.deadline_ns, ask_again_ns_, NextSampleNs()});
  }

  void TakeEvents() {
    if (worker_->events_fd() < 0 || broken_) return;
    std::vector<v1::WorkerEvent> events;
    const absl::Status read = worker_->ReadEvents(&events);
    for (auto& event : events) {
      const absl::Status taken = record_->Take(std::move(event));
      if (!taken.ok()) return Break(std::string(taken.message()));
    }
    if (!read.ok()) return Break(std::string(read.message()));
    if (!events.empty() && orders_.progressed) orders_.progressed();
    if (record_->is_complete() && !ending_) {
      ending_ = true;
      KillAfter(std::max(orders_.grace, kLeastTimeToEnd));
    }
  }

  // Nothing that it says can be trusted any more.
  void Break(const std::string& detail) {
    if (broken_) return;
    broken_ = true;
    if (end_.stop_cause == StopCause::kNone) {
      end_.stop_cause = StopCause::kBrokenProtocol;
      end_.stop_detail = detail;
    }
    KillNow();
  }

  void CheckStop() {
    ask_again_ns_ = kNever;
    if (ending_) return;
    const absl::StatusOr<StopCause> cause = orders_.stop_cause();
    if (!cause.ok()) {
      ask_again_ns_ = orders_.clock->MonotonicNs() + kAskAgainNs;
    } else if (*cause != StopCause::kNone) {
      Stop(*cause);
    }
  }

  void CheckTime() {
    const int64_t now_ns = orders_.clock->MonotonicNs();
    if (now_ns >= kill_at_ns_) KillNow();
    if (now_ns >= orders_.deadline_ns) Stop(StopCause::kTimeLimit);
    if (now_ns >= ask_again_ns_) CheckStop();
    if (now_ns >= NextSampleNs()) orders_.sample();
  }

  void Stop(StopCause cause) {
    if (ending_ || broken_) return;
    ending_ = true;
    end_.stop_cause = cause;
    worker_->Terminate();
    KillAfter(orders_.grace);
  }

  void KillAfter(std::chrono::nanoseconds time) {
    kill_at_ns_ = orders_.clock->MonotonicNs() + time.count();
  }

  void KillNow() {
    ending_ = true;
    killed_ = true;
    kill_at_ns_ = kNever;
    worker_->Kill();
  }

  const FollowOrders& orders_;
  Worker* const worker_;
  RunRecord* const record_;
  WorkerEnd end_;
  int64_t kill_at_ns_ = kNever;
  int64_t ask_again_ns_ = kNever;
  bool ending_ = false;  // a reason to end it was found
  bool broken_ = false;
  bool killed_ = false;
};

}  // namespace

WorkerEnd FollowWorker(const v1::WorkerRequest& request, const FollowOrders& orders, Worker* worker,
                       RunRecord* record) {
  const absl::Status sent = worker->Send(request);
  Follower follower(orders, worker, record);
  // A worker that is gone already is seen by its end.
  if (absl::IsResourceExhausted(sent)) follower.EndForLackOfRoom(std::string(sent.message()));
  return follower.Follow();
}

}  // namespace torchlap::run
