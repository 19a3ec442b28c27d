// torchlap-hostile-worker: takes a request as torchlap-worker does and answers with a stream that
// is nearly right: events out of order, changed field by field, cut, with garbage between them, and
// an end that does not fit. What it says follows from the seed and the run's id. The plan is the
// JSON file that TORCHLAP_FAKE_WORKER names: {"seed": 1, "record": FOLDER}; each stream is written
// to FOLDER/RUN.hex before it is sent.
//
// Without a sanitizer of its own and with protobuf alone, so that thousands of them start quickly.
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "tests/attack/mutation.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::attack {
namespace {

constexpr int kSocket = 3;

using Events = std::vector<v1::WorkerEvent>;
using google::protobuf::RepeatedField;

v1::WorkerEvent Hello() {
  v1::WorkerEvent event;
  event.mutable_hello()->set_protocol_version(1);
  event.mutable_hello()->set_torchlap_version("0.1.0");
  event.mutable_hello()->set_torch_version("hostile");
  event.mutable_hello()->set_pid(getpid());
  return event;
}

v1::WorkerEvent Built(const v1::WorkerRequest& request) {
  v1::WorkerEvent event;
  event.mutable_built()->set_parameters(1000);
  event.mutable_built()->set_build_ns(1000);
  event.mutable_built()->set_run_id(request.run_id());
  event.mutable_built()->mutable_environment()->set_threads(1);
  event.mutable_built()->mutable_memory()->set_device_total_bytes(1 << 30);
  return event;
}

void AddStep(const v1::WorkerRequest& request, int64_t start_ns, v1::SampleBlock* block) {
  const v1::PassType pass = request.workload().transformer_lm().pass_type();
  constexpr int64_t kPhaseNs = 100;
  block->add_start_ns(start_ns);
  block->add_forward_ns(kPhaseNs);
  if (pass != v1::PASS_TYPE_FORWARD) block->add_loss_ns(kPhaseNs);
  if (pass != v1::PASS_TYPE_FORWARD) block->add_backward_ns(kPhaseNs);
  if (pass == v1::PASS_TYPE_TRAIN_STEP) block->add_optimizer_ns(kPhaseNs);
  block->add_step_ns(4 * kPhaseNs);
}

// Steps in messages of three; the last ones come with the result.
Events GoodLife(const v1::WorkerRequest& request) {
  constexpr uint32_t kTogether = 3;
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  int64_t start_ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  Events events = {Hello(), Built(request)};
  const v1::Plan& plan = request.plan();
  const uint32_t steps = plan.warmup_steps() + plan.measure_steps();
  v1::SampleBlock block;
  for (uint32_t step = 0; step < steps; ++step) {
    if (block.step_ns_size() == kTogether) {
      v1::WorkerEvent event;
      event.mutable_steps()->mutable_samples()->Swap(&block);
      events.push_back(event);
      block.Clear();
    }
    if (block.step_ns_size() == 0) block.set_first_step(step);
    AddStep(request, start_ns, &block);
    start_ns += 1000;
  }
  v1::WorkerEvent end;
  v1::WorkerResult& result = *end.mutable_result();
  *result.mutable_samples() = block;
  result.set_warmup_steps(plan.warmup_steps());
  result.set_measured_steps(plan.measure_steps());
  result.set_stop_reason(v1::STOP_REASON_COUNT);
  result.mutable_memory()->set_peak_allocated_bytes(1 << 20);
  result.set_first_loss(9.5);
  result.set_last_loss(9.25);
  events.push_back(end);
  return events;
}

// One entry of one column, or one entry more or less.
void ChangeSamples(Mutation* mutation, v1::SampleBlock* block) {
  RepeatedField<int64_t>* columns[] = {
      block->mutable_start_ns(),          block->mutable_forward_ns(),
      block->mutable_loss_ns(),           block->mutable_backward_ns(),
      block->mutable_optimizer_ns(),      block->mutable_step_ns(),
      block->mutable_device_forward_ns(), block->mutable_foreign_cpu_ns(),
      block->mutable_run_delay_ns()};
  RepeatedField<int64_t>& column = *columns[mutation->Below(std::size(columns))];
  const auto size = static_cast<uint64_t>(column.size());
  switch (mutation->Below(4)) {
    case 0:
      if (size > 0) column.RemoveLast();
      return;
    case 1:
      return column.Add(mutation->Integer());
    case 2:
      return block->set_first_step(static_cast<uint32_t>(mutation->Integer()));
    default:
      if (size > 0) column.Set(static_cast<int>(mutation->Below(size)), mutation->Integer());
  }
}

void ChangeEvent(Mutation* mutation, v1::WorkerEvent* event) {
  const bool has_samples = event->has_steps() || event->has_result();
  if (has_samples && mutation->OneIn(2)) {
    return ChangeSamples(mutation, event->has_steps() ? event->mutable_steps()->mutable_samples()
                                                      : event->mutable_result()->mutable_samples());
  }
  mutation->ChangeOne(event);
}

v1::WorkerEvent Failure(Mutation* mutation) {
  v1::WorkerEvent event;
  event.mutable_failed()->set_outcome(static_cast<v1::Outcome>(mutation->Below(12)));
  event.mutable_failed()->mutable_failure()->set_detail(mutation->Text("detail"));
  if (mutation->OneIn(2)) mutation->ChangeOne(event.mutable_failed());
  return event;
}

void ChangeOrder(Mutation* mutation, Events* events) {
  const auto pick = [&] {
    return events->begin() + static_cast<long>(mutation->Below(events->size()));
  };
  if (events->empty()) return;
  switch (mutation->Below(5)) {
    case 0:
      return std::iter_swap(pick(), pick());
    case 1:
      events->erase(pick());
      return;
    case 2: {
      const v1::WorkerEvent again = *pick();
      events->insert(pick(), again);
      return;
    }
    case 3:
      events->insert(pick(), Failure(mutation));
      return;
    default:
      // A result that is not the last word, or no result.
      *pick() = Failure(mutation);
  }
}

std::string Encode(Mutation* mutation, const Events& events) {
  std::ostringstream stream;
  for (const v1::WorkerEvent& event : events) {
    // A length that lies, before the event.
    if (mutation->OneIn(60)) stream << mutation->Spoil(std::string("\x80\x80\x04", 3));
    google::protobuf::util::SerializeDelimitedToOstream(event, &stream);
  }
  std::string bytes = stream.str();
  if (mutation->OneIn(6)) bytes = mutation->Spoil(std::move(bytes));
  if (mutation->OneIn(40)) bytes.append(mutation->Below(size_t{1} << 21), 'x');
  return bytes;
}

std::string Hostile(Mutation* mutation, const v1::WorkerRequest& request) {
  Events events = GoodLife(request);
  if (mutation->OneIn(8)) return Encode(mutation, events);
  for (uint64_t times = mutation->Below(4); times > 0 && !events.empty(); --times) {
    ChangeEvent(mutation, &events[mutation->Below(events.size())]);
  }
  for (uint64_t times = mutation->Below(2); times > 0; --times) ChangeOrder(mutation, &events);
  return Encode(mutation, events);
}

void Write(int fd, const std::string& bytes, size_t piece) {
  for (size_t begin = 0; begin < bytes.size();) {
    const ssize_t count = write(fd, bytes.data() + begin, std::min(piece, bytes.size() - begin));
    if (count <= 0) return;
    begin += static_cast<size_t>(count);
  }
}

[[noreturn]] void End(Mutation* mutation) {
  if (mutation->OneIn(10)) {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    const int signals[] = {SIGKILL, SIGABRT, SIGTERM, SIGSEGV};
    kill(getpid(), signals[mutation->Below(std::size(signals))]);
  }
  if (mutation->OneIn(200)) {
    // Until somebody ends it.
    if (mutation->OneIn(2)) std::signal(SIGTERM, SIG_IGN);
    close(kSocket);
    for (;;) pause();
  }
  std::_Exit(mutation->OneIn(10) ? static_cast<int>(mutation->Below(256)) : 0);
}

int Main() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::signal(SIGPIPE, SIG_IGN);
  v1::WorkerRequest request;
  google::protobuf::io::FileInputStream stream(kSocket);
  if (!google::protobuf::util::ParseDelimitedFromZeroCopyStream(&request, &stream, nullptr))
    return 0;
  const char* file = std::getenv("TORCHLAP_FAKE_WORKER");
  std::ifstream plan_file(file == nullptr ? "" : file);
  const nlohmann::json plan = nlohmann::json::parse(plan_file, nullptr, false);
  if (!plan.is_object()) return 1;
  Mutation mutation(plan.value("seed", uint64_t{1}) ^ std::hash<std::string>()(request.run_id()));
  const std::string bytes = Hostile(&mutation, request);
  if (const std::string folder = plan.value("record", ""); !folder.empty()) {
    std::ofstream(folder + "/" + request.run_id() + ".hex") << ToHex(bytes) << "\n";
  }
  if (mutation.OneIn(8)) Write(STDERR_FILENO, mutation.Text("words") + "\n", 4096);
  Write(kSocket, bytes, mutation.OneIn(16) ? 7 : bytes.size() + 1);
  End(&mutation);
}

}  // namespace
}  // namespace torchlap::attack

int main() { return torchlap::attack::Main(); }
