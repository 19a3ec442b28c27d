// Who is told what over the socket of a private daemon: real gRPC on both sides, two users.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/rpc/connections.h"
#include "tests/server/rpc/calls_fixture.h"
#include "tests/server/rpc/waiting_for_grpc.h"
#include "torchlap/v1/service.grpc.pb.h"

namespace torchlap::rpc {
namespace {

constexpr char kStranger[] = "54321";

// What the caller of this process is told of job 1, which is root's.
struct Told {
  v1::Job listed;
  grpc::Status status;  // of GetJob
  int runs = 0;
};

Told AskOf(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  const auto stub = v1::Torchlap::NewStub(
      grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments));
  const auto ask = [](auto call) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    return call(&context);
  };
  Told told;
  v1::ListJobsResponse jobs;
  const grpc::Status listed = ask([&](grpc::ClientContext* context) {
    return stub->ListJobs(context, v1::ListJobsRequest(), &jobs);
  });
  EXPECT_TRUE(listed.ok()) << listed.error_message();
  if (jobs.jobs_size() == 1) told.listed = jobs.jobs(0);
  v1::GetJobRequest request;
  request.set_job_id(1);
  v1::GetJobResponse job;
  told.status =
      ask([&](grpc::ClientContext* context) { return stub->GetJob(context, request, &job); });
  v1::ListRunsResponse runs;
  EXPECT_TRUE(ask([&](grpc::ClientContext* context) {
                return stub->ListRuns(context, v1::ListRunsRequest(), &runs);
              }).ok());
  told.runs = runs.runs_size();
  return told;
}

// The other halves of the tests below: a process of its own, as gRPC does not survive a fork.
std::optional<Told> AskAsStranger() {
  const char* socket = std::getenv("TORCHLAP_TEST_SOCKET");
  if (socket == nullptr) return std::nullopt;
  EXPECT_EQ(::setuid(static_cast<uid_t>(std::atoi(kStranger))), 0);
  return AskOf(socket);
}

TEST(StrangerOfAPrivateDaemon, DISABLED_SeesAnOutline) {
  const std::optional<Told> told = AskAsStranger();
  if (!told) GTEST_SKIP() << "started by another test";
  EXPECT_EQ(told->listed.job_id(), 1U);
  EXPECT_EQ(told->listed.user(), "root");
  EXPECT_EQ(told->listed.state(), v1::JOB_STATE_RUNNING);
  EXPECT_FALSE(told->listed.has_spec());
  EXPECT_EQ(told->listed.sweep_name(), "");
  EXPECT_EQ(told->status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(told->status.error_message(),
            "job 1 belongs to root; only its owner or an admin may see it, as this daemon is "
            "private");
  EXPECT_EQ(told->runs, 0);
}

TEST(StrangerOfAnOpenDaemon, DISABLED_SeesAll) {
  const std::optional<Told> told = AskAsStranger();
  if (!told) GTEST_SKIP() << "started by another test";
  EXPECT_TRUE(told->listed.has_spec());
  EXPECT_EQ(told->listed.sweep_name(), "night");
  EXPECT_TRUE(told->status.ok()) << told->status.error_message();
  EXPECT_EQ(told->runs, 1);
}

class PrivateDaemonTest : public CallsTest {
 protected:
  void SetUp() override {
    CallsTest::SetUp();
    ::chmod(folder_.path().c_str(), 0755);
    // Of two launches one is done and one runs.
    const auto submitted =
        jobs_->Submit(root_, "", "", "night", {storage::MakeJob("small", 2)}, {42}, ++now_ns_);
    ASSERT_TRUE(submitted.ok()) << submitted.status();
    Finish(storage::Ended(Start(1, 0)), storage::LaunchDone());
    Start(1, 1);
  }
  // Before what it uses.
  void TearDown() override { connections_.reset(); }

  void Listen(bool is_private, const std::set<std::string>& admins = {}) {
    ListenSetting setting;
    setting.sockets = {socket_};
    setting.everyone = true;
    setting.is_private = is_private;
    setting.admins = admins;
    auto listening = Connections::Listen(setting, &*calls_);
    ASSERT_TRUE(listening.ok()) << listening.status();
    connections_ = *std::move(listening);
  }
  // Runs the tests of `name` as another user; their exit status.
  int RunAsStranger(const std::string& name) {
    std::string program = std::filesystem::read_symlink("/proc/self/exe");
    std::string filter = "--gtest_filter=" + name + ".*";
    std::string disabled = "--gtest_also_run_disabled_tests";
    std::string where = "TORCHLAP_TEST_SOCKET=" + socket_.string();
    char* arguments[] = {program.data(), filter.data(), disabled.data(), nullptr};
    char* variables[] = {where.data(), nullptr};
    pid_t pid = -1;
    EXPECT_EQ(::posix_spawn(&pid, program.c_str(), nullptr, nullptr, arguments, variables), 0);
    int status = -1;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return status;
  }

  const std::filesystem::path socket_ = folder_.path() / "socket";
  std::unique_ptr<Connections> connections_;
};

TEST_F(PrivateDaemonTest, AStrangerIsToldThatAJobIsThereAndNoMore) {
  if (::geteuid() != 0) GTEST_SKIP() << "being another user needs root";
  Listen(/*is_private=*/true);
  EXPECT_EQ(RunAsStranger("StrangerOfAPrivateDaemon"), 0);
  const Told told = AskOf(socket_.string());
  EXPECT_EQ(told.listed.sweep_name(), "night");
  EXPECT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_EQ(told.runs, 1);
}

TEST_F(PrivateDaemonTest, AnAdminIsToldAll) {
  if (::geteuid() != 0) GTEST_SKIP() << "being another user needs root";
  Listen(/*is_private=*/true, {"uid:" + std::string(kStranger)});
  EXPECT_EQ(RunAsStranger("StrangerOfAnOpenDaemon"), 0);
}

TEST_F(PrivateDaemonTest, OneThatIsNotPrivateTellsEverybodyAll) {
  if (::geteuid() != 0) GTEST_SKIP() << "being another user needs root";
  Listen(/*is_private=*/false);
  EXPECT_EQ(RunAsStranger("StrangerOfAnOpenDaemon"), 0);
}

TEST(CallerOf, OfAPrivateDaemonSeesAllOnlyAsAnAdmin) {
  EXPECT_TRUE(CallerOf(54321).sees_all);
  EXPECT_TRUE(CallerOf(54321, {"ann"}).sees_all);
  EXPECT_FALSE(CallerOf(54321, {}, /*is_private=*/true).sees_all);
  EXPECT_FALSE(CallerOf(54321, {"ann", "uid:54322"}, true).sees_all);
  EXPECT_TRUE(CallerOf(54321, {"uid:54321"}, true).sees_all);
  EXPECT_TRUE(CallerOf(0, {}, true).sees_all);
  EXPECT_TRUE(CallerOf(::geteuid(), {}, true).sees_all) << "as in everybody's own daemon";
}

}  // namespace
}  // namespace torchlap::rpc
