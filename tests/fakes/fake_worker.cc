// torchlap-fake-worker: speaks worker.proto like torchlap-worker, without LibTorch and without
// waiting, and misbehaves where it is told to. The plan is the JSON file that TORCHLAP_FAKE_WORKER
// names (unset: a well-behaved worker):
//
//   {"record": "/tmp/x/requests.jsonl",   // a line for each request: what the worker was given
//    "protocol_version": 1,               // what hello says
//    "start": ACTION,                     // before hello; {"do": "hang"} never says hello
//    "runs": {"17.2": RUN, "17": RUN, "*": RUN}}   // by run, else by job, else for all
//
//   RUN: {"forward_ns": 1000000, "loss_ns": ..., "backward_ns": ..., "optimizer_ns": ...,   // or
//   lists, cycled
//         "steps_per_event": 0,           // 0: all steps come with the result
//         "out_of_memory_above_batch": 2, "out_of_memory_above_context": 128,
//         "stderr_bytes": 0,              // written before the first step
//         "spoil": "short-column",        // what it reports: a column that ends after its first
//         event
//                  "absurd-time", "infinite-peak", "second-result"
//         "strays": "/tmp/x/pids",        // leaves two processes in sessions of their own; the
//         second
//                                         // has emptied its environment
//         "at_step": 0, "do": ..., ...}   // an ACTION before that step
//
//   ACTION: {"do": "crash", "signal": 11}           dies by the signal
//           {"do": "exit", "status": 3}             exits without a result
//           {"do": "hang"}, {"do": "hang-stubborn"} stands still; stubborn: and ignores SIGTERM
//           {"do": "garbage"}                       bytes that are no frame, then stands still
//           {"do": "long-frame"}                    a frame above kMaxFrameBytes, then stands still
//           {"do": "cut-frame"}                     half a frame, then exits with status 0
//           {"do": "close"}                         closes the socket, then stands still
//           {"do": "fail", "outcome": "CUDA_ERROR", "detail": "..."}   reports it and exits with
//           status 0
//           {"do": "wait", "file": "/tmp/x/go"}     until the file is there, then goes on
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "proto/frames.h"
#include "proto/words.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap {
namespace {

using nlohmann::json;

constexpr int kSocket = 3;
constexpr uint64_t kMib = 1048576;

[[noreturn]] void StandStill() {
  for (;;) pause();
}

// The end of the daemon is the end of its worker.
void DieWithParent() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  ucred creator{};
  socklen_t size = sizeof(creator);
  const bool known = getsockopt(kSocket, SOL_SOCKET, SO_PEERCRED, &creator, &size) == 0;
  // It was gone before the call above.
  if (known && creator.pid != getppid()) std::_Exit(1);
}

void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0) std::_Exit(1);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

void SendEvent(const v1::WorkerEvent& event) { WriteAll(kSocket, EncodeFrame(event)); }

// Without a request the daemon is gone, or has no use for this worker.
v1::WorkerRequest ReceiveRequest() {
  FrameDecoder decoder;
  v1::WorkerRequest request;
  while (decoder.Next(&request) != FrameDecoder::Result::kFrame) {
    std::string bytes(4096, '\0');
    const ssize_t count = read(kSocket, bytes.data(), bytes.size());
    if (count <= 0) std::_Exit(0);
    decoder.Feed(std::string_view(bytes.data(), static_cast<size_t>(count)));
  }
  return request;
}

void WaitForFile(const std::filesystem::path& file) {
  const int watch = inotify_init1(IN_CLOEXEC);
  inotify_add_watch(watch, file.parent_path().c_str(), IN_CREATE | IN_MOVED_TO);
  // Watched first and looked at then, so that no file is missed.
  while (!std::filesystem::exists(file)) {
    std::string events(4096, '\0');
    if (read(watch, events.data(), events.size()) <= 0) std::_Exit(1);
  }
  close(watch);
}

void Crash(int signal_number) {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  std::signal(signal_number, SIG_DFL);
  kill(getpid(), signal_number);
  StandStill();
}

