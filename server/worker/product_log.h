// The products and copies of a calibration, as steps with what happened on the cores.
#pragma once

#include <cstdint>
#include <optional>

#include "server/worker/core_watch.h"
#include "server/worker/event_writer.h"
#include "server/worker/step_recorder.h"
#include "server/worker/step_reporter.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

// Every call belongs between two products, outside their clocks. Not thread-safe.
class ProductLog {
 public:
  // `events` outlives this.
  explicit ProductLog(EventWriter* events);

  // Threads that were started since the last call are watched too; belongs behind the first product
  // of a kind, and before the one that is timed.
  void FindThreads();

  // A product is about to be timed: what happened until now belongs to the one before.
  void Begin();
  void Add(int64_t start_ns, int64_t took_ns);

  // Of all products: fills samples, numbers of steps and the neighbour.
  void Finish(v1::WorkerResult* result);
  // The products that were not sent yet.
  v1::SampleBlock TakePending();

 private:
  void Report();

  CoreWatch cores_;
  StepReporter reporter_;
  std::optional<StepTimes> unreported_;
  uint32_t products_ = 0;
};

}  // namespace torchlap::worker
