// The thread that judges sweeps of suites, beside the threads that run them.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "proto/base/clock.h"
#include "server/run/event_hub.h"
#include "server/run/sweep_judge.h"
#include "server/run/wake_up.h"

namespace torchlap::run {

// Judges at its start, whenever something was stored of a job, and every minute, as what is
// declared invalid is no event. No run waits for it: it reads in short transactions, and writes one
// for each sweep. Thread-safe.
class SweepWatch {
 public:
  static constexpr int64_t kEveryNs = 60'000'000'000;

  // Starts the thread. The arguments outlive it.
  SweepWatch(SweepJudge* judge, EventHub* hub, const Clock* clock);
  // Ends it, after the cell that it is at, and the judge with it.
  ~SweepWatch();
  SweepWatch(const SweepWatch&) = delete;
  SweepWatch& operator=(const SweepWatch&) = delete;

  // How often everything that was there has been judged.
  uint64_t looks() const { return looks_; }

 private:
  void Run();

  SweepJudge* const judge_;
  EventHub* const hub_;
  const Clock* const clock_;
  WakeUp wake_up_;
  std::atomic<bool> stops_ = false;
  std::atomic<uint64_t> looks_ = 0;
  uint64_t listener_ = 0;
  std::thread thread_;
};

}  // namespace torchlap::run