void Fail(const json& action) {
  v1::WorkerEvent event;
  const auto outcome = ParseWord<v1::Outcome>(action.value("outcome", "CRASHED"));
  event.mutable_failed()->set_outcome(outcome.value_or(v1::OUTCOME_CRASHED));
  event.mutable_failed()->mutable_failure()->set_detail(action.value("detail", "as told"));
  SendEvent(event);
  std::_Exit(0);
}

// Returns only from "wait", and from an action that is none.
void Act(const json& action) {
  const std::string what = action.value("do", "");
  if (what == "crash") Crash(action.value("signal", SIGSEGV));
  if (what == "exit") std::_Exit(action.value("status", 3));
  if (what == "hang") StandStill();
  if (what == "hang-stubborn") {
    std::signal(SIGTERM, SIG_IGN);
    StandStill();
  }
  if (what == "garbage") {
    WriteAll(kSocket, std::string(64, '\xff'));
    StandStill();
  }
  if (what == "long-frame") {
    WriteAll(kSocket, "\x80\x80\x80\x01" + std::string(2 * kMib, 'x'));
    StandStill();
  }
  if (what == "cut-frame") {
    WriteAll(kSocket, "\x40half");
    std::_Exit(0);
  }
  if (what == "close") {
    close(kSocket);
    StandStill();
  }
  if (what == "fail") Fail(action);
  if (what == "wait") WaitForFile(action.value("file", ""));
}

// An orphan in a session of its own.
[[noreturn]] void BecomeStray(int told, bool empties_environment) {
  setsid();
  if (fork() != 0) std::_Exit(0);
  const pid_t pid = getpid();
  if (write(told, &pid, sizeof pid) < 0) std::_Exit(1);
  char* const nothing[] = {nullptr};
  if (empties_environment) execle("/bin/sleep", "sleep", "1000", nullptr, nothing);
  StandStill();
}

void LeaveStrays(const std::filesystem::path& file) {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) std::_Exit(1);
  std::ofstream pids(file);
  for (const bool empties_environment : {false, true}) {
    const pid_t child = fork();
    if (child == 0) BecomeStray(ends[1], empties_environment);
    waitpid(child, nullptr, 0);
    pid_t stray = 0;
    if (read(ends[0], &stray, sizeof stray) < 0) std::_Exit(1);
    pids << stray << "\n";
  }
  close(ends[0]);
  close(ends[1]);
}

json ReadPlan() {
  const char* file = std::getenv("TORCHLAP_FAKE_WORKER");
  if (file == nullptr) return json::object();
  std::ifstream stream(file);
  json plan = json::parse(stream, nullptr, false);
  if (plan.is_object()) return plan;
  std::cerr << "TORCHLAP_FAKE_WORKER=" << file << " is no JSON object\n";
  std::_Exit(1);
}

json RunPlan(const json& plan, const std::string& run_id) {
  const json runs = plan.value("runs", json::object());
  for (const std::string& key : {run_id, run_id.substr(0, run_id.find('.')), std::string("*")}) {
    if (runs.contains(key)) return runs[key];
  }
  return json::object();
}

json Environment() {
  json variables = json::object();
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    variables[std::string(text.substr(0, equals))] = std::string(text.substr(equals + 1));
  }
  return variables;
}

std::vector<int> OpenDescriptors() {
  std::vector<int> open;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    open.push_back(std::stoi(entry.path().filename()));
  }
  // The listing had a descriptor of its own.
  std::erase_if(open, [](int fd) { return fcntl(fd, F_GETFD) < 0; });
  std::sort(open.begin(), open.end());
  return open;
}

void Record(const std::string& file, const v1::WorkerRequest& request) {
  const v1::TransformerLm& model = request.workload().transformer_lm();
  json line = {{"run_id", request.run_id()},
               {"pid", getpid()},
               {"process_group", getpgrp()},
               {"batch_size", model.batch_size()},
               {"context_length", model.context_length()},
               {"cores", request.device().cores()},
               {"threads", request.device().threads()},
               {"memory_limit_bytes", request.device().memory_limit_bytes()},
               {"uuid", request.device().uuid()},
               {"descriptors", OpenDescriptors()},
               {"environment", Environment()}};
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  WriteAll(fd, line.dump() + "\n");
  close(fd);
}

