// What NVML tells of a device around and during a run.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proto/base/clock.h"
#include "server/host/device_processes.h"
#include "server/host/nvml_library.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::host {

// Everything that the device tells now; what it does not tell stays unset. A MIG instance has
// memory of its own; its clock, power, temperature, and what holds the clock down are those of the
// GPU that it is a part of. Energy and utilisation are not: others have their part in them.
// `hardware_violation_ns` is the board's limit (power brake, current): the counter of the
// reliability limit would count on desktop cards whenever they run at their best clock.
// Thread-safe.
v1::DeviceReading ReadDevice(const NvmlLibrary& nvml, NvmlDevice device, int64_t at_ns);

// One entry of the driver (NvmlProcessUse) on CLOCK_MONOTONIC: the process was at work at `at_ns`,
// and from the question's beginning to then the multiprocessors were busy to this share.
struct UseStretch {
  int64_t from_ns = 0;
  int64_t at_ns = 0;
  double sm_ratio = 0;
};

// A process that was on the device during the run.
struct ProcessUse {
  pid_t pid = 0;
  ProcessName who;
  bool computes = false;              // has a CUDA context
  std::vector<UseStretch> stretches;  // in the order of `at_ns`; none: it only resides
};

// The driver's lists of processes were read.
struct ProcessLook {
  int64_t at_ns = 0;
  size_t processes = 0;                  // in the lists
  std::optional<uint64_t> hidden_bytes;  // HiddenBytes()
};

// What was seen of the processes on a device between Begin() and End().
struct DeviceUse {
  // The device tells who keeps it busy. A MIG instance does not.
  bool tells_use = false;
  // SeesHostPids(): the driver's lists have all processes, by the numbers of this process.
  // Elsewhere they may have other numbers, or only those of the same pid namespace.
  bool has_own_pids = false;
  std::vector<ProcessLook> looks;
  // By pid. Our worker is among them if the driver has told of it.
  std::vector<ProcessUse> processes;
};

// The readings of one run. It has no thread and no timer: its owner calls Sample() when
// NextSampleNs() is due, and Measured() when it hears of steps. A reading, with the processes,
// takes some hundred microseconds of the calling thread, little more than twice a second at most.
// Not thread-safe.
//
// Who asks the driver has stretches and no samples, so the stretches are cut where the measured
// steps begin: the first question that is asked after it became known begins just there, whatever
// was asked before, and no later one begins earlier. What the driver has seen before the first
// measured step is in none of them.
class DeviceTelemetry {
 public:
  static constexpr int64_t kIntervalNs = 500'000'000;
  // Beyond these every second one is dropped and the interval doubles: a run of hours keeps them
  // over its whole length.
  static constexpr size_t kMaxReadings = 10'000;
  // Of one process; beyond these every second one is dropped.
  static constexpr size_t kMaxUseStretches = 20'000;
  // No question reaches further back: the driver forgets, and what it still knows would pass for
  // the whole stretch.
  static constexpr int64_t kMemoryNs = 10'000'000'000;

  // Without a library, or with mode `off`, all calls do nothing; unset is `sampled`. The clock
  // outlives it. `root` stands before /proc.
  DeviceTelemetry(std::shared_ptr<const NvmlLibrary> nvml, const std::string& uuid,
                  v1::Telemetry mode, const Clock* clock, std::filesystem::path root = "/");

  // Before the worker is handed its job; the first and the last reading.
  void Begin(pid_t worker);
  void End();
  // When Sample() is due, by the monotonic clock; nothing before Begin(), after End(), and in the
  // modes that take no samples.
  std::optional<int64_t> NextSampleNs() const;
  void Sample();
  // The worker has told of steps: the first measured one began at `from_ns`, and, if `has_ended`,
  // the last one has ended just now. Asks who computed since then: at the first call (which comes
  // up to half a second into the steps; not with mode `edges`), and at the first with `has_ended`,
  // with a reading, while the worker is still there. So one question holds a short run whole, and
  // nothing else. A time before Begin() or in the future is made up, and leaves all as it is.
  void Measured(int64_t from_ns, bool has_ended);

  // The readings in their order; leaves none.
  std::vector<v1::DeviceReading> Take();
  // An entry of the driver counts if it can be one: a share of 1 at most, not from the future
  // (kAnswerLateUs), of our worker or of a process that was in the driver's lists when it was told,
  // or at the look before. The next question begins at the newest stamp of those.
  DeviceUse Use() const;
  // Numbers of the errors that the driver told of the device, in their order.
  const std::vector<uint64_t>& xids() const { return xids_; }

 private:
  void MakeRoom();
  void AddReading();
  enum class Since { kLastStamp, kMeasuredStep };
  void AddProcesses(Since since = Since::kLastStamp);
  void AddLook(std::set<pid_t>* known);
  uint64_t QuestionUs(Since since, int64_t now_ns, int64_t wall_us) const;
  void AddUse(Since since, const std::set<pid_t>& known);
  void AddStretch(pid_t pid, const UseStretch& stretch);
  ProcessUse* UseOf(pid_t pid);
  void AddXids();

  const std::shared_ptr<const NvmlLibrary> nvml_;
  const v1::Telemetry mode_;
  const Clock& clock_;
  const std::filesystem::path root_;
  NvmlDevice device_ = nullptr;  // nullptr: nothing to read
  std::vector<v1::DeviceReading> readings_;
  int64_t interval_ns_ = kIntervalNs;
  std::optional<int64_t> next_ns_;

  pid_t worker_ = 0;
  std::optional<int64_t> began_ns_;
  std::optional<int64_t> measured_from_ns_;
  bool has_asked_from_start_ = false;
  bool has_ended_ = false;
  DeviceUse use_;  // without its processes
  std::map<pid_t, ProcessUse> processes_;
  std::set<pid_t> listed_;  // at the last look
  // The driver's, of the newest entry that counted; at first the time of Begin().
  uint64_t last_stamp_us_ = 0;
  std::unique_ptr<NvmlLibrary::XidWatch> xid_watch_;
  std::vector<uint64_t> xids_;
};

}  // namespace torchlap::host
