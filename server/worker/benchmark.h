// One run: builds the model that a request describes, times its steps, reports.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>

#include "server/worker/adamw.h"
#include "server/worker/device.h"
#include "server/worker/event_writer.h"
#include "server/worker/phase_peaks.h"
#include "server/worker/step_recorder.h"
#include "server/worker/step_reporter.h"
#include "server/worker/training_step.h"
#include "server/worker/transformer.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

// Once a process: affinity, threads, allocator and number formats are set for all of it. Not
// thread-safe.
class Benchmark {
 public:
  // `events` outlives this. Nothing happens before Run.
  Benchmark(v1::WorkerRequest request, EventWriter* events);

  // Sends Built and the batches of steps, and returns the result, which is not sent. Throws what
  // LibTorch throws, and the types of errors.h.
  v1::WorkerResult Run();

  // What to tell the daemon after Run threw `error`: with the phase, and all that was measured
  // until then.
  v1::WorkerFailed Failed(const std::exception& error);

 private:
  void PrepareProcess();
  void Build();
  void SendBuilt(int64_t build_ns);
  void Measure();
  void MeasureStep(uint32_t step, uint32_t steps);
  v1::Phase CurrentPhase() const;
  v1::MemoryUse Memory() const;

  const v1::WorkerRequest request_;
  const v1::TransformerLm& workload_;  // in request_
  EventWriter* const events_;
  bool building_ = false;
  std::unique_ptr<Device> device_;
  std::optional<Transformer> model_;
  std::unique_ptr<AdamW> optimizer_;
  std::optional<TrainingStep> training_step_;
  std::optional<StepRecorder> recorder_;
  std::optional<StepReporter> reporter_;
  PhasePeaks peaks_;
  std::optional<double> first_loss_, last_loss_;
};

}  // namespace torchlap::worker
