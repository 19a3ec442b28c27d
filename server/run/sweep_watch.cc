#include "server/run/sweep_watch.h"

#include <poll.h>

namespace torchlap::run {

SweepWatch::SweepWatch(SweepJudge* judge, EventHub* hub, const Clock* clock)
    : judge_(judge), hub_(hub), clock_(clock) {
  listener_ = hub_->AddForEvents([this] { wake_up_.Notify(); });
  thread_ = std::thread([this] { Run(); });
}

SweepWatch::~SweepWatch() {
  hub_->Remove(listener_);
  stops_ = true;
  judge_->Stop();
  wake_up_.Notify();
  thread_.join();
}

void SweepWatch::Run() {
  while (true) {
    // Cleared first, so that what is stored meanwhile is looked at once more. Whether to end is
    // asked afterwards: it may have been what was cleared.
    wake_up_.Clear();
    if (stops_) return;
    judge_->JudgeAll();
    ++looks_;
    pollfd woken{wake_up_.fd(), POLLIN, 0};
    clock_->Poll(&woken, 1, clock_->MonotonicNs() + kEveryNs);
  }
}

}  // namespace torchlap::run