// One run, after hello.
class FakeRun {
 public:
  FakeRun(json plan, v1::WorkerRequest request)
      : plan_(std::move(plan)), request_(std::move(request)) {}

  void Work();

 private:
  const v1::TransformerLm& model() const { return request_.workload().transformer_lm(); }
  bool spoils(const char* what) const { return plan_.value("spoil", "") == what; }
  int64_t PhaseNs(const char* key, int64_t otherwise, uint32_t step) const;
  void SendBuilt() const;
  void FailIfTooLarge() const;
  void AddStep(uint32_t step, v1::SampleBlock* block);
  void FlushSteps(v1::SampleBlock* block) const;
  void FillMemory(v1::MemoryUse* memory) const;
  void SendResult(const v1::SampleBlock& block) const;

  const json plan_;
  int64_t ended_ns_ = 0;  // of the last step
  const v1::WorkerRequest request_;
};

int64_t FakeRun::PhaseNs(const char* key, int64_t otherwise, uint32_t step) const {
  if (!plan_.contains(key)) return otherwise;
  const json& value = plan_[key];
  return value.is_array() ? value[step % value.size()].get<int64_t>() : value.get<int64_t>();
}

void FakeRun::SendBuilt() const {
  v1::WorkerEvent event;
  v1::WorkerBuilt& built = *event.mutable_built();
  built.set_parameters(1);
  built.set_build_ns(1000000);
  built.mutable_environment()->set_torch_version("fake");
  built.mutable_environment()->set_torchlap_version(TORCHLAP_VERSION);
  built.mutable_environment()->set_cpu_capability("FAKE");
  built.mutable_environment()->set_threads(request_.device().threads());
  built.mutable_memory()->set_device_total_bytes(request_.device().memory_limit_bytes());
  built.mutable_memory()->set_device_free_bytes(request_.device().memory_limit_bytes());
  SendEvent(event);
}

void FakeRun::FailIfTooLarge() const {
  constexpr uint32_t kAny = UINT32_MAX;
  if (model().batch_size() <= plan_.value("out_of_memory_above_batch", kAny) &&
      model().context_length() <= plan_.value("out_of_memory_above_context", kAny)) {
    return;
  }
  v1::WorkerEvent event;
  v1::WorkerFailed& failed = *event.mutable_failed();
  failed.set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
  v1::Failure& failure = *failed.mutable_failure();
  failure.set_phase(v1::PHASE_FORWARD);
  failure.set_detail("out of memory, as told");
  failure.set_asked_bytes(kMib * model().batch_size());
  failure.set_allocated_bytes(request_.device().memory_limit_bytes() / 2);
  failure.set_reserved_bytes(request_.device().memory_limit_bytes() / 2);
  failure.set_free_bytes(kMib / 2);
  failure.set_total_bytes(request_.device().memory_limit_bytes());
  SendEvent(event);
  std::_Exit(0);
}

void FakeRun::AddStep(uint32_t step, v1::SampleBlock* block) {
  const bool combined = request_.plan().timing() == v1::TIMING_COMBINED;
  const bool backward = model().pass_type() != v1::PASS_TYPE_FORWARD;
  const bool optimizer = model().pass_type() == v1::PASS_TYPE_TRAIN_STEP;
  int64_t step_ns = 0;
  const auto add = [&](bool timed, const char* key, int64_t otherwise, auto* phase) {
    if (!timed) return;
    const int64_t ns = PhaseNs(key, otherwise, step);
    step_ns += ns;
    if (!combined) phase->Add(ns);
  };
  if (block->step_ns().empty()) block->set_first_step(step);
  add(true, "forward_ns", 1000000, block->mutable_forward_ns());
  add(backward, "loss_ns", 100000, block->mutable_loss_ns());
  add(backward, "backward_ns", 2000000, block->mutable_backward_ns());
  add(optimizer, "optimizer_ns", 500000, block->mutable_optimizer_ns());
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  // It does not take the time that it tells: the next step begins when this one would have ended.
  const int64_t now_ns = int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
  const int64_t start_ns = std::max(now_ns, ended_ns_);
  ended_ns_ = start_ns + step_ns;
  block->add_start_ns(start_ns);
  block->add_step_ns(step_ns);
  block->set_warmup_steps(request_.plan().warmup_steps());
}

