#include "server/worker/serve.h"

#include <torch/headeronly/version.h>
#include <unistd.h>

#include "server/worker/benchmark.h"
#include "server/worker/errors.h"
#include "server/worker/event_writer.h"
#include "server/worker/failure_report.h"
#include "server/worker/request_reader.h"

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

// The last event of a run.
v1::WorkerEvent Work(int socket, EventWriter* events) {
  v1::WorkerEvent last;
  std::optional<Benchmark> benchmark;
  try {
    benchmark.emplace(ReadRequest(socket), events);
    *last.mutable_result() = benchmark->Run();
  } catch (const SocketClosed&) {
    throw;
  } catch (const std::exception& error) {
    *last.mutable_failed() = benchmark ? benchmark->Failed(error)
                                       : DescribeFailure(error, v1::PHASE_UNSPECIFIED, nullptr);
  }
  return last;
}

}  // namespace

void Serve(int socket) {
  EventWriter events(socket);
  try {
    events.Write(Hello());
    events.Write(Work(socket, &events));
  } catch (const SocketClosed&) {
    // Nobody is left to tell.
  }
}

}  // namespace torchlap::worker
