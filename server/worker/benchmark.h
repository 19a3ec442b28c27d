// One run: builds the model that a request describes, times its steps, reports.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include "server/worker/adamw.h"
#include "server/worker/core_watch.h"
#include "server/worker/device.h"
#include "server/worker/event_writer.h"
#include "server/worker/graphed_step.h"
#include "server/worker/phase_peaks.h"
#include "server/worker/phase_ranges.h"
#include "server/worker/step_recorder.h"
#include "server/worker/step_reporter.h"
#include "server/worker/trace.h"
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

  // Sends Built and the batches of steps, and returns the result, which is not sent. A request with
  // a trace_path measures three steps at most and writes them there as a Chrome trace. Throws what
  // LibTorch throws, and the types of errors.h.
  v1::WorkerResult Run();

  // What to tell the daemon after Run threw `error`: with the phase, and all that was measured
  // until then.
  v1::WorkerFailed Failed(const std::exception& error);

 private:
  struct EndedStep {
    StepTimes times;
    bool measured;
  };

  bool tracing() const { return !request_.trace_path().empty(); }
  bool graphed() const { return request_.plan().execution() == v1::EXECUTION_CUDA_GRAPH; }

  void Build();
  void SendBuilt(int64_t build_ns);
  void PrepareSteps();
  void WarmUp();
  void Capture();
  v1::StopReason MeasureUntilEnough();
  v1::StopReason TraceSteps();
  int64_t TakeStep(bool measured);
  void ReportStep();
  at::Tensor ExecuteStep();
  v1::WorkerResult Result(v1::StopReason reason);
  v1::Phase CurrentPhase() const;
  v1::MemoryUse Memory() const;

  const v1::WorkerRequest request_;
  const v1::TransformerLm& workload_;  // in request_
  EventWriter* const events_;
  bool building_ = false;
  std::unique_ptr<Device> device_;
  std::optional<Transformer> model_;
  std::unique_ptr<AdamW> optimizer_;
  at::Tensor ids_;
  std::optional<TrainingStep> training_step_;
  std::optional<GraphedStep> graph_;  // once it is captured, steps are replays
  std::optional<StepRecorder> recorder_;
  std::vector<std::unique_ptr<PhaseRanges>> ranges_;  // each behind the next one
  PhaseListener* listener_ = nullptr;                 // the last of them, or recorder_
  std::optional<CoreWatch> cores_;
  std::optional<StepReporter> reporter_;
  std::optional<EndedStep> unreported_;  // the last step, until the next one starts
  std::optional<Trace> trace_;
  PhasePeaks peaks_;
  uint32_t warmup_steps_ = 0;
  uint32_t measured_steps_ = 0;
  at::Tensor loss_;  // of the last step
  std::optional<double> first_loss_;
};

}  // namespace torchlap::worker
