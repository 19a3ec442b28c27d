// With the fake worker: a real process, a real socket, real signals.
#include "server/run/worker_process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "server/run/run_follower.h"

namespace torchlap::run {
namespace {

class WorkerProcessTest : public testing::Test {
 protected:
  WorkerProcessTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "torchlap-worker-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~WorkerProcessTest() override { std::filesystem::remove_all(folder_); }

  WorkerCommand Command(const std::string& plan) {
    std::ofstream(folder_ / "plan.json") << plan;
    WorkerCommand command;
    command.program = TORCHLAP_FAKE_WORKER_PROGRAM;
    command.environment = {"TORCHLAP_FAKE_WORKER=" + (folder_ / "plan.json").string()};
    command.log_file = folder_ / "worker.log";
    return command;
  }

  static v1::WorkerRequest Request() {
    v1::WorkerRequest request;
    request.set_run_id("1.1");
    v1::TransformerLm* model = request.mutable_workload()->mutable_transformer_lm();
    model->set_pass_type(v1::PASS_TYPE_FORWARD);
    model->set_batch_size(1);
    model->set_context_length(8);
    request.mutable_plan()->set_warmup_steps(1);
    request.mutable_plan()->set_measure_steps(2);
    return request;
  }

  static v1::Run Run() {
    v1::Run run;
    run.set_run_id("1.1");
    *run.mutable_workload() = Request().workload();
    *run.mutable_plan() = Request().plan();
    return run;
  }

  // Follows a worker under `plan`; `cause` is what the daemon asks for from the start.
  v1::Run Follow(const std::string& plan, StopCause cause = StopCause::kNone) {
    auto worker = WorkerProcess::Start(Command(plan));
    EXPECT_TRUE(worker.ok()) << worker.status();
    WakeUp wake_up;
    FollowOrders orders;
    orders.deadline_ns = INT64_MAX;
    orders.grace = std::chrono::milliseconds(100);
    orders.wake_up = &wake_up;
    orders.stop_cause = [cause] { return cause; };
    RunRecord record(Run());
    const WorkerEnd end = FollowWorker(Request(), orders, worker->get(), &record);
    return std::move(record).Finish(end, {}, 1).run;
  }

  std::filesystem::path folder_;
};

TEST_F(WorkerProcessTest, AWellBehavedWorkerEndsOk) {
  const v1::Run run = Follow("{}");
  EXPECT_EQ(run.outcome(), v1::OUTCOME_OK) << run.failure().detail();
}

TEST_F(WorkerProcessTest, AProgramThatIsNotThereIsNamed) {
  WorkerCommand command = Command("{}");
  command.program = "/no/such/worker";
  const auto worker = WorkerProcess::Start(command);
  EXPECT_EQ(worker.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(std::string(worker.status().message()).find("/no/such/worker"), std::string::npos);
}

TEST_F(WorkerProcessTest, AStubbornWorkerIsKilledAfterTheGrace) {
  const v1::Run run =
      Follow(R"({"runs": {"*": {"at_step": 0, "do": "hang-stubborn"}}})", StopCause::kCancel);
  EXPECT_EQ(run.outcome(), v1::OUTCOME_CANCELLED);
}

TEST_F(WorkerProcessTest, ACrashIsToldFromAnOrderlyEnd) {
  const v1::Run run = Follow(R"({"runs": {"*": {"at_step": 1, "do": "crash", "signal": 6}}})");
  EXPECT_EQ(run.outcome(), v1::OUTCOME_CRASHED);
  EXPECT_EQ(run.failure().signal(), SIGABRT);
}

TEST_F(WorkerProcessTest, TheLogIsCapped) {
  WorkerCommand command = Command(R"({"runs": {"*": {"stderr_bytes": 300000}}})");
  command.log_limit_bytes = 1000;
  auto worker = WorkerProcess::Start(command);
  ASSERT_TRUE(worker.ok()) << worker.status();
  WakeUp wake_up;
  FollowOrders orders;
  orders.deadline_ns = INT64_MAX;
  orders.wake_up = &wake_up;
  orders.stop_cause = [] { return StopCause::kNone; };
  RunRecord record(Run());
  FollowWorker(Request(), orders, worker->get(), &record);
  EXPECT_TRUE(record.is_complete());
  EXPECT_EQ(std::filesystem::file_size(command.log_file), 1000U);
}

TEST_F(WorkerProcessTest, ItInheritsNothingButItsSocketAndItsLog) {
  const FileDescriptor leak(::dup(STDERR_FILENO));  // without close-on-exec
  auto worker = WorkerProcess::Start(Command(R"({"start": {"do": "hang"}})"));
  ASSERT_TRUE(worker.ok()) << worker.status();
  const std::filesystem::path fds = "/proc/" + std::to_string((*worker)->pid()) + "/fd";
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(fds)) ++count;
  // stdin, stdout, stderr, socket; while the fake worker reads its plan, that file too.
  EXPECT_LE(count, 5);
  EXPECT_EQ(::getpgid((*worker)->pid()), (*worker)->pid());
}

}  // namespace
}  // namespace torchlap::run
