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

// Writes all events of a run but the first.
void Work(int socket, EventWriter* events) {
  // Never deleted: the process ends here, and after an error of CUDA a destructor may throw another
  // one, which would end it without the last event.
  Benchmark* benchmark = nullptr;
  v1::WorkerEvent last;
  try {
    benchmark = new Benchmark(ReadRequest(socket), events);
    *last.mutable_result() = benchmark->Run();
  } catch (const SocketClosed&) {
    throw;
  } catch (const std::exception& error) {
    *last.mutable_failed() = benchmark != nullptr
                                 ? benchmark->Failed(error)
                                 : DescribeFailure(error, v1::PHASE_UNSPECIFIED, nullptr);
  }
  events->Write(last);
}

}  // namespace

void Serve(int socket) {
  EventWriter events(socket);
  try {
    events.Write(Hello());
    Work(socket, &events);
  } catch (const SocketClosed&) {
    // Nobody is left to tell.
  }
}

}  // namespace torchlap::worker
