#include "server/worker/serve.h"

#include <torch/headeronly/version.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "server/worker/benchmark.h"
#include "server/worker/calibration.h"
#include "server/worker/errors.h"
#include "server/worker/event_writer.h"
#include "server/worker/failure_report.h"
#include "server/worker/request_reader.h"
#include "server/worker/resident_memory.h"

namespace torchlap::worker {
namespace {

constexpr uint32_t kProtocolVersion = 1;

v1::WorkerEvent Hello() {
  v1::WorkerEvent event;
  event.mutable_hello()->set_protocol_version(kProtocolVersion);
  event.mutable_hello()->set_torchlap_version(TORCHLAP_VERSION);
  event.mutable_hello()->set_torch_version(TORCH_VERSION);
  event.mutable_hello()->set_pid(getpid());
  return event;
}

// Of a run that failed, too.
void AddResident(v1::WorkerEvent* last) {
  const auto peak = PeakResidentBytes();
  if (!peak) return;
  v1::MemoryUse* memory = last->has_result() ? last->mutable_result()->mutable_memory()
                                             : last->mutable_failed()->mutable_memory();
  memory->set_peak_resident_bytes(*peak);
}

// Writes all events of a run but the first. Kind: Benchmark or CalibrationRun.
template <typename Kind>
void Work(v1::WorkerRequest request, EventWriter* events) {
  // Never deleted: the process ends here, and after an error of CUDA a destructor may throw another
  // one, which would end it without the last event.
  auto* run = new Kind(std::move(request), events);
  v1::WorkerEvent last;
  try {
    *last.mutable_result() = run->Run();
  } catch (const SocketClosed&) {
    throw;
  } catch (const std::exception& error) {
    *last.mutable_failed() = run->Failed(error);
  }
  AddResident(&last);
  events->Write(last);
}

void Answer(v1::WorkerRequest request, EventWriter* events) {
  if (request.workload().has_calibration()) {
    Work<CalibrationRun>(std::move(request), events);
  } else {
    Work<Benchmark>(std::move(request), events);
  }
}

// Reads the request, or says what is wrong with it.
std::optional<v1::WorkerRequest> Request(int socket, EventWriter* events) {
  try {
    return ReadRequest(socket);
  } catch (const InvalidRequest& error) {
    v1::WorkerEvent last;
    *last.mutable_failed() = DescribeFailure(error, v1::PHASE_UNSPECIFIED, nullptr);
    events->Write(last);
    return std::nullopt;
  }
}

}  // namespace

void Serve(int socket) {
  EventWriter events(socket);
  try {
    events.Write(Hello());
    if (auto request = Request(socket, &events)) Answer(*std::move(request), &events);
  } catch (const SocketClosed&) {
    // Nobody is left to tell.
  }
}

}  // namespace torchlap::worker
