// Whether a device is as the configuration wants it before a run, and how long a run waits for
// that. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/base/clock.h"
#include "server/host/wanted_settings.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::run {

// How often a device that settles is looked at.
inline constexpr int64_t kSettleLookNs = 5'000'000'000;

// A device before a run. By default nothing is wanted of it.
struct SettleLook {
  std::optional<host::SettleWindow> window;
  std::optional<uint32_t> celsius;  // unset: it does not tell
  // What is not set as wanted, a line each.
  std::vector<std::string> not_in_force;
  // How long ago others were last seen to compute on it. Unset: not lately, or it does not tell.
  std::optional<int64_t> others_worked_ns_ago = {};
  // They do now, and the job does not wait for them.
  bool is_beside_others = false;
};

// Of one device. The times are those of one monotonic clock. A job that waits for others who
// compute waits for them first; only then does the time run that it may wait here.
class SettleWait {
 public:
  // A run ended, or others compute, now: it is idle from now on at the earliest. How long a job may
  // wait goes on.
  void NotIdle(int64_t now_ns);
  // No job is ready to run.
  void NobodyWaits() { asked_since_ns_.reset(); }

  struct Verdict {
    std::string why;  // one line; empty: a run may begin
    // When it is to be looked at again, if it has to wait.
    int64_t look_again_ns = Clock::kNever;
  };
  // A job is ready to run. Nothing was seen of a device before the first look: its idle time begins
  // with that, or, where it tells of others who computed before, with their end. One that does not
  // tell its temperature has any. Beside others nothing is waited for: it gives up at once.
  Verdict Look(const SettleLook& look, int64_t now_ns);

  // What the run that begins says of it: settled or not-settled where a window is wanted, and
  // settings-missing.
  std::vector<v1::Evidence> Take();

 private:
  std::string WhyNot(const SettleLook& look, int64_t now_ns) const;

  std::optional<int64_t> idle_since_ns_;
  std::optional<int64_t> asked_since_ns_;
  std::vector<v1::Evidence> evidence_;  // of the last look
};

}  // namespace torchlap::run
