#include "server/run/run_follower.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "proto/base/clock.h"
#include "server/host/host_facts.h"

namespace torchlap::run {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int64_t kNsPerMs = 1'000'000;

class Follower {
 public:
  Follower(const FollowOrders& orders, WorkerProcess* worker, RunRecord* record)
      : orders_(orders), worker_(worker), record_(record) {}

  WorkerEnd Follow() {
    const std::optional<uint64_t> kills_before = host::KernelMemoryKills();
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
    end_.kernel_killed_for_memory = exit.signal == SIGKILL && !killed_ && kills_before &&
                                    host::KernelMemoryKills() > kills_before;
    return std::move(end_);
  }

 private:
  // Waits for the next thing and sees to it. True when the process has ended.
  bool Await() {
    std::array<pollfd, 4> fds = {{{orders_.wake_up->fd(), POLLIN, 0},
                                  {worker_->socket_fd(), POLLIN, 0},
                                  {worker_->log_fd(), POLLIN, 0},
                                  {worker_->exit_fd(), POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), TimeoutMs()) < 0) return false;  // EINTR
    if (fds[0].revents != 0) {
      orders_.wake_up->Clear();
      CheckStop();
    }
    if (fds[1].revents != 0) TakeEvents();
    if (fds[2].revents != 0) worker_->ReadLog();
    CheckTime();
    return fds[3].revents != 0;
  }

  int64_t NextSampleNs() const {
    if (ending_ || record_->is_complete() || !orders_.next_sample_ns) return kNever;
    return orders_.next_sample_ns().value_or(kNever);
  }

  // The next deadline as poll wants it, rounded up so that it has passed when poll returns.
  int TimeoutMs() const {
    const int64_t next =
        std::min({kill_at_ns_, ending_ ? kNever : orders_.deadline_ns, NextSampleNs()});
    if (next == kNever) return -1;
    const int64_t left_ns = std::max<int64_t>(0, next - MonotonicNs());
    return static_cast<int>(std::min<int64_t>(left_ns / kNsPerMs + 1, 86'400'000));
  }

  void TakeEvents() {
    if (worker_->socket_fd() < 0 || broken_) return;
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
      KillAfterGrace();
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
    const StopCause cause = orders_.stop_cause();
    if (cause != StopCause::kNone) Stop(cause);
  }

  void CheckTime() {
    const int64_t now_ns = MonotonicNs();
    if (now_ns >= kill_at_ns_) KillNow();
    if (now_ns >= orders_.deadline_ns) Stop(StopCause::kTimeLimit);
    if (now_ns >= NextSampleNs()) orders_.sample();
  }

  void Stop(StopCause cause) {
    if (ending_ || broken_) return;
    ending_ = true;
    end_.stop_cause = cause;
    worker_->Terminate();
    KillAfterGrace();
  }

  void KillAfterGrace() {
    kill_at_ns_ = MonotonicNs() + std::chrono::nanoseconds(orders_.grace).count();
  }

  void KillNow() {
    ending_ = true;
    killed_ = true;
    kill_at_ns_ = kNever;
    worker_->Kill();
  }

  const FollowOrders& orders_;
  WorkerProcess* const worker_;
  RunRecord* const record_;
  WorkerEnd end_;
  int64_t kill_at_ns_ = kNever;
  bool ending_ = false;  // a reason to end it was found
  bool broken_ = false;
  bool killed_ = false;
};

}  // namespace

WorkerEnd FollowWorker(const v1::WorkerRequest& request, const FollowOrders& orders,
                       WorkerProcess* worker, RunRecord* record) {
  // A worker that is gone already is seen by its end.
  worker->Send(request).IgnoreError();
  return Follower(orders, worker, record).Follow();
}

}  // namespace torchlap::run
