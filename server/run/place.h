// What a launch runs on: who may use it, what works there, and what is seen around a run.
#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/host/device_claim.h"
#include "server/host/devices.h"
#include "server/host/foreign_work.h"
#include "server/run/settle_wait.h"
#include "server/run/surroundings.h"
#include "server/run/worker.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::run {

// The readings around one run. It has no thread and no timer: its owner calls Sample() when it is
// due.
class Telemetry {
 public:
  virtual ~Telemetry() = default;

  // Before the worker is handed its job, and after its end.
  virtual void Begin(pid_t worker) = 0;
  virtual void End() = 0;
  // On the place's monotonic clock; nothing: no sample is due.
  virtual std::optional<int64_t> NextSampleNs() const = 0;
  virtual void Sample() = 0;
  // The worker has told of steps: when the first measured one began, on the worker's clock, and
  // whether the last one has ended. Called at each such word of it.
  virtual void Measured(int64_t from_ns, bool has_ended) = 0;
  // The readings in their order; leaves none.
  virtual std::vector<v1::DeviceReading> Take() = 0;
  // What else was seen, once the run has ended.
  virtual GpuSurroundings Around() const = 0;
};

// Used by the thread of its dispatcher, but for device(), which never changes.
class Place {
 public:
  virtual ~Place() = default;

  virtual const host::HostDevice& device() const = 0;

  // Takes the place for this daemon, until its destruction. Nothing: it is ours; else who has it.
  // An error passes with time (no descriptors left).
  virtual absl::StatusOr<std::optional<host::HeldBy>> TryToHold() = 0;

  // Before every run, of a place that is ours: who uses it nevertheless, though his claim was no
  // reason not to take it, and is to be given way. Costs 100 ms where there is such a claim on
  // cores, else next to nothing.
  virtual std::optional<host::HeldBy> UsedByAnother() = 0;

  // Before every run, of a place that is ours: sets what the configuration wants set of it, and
  // looks how it is. What was set is restored at its destruction.
  virtual SettleLook Settle() = 0;

  // The job as a worker here is handed it.
  virtual v1::WorkerRequest Request(const v1::Run& run) const = 0;
  // One line each. RESOURCE_EXHAUSTED: later there may be descriptors, processes and memory for it.
  // FAILED_PRECONDITION: the device itself is unusable. UNAVAILABLE: there is nothing to start.
  virtual absl::StatusOr<std::unique_ptr<Worker>> Start(const std::string& run_id) = 0;

  // Whether workers here time their steps by the clock of this process; false: the times are made
  // up, as those of a fake.
  virtual bool KeepsTime() const = 0;

  // What is known of the environment of a run that begins here now.
  virtual v1::Environment Environment() const = 0;
  // Of the machine, now.
  virtual v1::Readings Readings() const = 0;
  virtual std::unique_ptr<Telemetry> Watch(v1::Telemetry mode) const = 0;
  // Memory of the device that others hold, while no worker of ours is there. Nothing: not told.
  virtual std::optional<uint64_t> ForeignBytes() const = 0;
  // What they do and hold there, while no worker of ours is there. Nothing: not told.
  virtual std::optional<host::ForeignWork> OthersNow() const = 0;
  // How many processes the kernel has killed for memory; nothing: not told.
  virtual std::optional<uint64_t> MemoryKills() const = 0;
};

}  // namespace torchlap::run
