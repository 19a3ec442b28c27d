// What NVML tells of a device around and during a run.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/host/device_processes.h"
#include "server/host/nvml_library.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::host {

// Everything that the device tells now; what it does not tell stays unset. Of a MIG instance NVML
// tells the memory and hardly more. `hardware_violation_ns` is the board's limit (power brake,
// current): the counter of the reliability limit would count on desktop cards whenever they run at
// their best clock. Thread-safe.
v1::DeviceReading ReadDevice(const NvmlLibrary& nvml, NvmlDevice device, int64_t at_ns);

// A process that kept the device busy, as against one that only resides.
struct ProcessUse {
  pid_t pid = 0;
  ProcessName who;
  // Share of the multiprocessors' time over the run. The driver averages over the samples in which
  // the process did something, so that short bursts count for a little more than they are.
  double sm_ratio = 0;
};

// The readings of one run. It has no thread and no timer: its owner calls Sample() when
// NextSampleNs() is due. A reading takes some tens of microseconds of the calling thread, twice a
// second at most. Not thread-safe.
class DeviceTelemetry {
 public:
  static constexpr int64_t kIntervalNs = 500'000'000;
  // Beyond these every second one is dropped and the interval doubles: a run of hours keeps them
  // over its whole length.
  static constexpr size_t kMaxReadings = 10'000;

  // `now_ns`: CLOCK_MONOTONIC, as in DeviceReading. Without a library, or with mode `off`, all
  // calls do nothing; unset is `sampled`. `root` stands before /proc.
  DeviceTelemetry(std::shared_ptr<const NvmlLibrary> nvml, const std::string& uuid,
                  v1::Telemetry mode, std::function<int64_t()> now_ns,
                  std::filesystem::path root = "/");

  // Before the worker is handed its job; the first and the last reading.
  void Begin();
  void End();
  // When Sample() is due, in the time of `now_ns`; nothing before Begin(), after End(), and in the
  // modes that take no samples.
  std::optional<int64_t> NextSampleNs() const;
  void Sample();

  // The readings in their order; leaves none.
  std::vector<v1::DeviceReading> Take();
  // Who kept the device busy between Begin() and End(), the busiest first; our own worker is among
  // them. Nothing: the device does not tell.
  std::optional<std::vector<ProcessUse>> Processes() const;

 private:
  struct Use {
    ProcessName who;
    double busy_ns = 0;
  };

  void AddReading();
  void AddUses();
  void DropEverySecond();

  const std::shared_ptr<const NvmlLibrary> nvml_;
  const v1::Telemetry mode_;
  const std::function<int64_t()> now_ns_;
  const std::filesystem::path root_;
  NvmlDevice device_ = nullptr;  // nullptr: nothing to read
  std::vector<v1::DeviceReading> readings_;
  int64_t interval_ns_ = kIntervalNs;
  std::optional<int64_t> next_ns_;

  bool tells_uses_ = false;
  uint64_t last_stamp_us_ = 0;  // the driver's clock
  int64_t uses_from_ns_ = 0;
  int64_t uses_until_ns_ = 0;
  std::map<pid_t, Use> uses_;
};

}  // namespace torchlap::host