void FakeRun::FlushSteps(v1::SampleBlock* block) const {
  if (block->step_ns().empty()) return;
  v1::WorkerEvent event;
  event.mutable_steps()->mutable_samples()->Swap(block);
  v1::SampleBlock* samples = event.mutable_steps()->mutable_samples();
  if (spoils("short-column") && samples->first_step() > 0) samples->clear_forward_ns();
  if (spoils("absurd-time")) samples->set_step_ns(0, std::numeric_limits<int64_t>::max());
  SendEvent(event);
}

void FakeRun::FillMemory(v1::MemoryUse* memory) const {
  const uint64_t peak = kMib * model().batch_size() * model().context_length();
  memory->set_peak_allocated_bytes(peak);
  memory->set_peak_reserved_bytes(peak);
  memory->set_first_step_peak_allocated_bytes(peak);
  memory->set_first_step_peak_reserved_bytes(peak);
  memory->mutable_forward()->set_allocated_bytes(peak);
}

void FakeRun::SendResult(const v1::SampleBlock& block) const {
  v1::WorkerEvent event;
  v1::WorkerResult& result = *event.mutable_result();
  result.set_stop_reason(v1::STOP_REASON_COUNT);
  result.set_warmup_steps(request_.plan().warmup_steps());
  result.set_measured_steps(request_.plan().measure_steps());
  *result.mutable_samples() = block;
  FillMemory(result.mutable_memory());
  if (model().pass_type() != v1::PASS_TYPE_FORWARD) {
    result.set_first_loss(9.5);
    result.set_last_loss(9.25);
  }
  if (spoils("infinite-peak")) {
    result.mutable_calibration()->set_memory_bytes_per_s(std::numeric_limits<double>::infinity());
  }
  SendEvent(event);
  if (spoils("second-result")) SendEvent(event);
}

void FakeRun::Work() {
  WriteAll(STDERR_FILENO, std::string(plan_.value("stderr_bytes", size_t{0}), 'e'));
  if (plan_.contains("strays")) LeaveStrays(plan_.value("strays", ""));
  SendBuilt();
  FailIfTooLarge();
  const uint32_t steps = request_.plan().warmup_steps() + request_.plan().measure_steps();
  if (!request_.trace_path().empty()) std::ofstream(request_.trace_path()) << "{}\n";
  const auto per_event = plan_.value("steps_per_event", size_t{0});
  const uint32_t at_step = plan_.value("at_step", uint32_t{0});
  v1::SampleBlock block;
  for (uint32_t step = 0; step < steps; ++step) {
    if (step == at_step && plan_.contains("do")) {
      // So that a test sees how far the worker came.
      FlushSteps(&block);
      Act(plan_);
    }
    AddStep(step, &block);
    if (per_event != 0 && static_cast<size_t>(block.step_ns_size()) >= per_event) {
      FlushSteps(&block);
    }
  }
  SendResult(block);
}

void SendHello(const json& plan) {
  v1::WorkerEvent event;
  event.mutable_hello()->set_protocol_version(plan.value("protocol_version", 1U));
  event.mutable_hello()->set_torchlap_version(TORCHLAP_VERSION);
  event.mutable_hello()->set_torch_version("fake");
  event.mutable_hello()->set_pid(getpid());
  SendEvent(event);
}

int Main() {
  DieWithParent();
  std::signal(SIGPIPE, SIG_IGN);
  const json plan = ReadPlan();
  Act(plan.value("start", json::object()));
  SendHello(plan);
  const v1::WorkerRequest request = ReceiveRequest();
  if (plan.contains("record")) Record(plan["record"], request);
  FakeRun(RunPlan(plan, request.run_id()), request).Work();
  return 0;
}

}  // namespace
}  // namespace torchlap

int main() { return torchlap::Main(); }
