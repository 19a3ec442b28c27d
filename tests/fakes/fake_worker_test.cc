// The fake worker behaves as its plan says: tests of the daemon stand on it.
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "proto/frames.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap {
namespace {

using nlohmann::json;

v1::WorkerRequest Request(uint32_t batch_size = 4) {
  v1::WorkerRequest request;
  request.set_run_id("17.2");
  v1::TransformerLm& model = *request.mutable_workload()->mutable_transformer_lm();
  model.set_pass_type(v1::PASS_TYPE_FORWARD_BACKWARD);
  model.set_batch_size(batch_size);
  model.set_context_length(64);
  request.mutable_plan()->set_warmup_steps(1);
  request.mutable_plan()->set_measure_steps(3);
  request.mutable_device()->set_memory_limit_bytes(1000);
  request.mutable_device()->set_threads(2);
  return request;
}

class FakeWorkerTest : public testing::Test {
 protected:
  FakeWorkerTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "torchlap-fake-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~FakeWorkerTest() override {
    if (pid_ > 0) kill(pid_, SIGKILL);
    Status();
    if (socket_ >= 0) close(socket_);
    std::filesystem::remove_all(folder_);
  }

  void Start(const json& plan) {
    std::ofstream(folder_ / "plan.json") << plan.dump();
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 3);
    std::string program = TORCHLAP_FAKE_WORKER_PROGRAM;
    std::string variable = "TORCHLAP_FAKE_WORKER=" + (folder_ / "plan.json").string();
    char* arguments[] = {program.data(), nullptr};
    char* variables[] = {variable.data(), nullptr};
    const int error = posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, variables);
    posix_spawn_file_actions_destroy(&actions);
    ASSERT_EQ(error, 0) << program;
    socket_ = ends[0];
    close(ends[1]);
  }

  void Send(const v1::WorkerRequest& request) const {
    const std::string frame = EncodeFrame(request);
    ASSERT_EQ(send(socket_, frame.data(), frame.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(frame.size()));
  }

  // The next event; without one, because of the end or of garbage, an empty one.
  v1::WorkerEvent Next() {
    v1::WorkerEvent event;
    for (;;) {
      const auto result = decoder_.Next(&event);
      if (result == FrameDecoder::Result::kFrame) return event;
      if (result == FrameDecoder::Result::kGarbage) return {};
      std::string bytes(4096, '\0');
      const ssize_t count = read(socket_, bytes.data(), bytes.size());
      if (count <= 0) return {};
      decoder_.Feed(std::string_view(bytes.data(), static_cast<size_t>(count)));
    }
  }

  // As from waitpid.
  int Status() {
    int status = -1;
    if (pid_ > 0) waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

  // What the kernel says of the worker.
  bool IgnoresTermination() const {
    std::ifstream stream("/proc/" + std::to_string(pid_) + "/status");
    for (std::string line; std::getline(stream, line);) {
      if (line.rfind("SigIgn:", 0) != 0) continue;
      return (std::stoull(line.substr(7), nullptr, 16) >> (SIGTERM - 1) & 1) != 0;
    }
    return false;
  }

  // Runs to the event after Built.
  v1::WorkerEvent AfterBuilt(const json& run, const v1::WorkerRequest& request = Request()) {
    Start({{"runs", {{"*", run}}}});
    Send(request);
    EXPECT_TRUE(Next().has_hello());
    EXPECT_TRUE(Next().has_built());
    return Next();
  }

  std::filesystem::path folder_;
  pid_t pid_ = -1;
  int socket_ = -1;
  FrameDecoder decoder_;
};

TEST_F(FakeWorkerTest, WithoutDirectionsItSendsAResultAndExits) {
  Start(json::object());
  const v1::WorkerEvent hello = Next();
  EXPECT_EQ(hello.hello().protocol_version(), 1U) << "before it has a request";
  EXPECT_EQ(hello.hello().pid(), pid_);
  Send(Request());
  const v1::WorkerEvent built = Next();
  EXPECT_EQ(built.built().memory().device_total_bytes(), 1000U);
  EXPECT_EQ(built.built().environment().threads(), 2U);
  const v1::WorkerEvent last = Next();
  const v1::SampleBlock& samples = last.result().samples();
  EXPECT_EQ(samples.step_ns_size(), 4);
  EXPECT_EQ(samples.warmup_steps(), 1U);
  EXPECT_EQ(samples.step_ns(0),
            samples.forward_ns(0) + samples.loss_ns(0) + samples.backward_ns(0));
  EXPECT_EQ(samples.optimizer_ns_size(), 0);
  EXPECT_FALSE(Next().has_result());
  EXPECT_EQ(Status(), 0);
}

TEST_F(FakeWorkerTest, PhaseTimesAreThoseOfThePlanInTurn) {
  const v1::WorkerEvent event =
      AfterBuilt({{"forward_ns", {10, 20, 30}}, {"loss_ns", 0}, {"backward_ns", 5}});
  const v1::SampleBlock& samples = event.result().samples();
  EXPECT_EQ(std::vector<int64_t>(samples.step_ns().begin(), samples.step_ns().end()),
            (std::vector<int64_t>{15, 25, 35, 15}));
}

TEST_F(FakeWorkerTest, CombinedTimingHasStepsWithoutPhases) {
  v1::WorkerRequest request = Request();
  request.mutable_plan()->set_timing(v1::TIMING_COMBINED);
  const v1::WorkerEvent event = AfterBuilt(json::object(), request);
  EXPECT_EQ(event.result().samples().step_ns_size(), 4);
  EXPECT_EQ(event.result().samples().forward_ns_size(), 0);
}

TEST_F(FakeWorkerTest, ABatchAboveTheLimitRunsOutOfMemory) {
  const v1::WorkerEvent event = AfterBuilt({{"out_of_memory_above_batch", 3}});
  EXPECT_EQ(event.failed().outcome(), v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_TRUE(event.failed().failure().has_asked_bytes());
  EXPECT_EQ(Status(), 0);
}

TEST_F(FakeWorkerTest, ABatchAtTheLimitFits) {
  EXPECT_TRUE(AfterBuilt({{"out_of_memory_above_batch", 4}}).has_result());
}

TEST_F(FakeWorkerTest, StepsBeforeACrashAreSent) {
  const v1::WorkerEvent event = AfterBuilt({{"at_step", 2}, {"do", "crash"}, {"signal", SIGABRT}});
  EXPECT_EQ(event.steps().samples().step_ns_size(), 2);
  EXPECT_EQ(Next().event_case(), v1::WorkerEvent::EVENT_NOT_SET);
  const int status = Status();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
}

TEST_F(FakeWorkerTest, ItExitsWithTheStatusThatItIsTold) {
  AfterBuilt({{"do", "exit"}, {"status", 7}});
  const int status = Status();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
}

TEST_F(FakeWorkerTest, ItWaitsForAFile) {
  const json run = {{"at_step", 1}, {"do", "wait"}, {"file", folder_ / "go"}};
  EXPECT_EQ(AfterBuilt(run).steps().samples().step_ns_size(), 1);
  std::ofstream(folder_ / "go") << "";
  const v1::WorkerEvent event = Next();
  EXPECT_EQ(event.result().samples().first_step(), 1U);
  EXPECT_EQ(event.result().samples().step_ns_size(), 3);
}

TEST_F(FakeWorkerTest, GarbageAndTooLongFramesAreNoEvents) {
  for (const char* what : {"garbage", "long-frame", "cut-frame"}) {
    decoder_ = FrameDecoder();
    EXPECT_EQ(AfterBuilt({{"do", what}}).event_case(), v1::WorkerEvent::EVENT_NOT_SET) << what;
    kill(pid_, SIGKILL);
    Status();
    close(socket_);
  }
  socket_ = -1;
}

TEST_F(FakeWorkerTest, OneThatIsStubbornOutlivesATermination) {
  Start({{"start", {{"do", "hang-stubborn"}}}});
  while (!IgnoresTermination()) ASSERT_EQ(waitpid(pid_, nullptr, WNOHANG), 0);
  kill(pid_, SIGTERM);
  EXPECT_EQ(waitpid(pid_, nullptr, WNOHANG), 0);
  kill(pid_, SIGKILL);
  EXPECT_EQ(WTERMSIG(Status()), SIGKILL);
}

TEST_F(FakeWorkerTest, TheMostSpecificPlanCounts) {
  Start(
      {{"runs",
        {{"*", {{"forward_ns", 1}}}, {"17", {{"forward_ns", 2}}}, {"17.2", {{"forward_ns", 3}}}}}});
  Send(Request());
  EXPECT_TRUE(Next().has_hello());
  EXPECT_TRUE(Next().has_built());
  EXPECT_EQ(Next().result().samples().forward_ns(0), 3);
}

TEST_F(FakeWorkerTest, ARecordSaysWhatItWasGiven) {
  Start({{"record", folder_ / "requests"}});
  Send(Request(8));
  while (Next().event_case() != v1::WorkerEvent::EVENT_NOT_SET) continue;
  std::ifstream stream(folder_ / "requests");
  const json record = json::parse(stream);
  EXPECT_EQ(record["run_id"], "17.2");
  EXPECT_EQ(record["batch_size"], 8);
  EXPECT_EQ(record["pid"], pid_);
  EXPECT_TRUE(record["environment"].contains("TORCHLAP_FAKE_WORKER"));
  EXPECT_EQ(record["environment"].size(), 1U);
  EXPECT_NE(std::find(record["descriptors"].begin(), record["descriptors"].end(), 3),
            record["descriptors"].end());
}

TEST_F(FakeWorkerTest, WithoutARequestItEndsWithItsDaemon) {
  Start(json::object());
  EXPECT_TRUE(Next().has_hello());
  close(socket_);
  socket_ = -1;
  EXPECT_EQ(Status(), 0);
}

}  // namespace
}  // namespace torchlap
