// With the fake worker: a real process, a real socket, real signals.
#include "server/run/worker_process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "proto/base/file_descriptor.h"
#include "server/run/process_start.h"
#include "server/run/run_follower.h"
#include "server/run/worker_family.h"

namespace torchlap::run {
namespace {

std::vector<pid_t> MarkedProcesses(const std::vector<std::string>& keys) {
  std::vector<pid_t> pids;
  for (const ProcessId& process : MarkSearch().Look(AllProcesses(), keys).marked) {
    pids.push_back(process.pid);
  }
  return pids;
}

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
    command.claim_keys = {Key(0), Key(1)};
    command.log_file = folder_ / "worker.log";
    return command;
  }

  // A program that knows nothing of daemons.
  WorkerCommand Script(const std::string& text) {
    const std::filesystem::path program = folder_ / "program";
    std::ofstream(program) << "#!/bin/sh\n" << text << "\n";
    ::chmod(program.c_str(), 0700);
    WorkerCommand command = Command("{}");
    command.program = program;
    return command;
  }

  // Of a scope that no other test has.
  static std::string Key(int core) {
    return "torchlap/worker-test-" + std::to_string(::getpid()) + "/cpu-core-" +
           std::to_string(core);
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

TEST_F(WorkerProcessTest, TheEndOfItsThreadEndsAnyProgramFromItsFirstMoment) {
  std::unique_ptr<WorkerProcess> worker;
  std::thread([&] {
    auto started = WorkerProcess::Start(Script("exec /bin/sleep 1000"));
    ASSERT_TRUE(started.ok()) << started.status();
    worker = *std::move(started);
  }).join();
  ASSERT_NE(worker, nullptr);
  pollfd end = {worker->exit_fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&end, 1, 10'000), 1);
  EXPECT_EQ(worker->Reap().signal, SIGKILL);
}

TEST_F(WorkerProcessTest, ItHasNoSignalsBlockedOrIgnored) {
  ::signal(SIGUSR1, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  auto worker = WorkerProcess::Start(
      Script("/bin/grep -E '^Sig(Blk|Ign):' /proc/self/status; exec /bin/sleep 1000"));
  ::pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
  ::signal(SIGUSR1, SIG_DFL);
  ASSERT_TRUE(worker.ok()) << worker.status();
  pollfd log = {(*worker)->log_fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&log, 1, 10'000), 1);
  ::kill((*worker)->pid(), SIGTERM);
  EXPECT_EQ((*worker)->Reap().signal, SIGTERM);
  (*worker)->ReadLog();
  EXPECT_TRUE((*worker)->LastLogLine().starts_with("SigIgn:")) << (*worker)->LastLogLine();
  EXPECT_TRUE((*worker)->LastLogLine().ends_with("0000000000000000")) << (*worker)->LastLogLine();
}

bool IsGone(pid_t pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

TEST_F(WorkerProcessTest, WhoLeftItsGroupAndItsSessionEndsWithIt) {
  const std::filesystem::path file = folder_ / "strays";
  const v1::Run run = Follow(R"({"runs": {"*": {"strays": ")" + file.string() + R"("}}})");
  EXPECT_EQ(run.outcome(), v1::OUTCOME_OK) << run.failure().detail();
  std::vector<pid_t> strays;
  std::ifstream pids(file);
  for (pid_t pid = 0; pids >> pid;) strays.push_back(pid);
  ASSERT_EQ(strays.size(), 2U);
  for (const pid_t pid : strays) EXPECT_TRUE(IsGone(pid)) << pid;
}

// As a worker of a daemon that is no more.
class Leftover {
 public:
  explicit Leftover(const std::string& mark) {
    char* const variables[] = {const_cast<char*>("A=1"), const_cast<char*>(mark.c_str()), nullptr};
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::setsid();
    ::execle("/bin/sleep", "sleep", "1000", nullptr, variables);
    ::_exit(1);
  }
  ~Leftover() {
    if (!IsGone(pid_)) ::kill(pid_, SIGKILL);
  }
  Leftover(const Leftover&) = delete;
  Leftover& operator=(const Leftover&) = delete;

  pid_t pid() const { return pid_; }
  // It becomes another program a moment after it was started.
  bool AwaitMark(const std::string& key) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < until) {
      if (MarkedProcesses({key}) == std::vector<pid_t>{pid_}) return true;
      std::this_thread::yield();
    }
    return false;
  }

 private:
  pid_t pid_ = 0;
};

TEST_F(WorkerProcessTest, AWorkerOfAnEarlierDaemonIsFoundByItsDeviceAndEnded) {
  const Leftover one(MarkOf({Key(0), Key(1)}));
  const Leftover other(MarkOf({Key(2)}));
  ASSERT_TRUE(one.AwaitMark(Key(1)));
  ASSERT_TRUE(other.AwaitMark(Key(2)));
  EXPECT_TRUE(MarkedProcesses({}).empty());
  EXPECT_TRUE(MarkedProcesses({Key(3)}).empty());
  EXPECT_TRUE(MarkedProcesses({Key(1) + "0"}).empty()) << "core 10 is not core 1";
  EXPECT_TRUE(
      WorkerFamily::Own().EndStrays({Key(3), Key(1)}, std::chrono::milliseconds(10'000)).empty());
  EXPECT_TRUE(IsGone(one.pid()));
  EXPECT_FALSE(IsGone(other.pid())) << "it works on another device";
}

// A process that was forked is another program a moment later. Empty: it is not, or its environment
// may not be read.
std::string EnvironmentOfSleep(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < until) {
    std::string name;
    std::ifstream(folder + "/comm") >> name;
    std::ifstream file(folder + "/environ");
    const std::string environment((std::istreambuf_iterator<char>(file)),
                                  std::istreambuf_iterator<char>());
    // It has its name a moment before its environment.
    const bool is_closed_to_us = !file.is_open();
    if (name == "sleep" && (is_closed_to_us || !environment.empty())) return environment;
    std::this_thread::yield();
  }
  return "";
}

void End(pid_t pid) {
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

[[noreturn]] void BecomeSleep(const std::string& mark) {
  char* const variables[] = {const_cast<char*>(mark.c_str()), nullptr};
  ::execle("/bin/sleep", "sleep", "1000", nullptr, variables);
  ::_exit(1);
}

TEST_F(WorkerProcessTest, AMarkInAProcessThatIsNotThisAccountsInAllItsUidsEndsNobody) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  constexpr uid_t kOther = 12345;
  const std::string mark = MarkOf({Key(0)});
  // Another user's; one that he started and that is setuid to this account; one that may be his
  // again.
  for (const std::array<uid_t, 3>& uids :
       {std::array<uid_t, 3>{kOther, kOther, kOther}, {kOther, 0, 0}, {0, kOther, 0}}) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (::setresuid(uids[0], uids[1], uids[2]) == 0) BecomeSleep(mark);
      ::_exit(1);
    }
    if (EnvironmentOfSleep(pid).find(mark) == std::string::npos) {
      End(pid);
      GTEST_SKIP() << "without CAP_SYS_PTRACE no mark of his is seen";
    }
    EXPECT_TRUE(MarkedProcesses({Key(0)}).empty()) << uids[0] << " " << uids[1];
    EXPECT_TRUE(WorkerFamily::Own().EndStrays({Key(0)}, std::chrono::milliseconds(1000)).empty());
    EXPECT_FALSE(IsGone(pid));
    End(pid);
  }
}

TEST_F(WorkerProcessTest, ADaemonOfAnotherNetworkNamespaceKeepsItsWorkers) {
  const std::string mark = MarkOf({Key(0)}, {OwnMark().place + "1", OwnMark().daemon});
  const pid_t pid = ::fork();
  if (pid == 0) BecomeSleep(mark);
  EXPECT_NE(EnvironmentOfSleep(pid).find(mark), std::string::npos);
  EXPECT_TRUE(WorkerFamily::Own().EndStrays({Key(0)}, std::chrono::milliseconds(1000)).empty());
  EXPECT_FALSE(IsGone(pid)) << "it has the same key, of another name";
  End(pid);
}

// A process that has gone into a network and a pid namespace of its own, and its child there, which
// is the first one of the latter. Exits with 77 where it may not.
pid_t StartInNamespaces(const std::string& mark) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  const int user = ::geteuid() == 0 ? 0 : CLONE_NEWUSER;
  if (::unshare(user | CLONE_NEWNET | CLONE_NEWPID) != 0) ::_exit(77);
  if (::fork() == 0) ::setsid();
  BecomeSleep(mark);
}

TEST_F(WorkerProcessTest, WhatWentIntoNamespacesOfItsOwnIsFoundAndEnded) {
  const std::string mark = MarkOf({Key(0)});
  const pid_t pid = StartInNamespaces(mark);
  std::vector<pid_t> found;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (found.size() < 2 && std::chrono::steady_clock::now() < until) {
    int status = 0;
    if (::waitpid(pid, &status, WNOHANG) == pid) {
      ASSERT_EQ(WEXITSTATUS(status), 77);
      GTEST_SKIP() << "no namespaces may be made here";
    }
    found = MarkedProcesses({Key(0)});
  }
  EXPECT_EQ(found.size(), 2U) << "by this process's numbers";
  EXPECT_EQ(std::count(found.begin(), found.end(), pid), 1);
  EXPECT_TRUE(WorkerFamily::Own().EndStrays({Key(0)}, std::chrono::milliseconds(10'000)).empty());
  EXPECT_TRUE(MarkedProcesses({Key(0)}).empty());
  EXPECT_TRUE(IsGone(pid));
}

TEST_F(WorkerProcessTest, AnOrphanWithAMarkThatThisDaemonNeverMadeIsEnded) {
  for (const std::string& mark : {std::string("x"), std::string("p:d:1:torchlap/a/cpu-core-0"),
                                  OwnMark().place + ":d:1:torchlap/a/cpu-core-0"}) {
    const std::filesystem::path file = folder_ / "orphan";
    std::filesystem::remove(file);
    const auto worker = WorkerProcess::Start(Script(
        "TORCHLAP_WORKER_OF=" + mark + " /usr/bin/setsid /bin/sh -c 'echo $$ > " + file.string() +
        "; exec /bin/sleep 1000' &\nwhile [ ! -s " + file.string() + " ]; do :; done"));
    ASSERT_TRUE(worker.ok()) << worker.status();
    pollfd end = {(*worker)->exit_fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&end, 1, 10'000), 1);
    (*worker)->Reap();
    pid_t orphan = 0;
    std::ifstream(file) >> orphan;
    ASSERT_GT(orphan, 0);
    EXPECT_TRUE(IsGone(orphan)) << mark;
  }
}

// All descriptors below a limit are taken, and given back one by one.
class FewDescriptors {
 public:
  FewDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit few = {128, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    for (int fd = ::dup(STDIN_FILENO); fd >= 0; fd = ::dup(STDIN_FILENO)) taken_.emplace_back(fd);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

  void GiveOneBack() { taken_.pop_back(); }

 private:
  rlimit before_ = {};
  std::vector<FileDescriptor> taken_;
};

TEST_F(WorkerProcessTest, WhereverDescriptorsRunOutDuringItsStartItMayBeStartedLater) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "UBSan looks through a pipe whether an object is there, and finds none without";
#endif
  const WorkerCommand command = Command(R"({"start": {"do": "hang"}})");
  FewDescriptors descriptors;
  int failures = 0;
  for (int room = 0; room < 20; ++room) {
    const auto worker = WorkerProcess::Start(command);
    if (!worker.ok()) {
      EXPECT_EQ(worker.status().code(), absl::StatusCode::kResourceExhausted)
          << room << ": " << worker.status();
      ++failures;
    }
    descriptors.GiveOneBack();
  }
  EXPECT_GE(failures, 7) << "a socketpair, two pipes, /dev/null, the process";
  EXPECT_LT(failures, 20);
}

TEST(LackOfRoomTest, ItIsToldFromWhatNoTimeHeals) {
  for (const int error : {EMFILE, ENFILE, EAGAIN, ENOMEM, ENOBUFS, ENOSPC}) {
    EXPECT_TRUE(IsLackOfRoom(error)) << error;
  }
  for (const int error : {ENOENT, EACCES, ENOEXEC, EINVAL}) {
    EXPECT_FALSE(IsLackOfRoom(error)) << error;
  }
}

}  // namespace
}  // namespace torchlap::run
