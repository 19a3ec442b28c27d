// The canary: a small workload of the daemon's own, always the same, whose trend tells when the
// machine itself changed. What it is, and when a device is due for one. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "server/host/configuration.h"
#include "server/host/devices.h"
#include "server/run/wait_reasons.h"
#include "storage/records.h"
#include "torchlap/v1/device.pb.h"

namespace torchlap::run {

// Grows with every change of the workload or of how it is measured: another version is another
// series, as this number is in the size of the vocabulary. 1 takes a second or two on two cores,
// some 10 ms a step on a large GPU.
inline constexpr uint32_t kCanaryVersion = 1;

// An account that nobody has (storage/records.h): its device time is on nobody's account, and it is
// in nobody's `last`.
storage::Caller CanaryOwner();

// Of the lowest priority, on this device alone, complete as admission would leave it. The models
// of CPU and CUDA devices differ: what takes a CPU a second says of a GPU only how fast it is
// told what to do. Where others compute on the device it is given up, and not waited for.
storage::NewJob CanaryJob(const host::HostDevice& device);

// One device, now.
struct CanaryLook {
  // On the monotonic clock; nothing: it is not idle (it runs something, is claimed, busy, drained
  // or unavailable).
  std::optional<int64_t> idle_since_ns;
  bool job_waits = false;
  bool would_disturb = false;  // WouldDisturb
  // When its newest canary began, of whatever daemon and outcome, on the host's clock. One of a
  // time to come was begun before the clock was set back: it keeps none from being due.
  std::optional<int64_t> last_ns;
  // When this daemon last asked for one there, on the monotonic clock: the host's may be set to
  // and fro, and one that was cancelled in the queue has never begun.
  std::optional<int64_t> asked_ns;
};

// Whether a run on another device shares the host with a canary of this one: only GPUs leave each
// other alone. Nobody's measurement is to pay for what nobody asked for.
bool WouldDisturb(const v1::Device& device, const std::vector<DeviceStatus>& all);

struct CanaryVerdict {
  bool is_due = false;
  // On the monotonic clock; never later than in an hour, as the host's may have been set.
  int64_t look_again_ns = 0;
};

CanaryVerdict JudgeCanary(const host::CanaryPlan& plan, const CanaryLook& look,
                          int64_t monotonic_ns, int64_t wall_ns);

}  // namespace torchlap::run
