// Samples on their way to the daemon.
#pragma once

#include <cstdint>

#include "server/worker/core_counters.h"
#include "server/worker/event_writer.h"
#include "server/worker/step_recorder.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::worker {

// Gathers steps and sends them in batches, at most two a second, or sooner where a batch would
// outgrow a message. Call it between steps only: sending takes time.
class StepReporter {
 public:
  // `events` outlives this. Batches are counted from `now_ns`.
  StepReporter(EventWriter* events, int64_t now_ns);

  // The next step, in order; those that were not `measured` come first. `cores`: what happened from
  // its start to that of the next one. Sends a batch if one is due. Throws SocketClosed if the
  // daemon is gone.
  void Add(const StepTimes& times, const CoreTimes& cores, bool measured, int64_t now_ns);

  // The steps that were not sent yet; they are for the last event.
  v1::SampleBlock TakePending();

 private:
  EventWriter* const events_;
  int64_t last_sent_ns_;
  v1::SampleBlock pending_;
};

}  // namespace torchlap::worker
