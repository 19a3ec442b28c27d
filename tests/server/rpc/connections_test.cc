// Real sockets, real gRPC on both sides.
#include "server/rpc/connections.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proto/base/mutex.h"
#include "proto/message_size.h"
#include "server/host/account_name.h"
#include "server/host/state_folders.h"
#include "tests/proto/base/settable_clock.h"
#include "tests/server/rpc/calls_fixture.h"
#include "tests/server/rpc/http2_frames.h"
#include "tests/server/rpc/waiting_for_grpc.h"
#include "torchlap/v1/service.grpc.pb.h"

namespace torchlap::rpc {
namespace {

std::unique_ptr<v1::Torchlap::Stub> StubOf(const std::filesystem::path& socket) {
  grpc::ChannelArguments arguments;
  // A channel of its own: a connection of its own.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  return v1::Torchlap::NewStub(grpc::CreateCustomChannel(
      "unix:" + socket.string(), grpc::InsecureChannelCredentials(), arguments));
}

// The name that the daemon sees in the caller; else what went wrong.
std::string CallerName(v1::Torchlap::Stub* stub) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  v1::GetDaemonStatusResponse response;
  const grpc::Status status =
      stub->GetDaemonStatus(&context, v1::GetDaemonStatusRequest(), &response);
  return status.ok() ? response.caller() : "error " + status.error_message();
}

// A bare connection, without gRPC.
FileDescriptor Connect(const std::filesystem::path& socket) {
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fd.reset();
  }
  return fd;
}

size_t OpenDescriptors() {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                                           std::filesystem::directory_iterator()));
}

class ConnectionsTest : public CallsTest {
 protected:
  void SetUp() override {
    CallsTest::SetUp();
    ::chmod(folder_.path().c_str(), 0755);
  }
  // Before what it uses.
  void TearDown() override { connections_.reset(); }

  ListenSetting At(const std::filesystem::path& socket, bool everyone = true) const {
    ListenSetting setting;
    setting.sockets = {socket};
    setting.everyone = everyone;
    setting.clock = &clock_;
    return setting;
  }

  void Listen() { ListenWith(At(socket_)); }
  void ListenWith(const ListenSetting& setting) {
    auto listening = Connections::Listen(setting, &*calls_);
    ASSERT_TRUE(listening.ok()) << listening.status();
    connections_ = *std::move(listening);
  }

  const std::filesystem::path socket_ = folder_.path() / "socket";
  SettableClock clock_;
  std::unique_ptr<Connections> connections_;
};

TEST_F(ConnectionsTest, ACallerIsWhomTheKernelNames) {
  Listen();
  EXPECT_EQ(CallerName(StubOf(socket_).get()), host::AccountName(::geteuid()));
}

// The other half of the test below: a process of its own, as gRPC does not survive a fork.
TEST(AnotherUser, DISABLED_SaysItsName) {
  const char* uid = std::getenv("TORCHLAP_TEST_UID");
  const char* socket = std::getenv("TORCHLAP_TEST_SOCKET");
  if (uid == nullptr || socket == nullptr) GTEST_SKIP() << "started by another test";
  ASSERT_EQ(::setuid(static_cast<uid_t>(std::atoi(uid))), 0);
  EXPECT_EQ(CallerName(StubOf(socket).get()), host::AccountName(::getuid()));
}

pid_t StartAs(uid_t uid, const std::filesystem::path& socket) {
  std::string program = std::filesystem::read_symlink("/proc/self/exe");
  std::string filter = "--gtest_filter=AnotherUser.*";
  std::string disabled = "--gtest_also_run_disabled_tests";
  std::string who = "TORCHLAP_TEST_UID=" + std::to_string(uid);
  std::string where = "TORCHLAP_TEST_SOCKET=" + socket.string();
  char* arguments[] = {program.data(), filter.data(), disabled.data(), nullptr};
  char* variables[] = {who.data(), where.data(), nullptr};
  pid_t pid = -1;
  EXPECT_EQ(::posix_spawn(&pid, program.c_str(), nullptr, nullptr, arguments, variables), 0);
  return pid;
}

TEST_F(ConnectionsTest, ThreeUsersAtOnceAreEachToldTheirOwnName) {
  if (::geteuid() != 0) GTEST_SKIP() << "being another user needs root";
  Listen();
  std::vector<pid_t> children;
  // Two of them have an account, the last has none.
  for (const uid_t uid : {1U, 65534U, 54321U}) {
    for (int i = 0; i < 2; ++i) children.push_back(StartAs(uid, socket_));
  }
  EXPECT_EQ(CallerName(StubOf(socket_).get()), "root");
  for (const pid_t pid : children) {
    int status = -1;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
}

TEST(CallerOf, RootAndTheDaemonsAccountAreAdmins) {
  EXPECT_TRUE(CallerOf(0).is_admin);
  EXPECT_TRUE(CallerOf(::geteuid()).is_admin);
  const storage::Caller other = CallerOf(54321);
  EXPECT_FALSE(other.is_admin);
  EXPECT_EQ(other.principal, "uid:54321");
  EXPECT_EQ(other.name, "uid:54321");
}

TEST(CallerOf, TheConfigurationNamesMoreAdmins) {
  // Debian's accounts 1 and 2.
  ASSERT_EQ(CallerOf(1).name, "daemon");
  const std::set<std::string> admins = {"daemon", "not-there-now", "uid:54321"};
  EXPECT_TRUE(CallerOf(1, admins).is_admin);
  EXPECT_TRUE(CallerOf(54321, admins).is_admin);
  EXPECT_FALSE(CallerOf(2, admins).is_admin);
  EXPECT_FALSE(CallerOf(54322, admins).is_admin);
}

TEST_F(ConnectionsTest, ASocketFileThatWasLeftBehindIsReplaced) {
  Listen();
  // As after a kill: the file stays, nobody listens.
  std::filesystem::rename(socket_, folder_.path() / "kept");
  connections_.reset();
  std::filesystem::rename(folder_.path() / "kept", socket_);
  EXPECT_FALSE(Connect(socket_));
  Listen();
  EXPECT_EQ(CallerName(StubOf(socket_).get()), host::AccountName(::geteuid()));
}

// What the daemon says of its socket.
std::string SocketOf(v1::Torchlap::Stub* stub) {
  grpc::ClientContext context;
  v1::GetDaemonStatusResponse response;
  const grpc::Status status = stub->GetDaemonStatus(&context, {}, &response);
  return status.ok() ? response.socket_path() : "error " + status.error_message();
}

class LostSocketTest : public ConnectionsTest {
 protected:
  void SetUp() override {
    ConnectionsTest::SetUp();
    setting_ = At(place_);
    setting_.sockets = {place_, folder_.path() / "second" / "socket"};
    setting_.prepare = [](const std::filesystem::path& socket) {
      std::error_code error;
      std::filesystem::create_directory(socket.parent_path(), error);
      return error ? absl::UnavailableError(error.message()) : absl::OkStatus();
    };
    setting_.listening = [this](const std::filesystem::path& socket) {
      MutexLock lock(&mutex_);
      heard_.push_back(socket);
    };
    auto listening = Connections::Listen(setting_, &*calls_);
    ASSERT_TRUE(listening.ok()) << listening.status();
    connections_ = *std::move(listening);
  }
  // The socket is looked at, and that is over.
  void LetItLook() {
    EXPECT_TRUE(clock_.AwaitSleepUntil(next_look_ns_));
    clock_.Advance(Connections::kSocketCheckNs);
    next_look_ns_ += Connections::kSocketCheckNs;
    EXPECT_TRUE(clock_.AwaitSleepUntil(next_look_ns_));
  }
  std::vector<std::filesystem::path> Heard() {
    MutexLock lock(&mutex_);
    return heard_;
  }

  const std::filesystem::path place_ = folder_.path() / "first" / "socket";
  int64_t next_look_ns_ = clock_.MonotonicNs() + Connections::kSocketCheckNs;
  ListenSetting setting_;
  Mutex mutex_;
  std::vector<std::filesystem::path> heard_;
};

TEST_F(LostSocketTest, ASocketWhoseFolderWasWipedIsMadeAgain) {
  const auto old = StubOf(place_);
  ASSERT_EQ(CallerName(old.get()), host::AccountName(::geteuid()));
  for (int time = 0; time < 2; ++time) {
    std::filesystem::remove_all(place_.parent_path());
    EXPECT_FALSE(Connect(place_));
    LetItLook();
    EXPECT_EQ(SocketOf(StubOf(place_).get()), place_);
  }
  EXPECT_EQ(CallerName(old.get()), host::AccountName(::geteuid())) << "who was connected still is";
  EXPECT_THAT(Heard(), testing::Each(place_));
}

TEST_F(LostSocketTest, ASocketThatIsThereIsLeftAlone) {
  struct stat before = {};
  ASSERT_EQ(::stat(place_.c_str(), &before), 0);
  LetItLook();
  LetItLook();
  struct stat after = {};
  ASSERT_EQ(::stat(place_.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(Heard().size(), 3U) << "its note is kept too";
}

TEST_F(LostSocketTest, WhereItsPlaceIsGoneForGoodTheNextOneIsTaken) {
  std::filesystem::remove_all(place_.parent_path());
  std::ofstream(place_.parent_path()) << "no folder can be made here";
  LetItLook();
  EXPECT_EQ(SocketOf(StubOf(setting_.sockets[1]).get()), setting_.sockets[1]);
  EXPECT_EQ(Heard().back(), setting_.sockets[1]);
}

TEST_F(LostSocketTest, WhereNoPlaceCanBeHadItIsTriedAgain) {
  std::filesystem::remove_all(place_.parent_path());
  std::ofstream(place_.parent_path()) << "";
  std::ofstream(setting_.sockets[1].parent_path()) << "";
  LetItLook();
  LetItLook();
  std::filesystem::remove(place_.parent_path());
  LetItLook();
  EXPECT_EQ(SocketOf(StubOf(place_).get()), place_);
}

TEST_F(LostSocketTest, AnotherDaemonsSocketAtItsPlaceIsNotRemovedAtTheStop) {
  std::filesystem::remove(place_);
  const auto other = Connections::Listen(At(place_), &*calls_);
  ASSERT_TRUE(other.ok());
  connections_.reset();
  EXPECT_TRUE(Connect(place_));
}

TEST_F(ConnectionsTest, ReadersThatDoNotReadHoldNobodyUp) {
  if (kIsUnderTsan) GTEST_SKIP() << kTooLargeForTsan;
  Listen();
  storage::NewJob job = storage::MakeJob();
  job.spec.set_purpose(v1::PURPOSE_TRACE);
  const std::string run_id = std::to_string(RunToEnd(job)) + ".1";
  const std::filesystem::path trace = host::TraceFile(folder_.path(), run_id);
  std::filesystem::create_directories(trace.parent_path());
  // Far more than sockets and gRPC take on the way.
  std::ofstream(trace, std::ios::binary) << std::string(64 << 20, 't');
  v1::ReadTraceRequest request;
  request.set_run_id(run_id);
  struct Reader {
    std::unique_ptr<v1::Torchlap::Stub> stub;
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::ReadTraceResponse>> stream;
  };
  std::vector<std::unique_ptr<Reader>> lazy;
  v1::ReadTraceResponse piece;
  // More than there are threads, each of which has seen a first message.
  for (int i = 0; i < 12; ++i) {
    lazy.push_back(std::make_unique<Reader>());
    lazy.back()->stub = StubOf(socket_);
    lazy.back()->stream = lazy.back()->stub->ReadTrace(&lazy.back()->context, request);
    ASSERT_TRUE(lazy.back()->stream->Read(&piece)) << i;
  }
  const auto stub = StubOf(socket_);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline / 2);
  v1::ExportRunsResponse rows;
  const auto exported = stub->ExportRuns(&context, v1::ExportRunsRequest());
  EXPECT_TRUE(exported->Read(&rows));
  EXPECT_EQ(rows.rows_size(), 1);
  while (exported->Read(&rows)) continue;
  EXPECT_TRUE(exported->Finish().ok());
  // They are not cut off either.
  size_t bytes = piece.data().size();
  while (lazy.back()->stream->Read(&piece)) bytes += piece.data().size();
  EXPECT_TRUE(lazy.back()->stream->Finish().ok());
  EXPECT_EQ(bytes, size_t{64} << 20);
  lazy.pop_back();
  for (const auto& reader : lazy) {
    reader->context.TryCancel();
    EXPECT_EQ(reader->stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
}

TEST_F(ConnectionsTest, APathThatTheKernelDoesNotTakeIsRefusedWithBothNumbers) {
  const std::filesystem::path longest = folder_.path() / std::string(200, 's');
  const auto refused = Connections::Listen(At(longest), &*calls_);
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  const std::string message(refused.status().message());
  EXPECT_THAT(message, testing::HasSubstr(std::to_string(longest.string().size())));
  EXPECT_THAT(message, testing::HasSubstr("must have at most 107"));
  EXPECT_TRUE(absl::IsUnavailable(
      Connections::Listen(At(folder_.path() / "no" / "folder"), &*calls_).status()));
}

TEST_F(ConnectionsTest, OnlyTheOwnerMayConnectUnlessEveryoneMay) {
  const auto mode = [&](bool everyone) {
    const auto listening = Connections::Listen(At(socket_, everyone), &*calls_);
    EXPECT_TRUE(listening.ok());
    struct stat file = {};
    ::stat(socket_.c_str(), &file);
    return file.st_mode & 0777;
  };
  EXPECT_EQ(mode(true), 0666U);
  EXPECT_EQ(mode(false), 0600U);
}

TEST_F(ConnectionsTest, ClientsThatVanishLeaveNoDescriptorAndHarmNobody) {
  Listen();
  const auto stub = StubOf(socket_);
  ASSERT_EQ(CallerName(stub.get()), host::AccountName(::geteuid()));
  const size_t before = OpenDescriptors();
  for (size_t i = 0; i < 200; ++i) {
    const FileDescriptor client = Connect(socket_);
    ASSERT_TRUE(client);
    const std::string begun =
        std::vector<std::string>{"", "GET / HTTP/1.1\r\n\r\n", "PRI *"}[i % 3];
    ASSERT_EQ(::send(client.get(), begun.data(), begun.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(begun.size()));
  }
  EXPECT_EQ(CallerName(stub.get()), host::AccountName(::geteuid()));
  EXPECT_TRUE(Eventually([&] { return OpenDescriptors() <= before; }))
      << OpenDescriptors() << " descriptors, were " << before;
}

TEST_F(ConnectionsTest, ManyConnectionsAreAllAnsweredAndClosed) {
  Listen();
  ASSERT_EQ(CallerName(StubOf(socket_).get()), host::AccountName(::geteuid()));
  const size_t before = OpenDescriptors();
  {
    std::vector<std::unique_ptr<v1::Torchlap::Stub>> stubs;
    for (int i = 0; i < 50; ++i) stubs.push_back(StubOf(socket_));
    for (const auto& stub : stubs) {
      ASSERT_EQ(CallerName(stub.get()), host::AccountName(::geteuid()));
    }
    EXPECT_GE(OpenDescriptors(), before + 50);
  }
  EXPECT_TRUE(Eventually([&] { return OpenDescriptors() <= before; }))
      << OpenDescriptors() << " descriptors, were " << before;
}

TEST_F(ConnectionsTest, ThoseWhoAskAtOnceAreEachAnswered) {
  Listen();
  constexpr int kCallers = 4;
  constexpr uint32_t kJobsOfACaller = 5;
  Mutex fixture;  // is not for threads
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < kCallers; ++i) {
      callers.emplace_back([&] {
        const auto stub = StubOf(socket_);
        for (uint32_t n = 0; n < kJobsOfACaller; ++n) {
          {
            MutexLock lock(&fixture);
            SubmitOne(storage::MakeJob());
          }
          EXPECT_EQ(CallerName(stub.get()), host::AccountName(::geteuid()));
          grpc::ClientContext context;
          v1::ListJobsRequest request;
          request.mutable_selector()->set_all(true);
          v1::ListJobsResponse response;
          EXPECT_TRUE(stub->ListJobs(&context, request, &response).ok());
          EXPECT_GT(response.jobs_size(), static_cast<int>(n));
        }
      });
    }
  }
  grpc::ClientContext context;
  v1::GetDaemonStatusResponse status;
  ASSERT_TRUE(StubOf(socket_)->GetDaemonStatus(&context, {}, &status).ok());
  EXPECT_EQ(status.queued_jobs(), kCallers * kJobsOfACaller);
}

// What a call of another connection is answered with.
grpc::Status StatusOfCall(const std::filesystem::path& socket) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  v1::GetDaemonStatusResponse response;
  return StubOf(socket)->GetDaemonStatus(&context, {}, &response);
}

class LimitedConnectionsTest : public ConnectionsTest {
 protected:
  // As if all callers were strangers, who have no reserve.
  void ListenToStrangers(ConnectionLimits limits) {
    ListenSetting setting = At(socket_);
    setting.limits = limits;
    setting.only_strangers = true;
    ListenWith(setting);
  }
  // Connections that are served: each was answered.
  void Fill(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      stubs_.push_back(StubOf(socket_));
      ASSERT_EQ(CallerName(stubs_.back().get()), host::AccountName(::geteuid())) << i;
    }
  }

  std::vector<std::unique_ptr<v1::Torchlap::Stub>> stubs_;
};

TEST_F(LimitedConnectionsTest, OneTooManyOfAUserIsToldSoAndTakenWhenAnotherEnds) {
  ListenToStrangers({3, 100, 10});
  Fill(3);
  const std::string words = "too many connections of uid " + std::to_string(::geteuid()) + " (3)";
  for (int i = 0; i < 2; ++i) {
    const grpc::Status status = StatusOfCall(socket_);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(status.error_message(), words);
  }
  EXPECT_EQ(CallerName(stubs_[0].get()), host::AccountName(::geteuid())) << "others are served";
  stubs_.pop_back();
  EXPECT_TRUE(Eventually([this] { return StatusOfCall(socket_).ok(); }));
}

TEST_F(LimitedConnectionsTest, AFullHouseIsToldToStreamsToo) {
  ListenToStrangers({100, 6, 4});
  Fill(2);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  const auto stub = StubOf(socket_);
  v1::WatchJobsRequest request;
  request.mutable_selector()->set_all(true);
  const auto stream = stub->WatchJobs(&context, request);
  v1::WatchJobsResponse message;
  EXPECT_FALSE(stream->Read(&message));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "too many connections (2)");
}

TEST_F(LimitedConnectionsTest, RootAndTheDaemonsAccountHaveMoreThanAUser) {
  ListenSetting setting = At(socket_);
  setting.limits = {2, 10, 4};
  ListenWith(setting);
  Fill(9);
}

TEST_F(LimitedConnectionsTest, WhoConnectsAgainAndAgainLeavesNoDescriptor) {
  ListenToStrangers({3, 100, 10});
  Fill(3);
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(Connect(socket_)) << i;
  EXPECT_TRUE(Eventually([&] { return OpenDescriptors() <= before + FullHouse::kMostOfOne; }))
      << OpenDescriptors() << " descriptors, were " << before;
  EXPECT_EQ(CallerName(stubs_[0].get()), host::AccountName(::geteuid()));
}

TEST_F(LimitedConnectionsTest, ManyWatchersOfOneChannelLeaveItsNextCallARoom) {
  ListenToStrangers({});
  SubmitOne(storage::MakeJob());
  v1::WatchJobsRequest request;
  request.mutable_selector()->set_all(true);
  struct Watcher {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::WatchJobsResponse>> stream;
  };
  const auto stub = StubOf(socket_);
  std::vector<std::unique_ptr<Watcher>> watchers;
  v1::WatchJobsResponse message;
  for (int i = 0; i < 150; ++i) {
    watchers.push_back(std::make_unique<Watcher>());
    Watcher& watcher = *watchers.back();
    watcher.context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    watcher.stream = stub->WatchJobs(&watcher.context, request);
    ASSERT_TRUE(watcher.stream->Read(&message)) << i;
  }
  EXPECT_EQ(CallerName(stub.get()), host::AccountName(::geteuid()));
  for (const auto& watcher : watchers) watcher->context.TryCancel();
}

// What a million equal bytes become is nothing on the way.
TEST_F(LimitedConnectionsTest, CompressedRequestsAreNotTaken) {
  ListenToStrangers({});
  const auto stub = StubOf(socket_);
  for (const auto algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    context.set_compression_algorithm(algorithm);
    v1::SubmitJobsRequest request;
    request.set_sweep_name(std::string(1'000'000, 'x'));
    v1::SubmitJobsResponse response;
    EXPECT_EQ(stub->SubmitJobs(&context, request, &response).error_code(),
              grpc::StatusCode::UNIMPLEMENTED);
  }
  EXPECT_EQ(CallerName(stub.get()), host::AccountName(::geteuid()));
}

// Accounts as a test writes them; answers wait while the gate is closed.
class UnknownUsersTest : public LimitedConnectionsTest {
 protected:
  void TearDown() override {
    is_open_ = true;
    LimitedConnectionsTest::TearDown();
  }
  void ListenWithLimits(ConnectionLimits limits) {
    ListenSetting setting = At(socket_);
    setting.limits = limits;
    setting.only_strangers = true;
    setting.look_up = [this](uid_t uid) {
      {
        MutexLock lock(&mutex_);
        asked_.insert(uid);
      }
      while (!is_open_) ::poll(nullptr, 0, 1);
      return Account{NameOf(uid), uid < 100'000};
    };
    ListenWith(setting);
  }
  static std::string NameOf(uid_t uid) {
    return uid < 100'000 ? "user" + std::to_string(uid) : "uid:" + std::to_string(uid);
  }
  bool WasAsked(uid_t uid) {
    MutexLock lock(&mutex_);
    return asked_.contains(uid);
  }
  // As another user: only the thread that connects is. Not there: that is root's alone.
  FileDescriptor ConnectAs(uid_t uid) {
    FileDescriptor fd;
    std::jthread([&] {
      ::syscall(SYS_setresuid, -1, uid, -1);
      fd = Connect(socket_);
    }).join();
    return fd;
  }
  std::unique_ptr<v1::Torchlap::Stub> StubAs(uid_t uid) {
    FileDescriptor fd = ConnectAs(uid);
    if (!fd) return nullptr;
    ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
    return v1::Torchlap::NewStub(grpc::CreateInsecureChannelFromFd("daemon", fd.release()));
  }

  std::atomic<bool> is_open_ = true;
  Mutex mutex_;
  std::set<uid_t> asked_;
};

TEST_F(UnknownUsersTest, WhoIsServedDoesNotWaitForItsNameAgain) {
  ListenWithLimits({});
  const auto stub = StubOf(socket_);
  ASSERT_EQ(CallerName(stub.get()), NameOf(::geteuid()));
  clock_.Advance(Accounts::kUsedNs);
  is_open_ = false;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(CallerName(StubOf(socket_).get()), NameOf(::geteuid())) << i;
  }
}

// As `xargs -P 32 torchlap submit` does.
TEST_F(UnknownUsersTest, ManyAtOnceOfAUserWhoWasThereBeforeAreServedAtOnce) {
  ListenWithLimits({});
  ASSERT_EQ(CallerName(StubOf(socket_).get()), NameOf(::geteuid()));
  ASSERT_TRUE(Eventually([this] {
    clock_.Advance(Connections::kSocketCheckNs);
    return connections_->users() == 0;
  }));
  clock_.Advance(Accounts::kKeptNs);
  is_open_ = false;
  for (int i = 0; i < 32; ++i) {
    stubs_.push_back(StubOf(socket_));
    ASSERT_EQ(CallerName(stubs_.back().get()), NameOf(::geteuid())) << i;
  }
}

TEST_F(UnknownUsersTest, ANameThatCameTooLateIsThatOfTheNextConnection) {
  ListenWithLimits({});
  is_open_ = false;
  const int64_t until_ns = clock_.MonotonicNs() + Connections::kLookUpNs;
  const auto early = StubOf(socket_);
  std::string name;
  std::jthread caller([&] { name = CallerName(early.get()); });
  ASSERT_TRUE(clock_.AwaitSleepUntil(until_ns));
  clock_.Advance(Connections::kLookUpNs);
  caller.join();
  EXPECT_EQ(name, "uid:" + std::to_string(::geteuid()));
  is_open_ = true;
  EXPECT_TRUE(
      Eventually([this] { return CallerName(StubOf(socket_).get()) == NameOf(::geteuid()); }));
  EXPECT_EQ(CallerName(early.get()), "uid:" + std::to_string(::geteuid()));
}

TEST_F(UnknownUsersTest, WhoIsRefusedForWantOfRoomIsNotLookedUp) {
  if (::geteuid() != 0) GTEST_SKIP() << "being another user needs root";
  ListenWithLimits({});
  is_open_ = false;
  std::vector<FileDescriptor> waiting;
  for (size_t i = 0; i < Connections::kMostUnknown; ++i) {
    waiting.push_back(ConnectAs(500 + static_cast<uid_t>(i % 4)));
  }
  EXPECT_THAT(CallerName(StubAs(600).get()), testing::HasSubstr("wait for the name"));
  is_open_ = true;
  EXPECT_TRUE(Eventually([this] { return CallerName(StubAs(601).get()) == "user601"; }));
  for (const uid_t uid : {500U, 501U, 502U, 503U, 601U}) EXPECT_TRUE(WasAsked(uid)) << uid;
  EXPECT_FALSE(WasAsked(600));
}

TEST_F(UnknownUsersTest, NoMoreWithoutAnAccountAreServedThanALimit) {
  if (::geteuid() != 0) GTEST_SKIP() << "being another user needs root";
  ListenWithLimits({1000, 2000, 10});
  for (size_t i = 0; i < Connections::kMostWithoutAccount; ++i) {
    stubs_.push_back(StubAs(100'000 + static_cast<uid_t>(i)));
    ASSERT_EQ(CallerName(stubs_.back().get()), NameOf(100'000 + static_cast<uid_t>(i)));
  }
  EXPECT_EQ(CallerName(StubAs(200'000).get()),
            "error too many users without an account at once (64): try again");
  EXPECT_EQ(CallerName(StubAs(100'000).get()), "uid:100000") << "who is served has a server";
  EXPECT_EQ(CallerName(StubAs(500).get()), "user500");
  stubs_.clear();
  // Without waiting until the socket is looked at: the clock stands.
  EXPECT_TRUE(Eventually([this] { return CallerName(StubAs(200'001).get()) == "uid:200001"; }));
}

TEST_F(UnknownUsersTest, ThoseWithoutAnAccountShareWhatOneUserMayHave) {
  if (::geteuid() != 0) GTEST_SKIP() << "being another user needs root";
  ListenWithLimits({3, 100, 10});
  std::vector<std::unique_ptr<v1::Torchlap::Stub>> stubs;
  for (const uid_t uid : {100'000U, 100'001U, 165'535U}) {
    stubs.push_back(StubAs(uid));
    ASSERT_NE(stubs.back(), nullptr);
    EXPECT_EQ(CallerName(stubs.back().get()), NameOf(uid));
  }
  EXPECT_EQ(CallerName(StubAs(100'002).get()),
            "error too many connections of users without an account (3)");
  EXPECT_EQ(CallerName(StubAs(100'000).get()),
            "error too many connections of users without an account (3)");
  for (const uid_t uid : {33U, 34U, 35U, 36U}) {
    stubs.push_back(StubAs(uid));
    EXPECT_EQ(CallerName(stubs.back().get()), NameOf(uid)) << "has a share of its own";
  }
}

TEST_F(UnknownUsersTest, AnAnswerThatDoesNotComeHoldsUpNobodyElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "being another user needs root";
  ListenWithLimits({});
  const auto ann = StubAs(500);
  EXPECT_EQ(CallerName(ann.get()), "user500");
  is_open_ = false;
  const auto bob = StubAs(501);
  // Who is known is served, on the connection that is there and on another.
  EXPECT_EQ(CallerName(ann.get()), "user500");
  EXPECT_EQ(CallerName(StubAs(500).get()), "user500");
  is_open_ = true;
  EXPECT_EQ(CallerName(bob.get()), "user501");
}

TEST_F(UnknownUsersTest, WhoseNameIsNotToldInTimeIsServedWithoutOne) {
  ListenWithLimits({2, 100, 10});
  is_open_ = false;
  const int64_t until_ns = clock_.MonotonicNs() + Connections::kLookUpNs;
  const auto stub = StubOf(socket_);
  std::string name;
  std::jthread caller([&] { name = CallerName(stub.get()); });
  ASSERT_TRUE(clock_.AwaitSleepUntil(until_ns));
  clock_.Advance(Connections::kLookUpNs);
  caller.join();
  EXPECT_EQ(name, "uid:" + std::to_string(::geteuid()));
}

TEST_F(UnknownUsersTest, NoMoreWaitForTheirNameThanALimit) {
  ListenWithLimits({});
  is_open_ = false;
  std::vector<FileDescriptor> waiting;
  for (size_t i = 0; i < ConnectionLimits().of_one; ++i) waiting.push_back(Connect(socket_));
  const grpc::Status status = StatusOfCall(socket_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("wait for the name of their user"));
  waiting.clear();
  is_open_ = true;
  EXPECT_TRUE(Eventually([this] { return StatusOfCall(socket_).ok(); }));
}

// Until the daemon takes no more, or `most`.
size_t SendUntilClosed(int fd, const std::string& bytes, size_t most) {
  size_t sent = 0;
  while (sent < most) {
    const ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count != static_cast<ssize_t>(bytes.size())) break;
    sent += bytes.size();
  }
  return sent;
}

TEST_F(LimitedConnectionsTest, HeadersWithoutEndAndCallsWithoutEndCloseTheirConnectionAlone) {
  ListenToStrangers({});
  Fill(1);
  const std::string field = Http2Frame(kContinuationFrame, 0, 1, std::string(16384, 'h'));
  const FileDescriptor one = Connect(socket_);
  const std::string begun = std::string(kHttp2Preface) + Http2Frame(kSettingsFrame, 0, 0, "");
  SendUntilClosed(one.get(), begun + Http2Frame(kHeadersFrame, 0, 1, "\x40"), 1);
  EXPECT_LT(SendUntilClosed(one.get(), field, size_t{64} << 20), size_t{4} << 20);
  // Its client acknowledges no SETTINGS, so gRPC itself has no limit for it.
  const FileDescriptor other = Connect(socket_);
  SendUntilClosed(other.get(), begun, 1);
  uint32_t stream = 1;
  while (stream < 100'000) {
    const std::string call = Http2Frame(kHeadersFrame, kEndHeadersFlag, stream, "\x83\x86\x84");
    if (SendUntilClosed(other.get(), call, 1) == 0) break;
    stream += 2;
  }
  EXPECT_LT(stream, 100'000U);
  EXPECT_EQ(CallerName(stubs_[0].get()), host::AccountName(::geteuid()));
}

TEST_F(ConnectionsTest, AUserWithoutAConnectionIsForgotten) {
  Listen();
  int64_t next_look_ns = clock_.MonotonicNs() + Connections::kSocketCheckNs;
  const auto look = [&] {
    EXPECT_TRUE(clock_.AwaitSleepUntil(next_look_ns));
    clock_.Advance(Connections::kSocketCheckNs);
    next_look_ns += Connections::kSocketCheckNs;
    EXPECT_TRUE(clock_.AwaitSleepUntil(next_look_ns));
  };
  EXPECT_EQ(connections_->users(), 0U);
  for (int time = 0; time < 2; ++time) {
    auto stub = StubOf(socket_);
    ASSERT_EQ(CallerName(stub.get()), host::AccountName(::geteuid()));
    look();
    EXPECT_EQ(connections_->users(), 1U);
    EXPECT_EQ(CallerName(stub.get()), host::AccountName(::geteuid()));
    stub.reset();
    // gRPC closes its end in its own time.
    EXPECT_TRUE(Eventually([&] {
      look();
      return connections_->users() == 0;
    }));
  }
}

TEST_F(ConnectionsTest, UsersWhoAreGoneLeaveNoServer) {
  if (::geteuid() != 0) GTEST_SKIP() << "being another user needs root";
  Listen();
  for (const uid_t uid : {1U, 65534U, 54321U}) {
    const pid_t child = StartAs(uid, socket_);
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(connections_->users(), 3U);
  int64_t next_look_ns = clock_.MonotonicNs() + Connections::kSocketCheckNs;
  EXPECT_TRUE(Eventually([&] {
    EXPECT_TRUE(clock_.AwaitSleepUntil(next_look_ns));
    clock_.Advance(Connections::kSocketCheckNs);
    next_look_ns += Connections::kSocketCheckNs;
    EXPECT_TRUE(clock_.AwaitSleepUntil(next_look_ns));
    return connections_->users() == 0;
  }));
}

// Calls that a client began and whose answers it does not wait for.
TEST_F(ConnectionsTest, CallsThatWereGivenUpHoldNobodyUp) {
  Listen();
  const auto stub = StubOf(socket_);
  ASSERT_EQ(CallerName(stub.get()), host::AccountName(::geteuid()));
  for (int i = 0; i < 200; ++i) {
    grpc::ClientContext context;
    v1::WatchJobsRequest request;
    request.mutable_selector()->set_all(true);
    const auto stream = stub->WatchJobs(&context, request);
    context.TryCancel();
    stream->Finish();
  }
  EXPECT_EQ(CallerName(stub.get()), host::AccountName(::geteuid()));
  EXPECT_TRUE(Eventually([this] { return !hub_.has_listeners(); })) << "a watcher is left";
}

// Whether gRPC's reflection answers: its first message asks for the names of the services.
grpc::StatusCode ReflectionStatus(const std::filesystem::path& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  const auto channel = grpc::CreateCustomChannel("unix:" + socket.string(),
                                                 grpc::InsecureChannelCredentials(), arguments);
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  void* tag = nullptr;
  bool ok = false;
  call->StartCall(&queue);
  queue.Next(&tag, &ok);
  call->WritesDone(&queue);
  queue.Next(&tag, &ok);
  grpc::Status status;
  call->Finish(&status, &queue);
  queue.Next(&tag, &ok);
  return status.error_code();
}

TEST_F(ConnectionsTest, ReflectionIsForADaemonOfOnesOwnAlone) {
  for (const bool everyone : {true, false}) {
    connections_.reset();
    ListenWith(At(socket_, everyone));
    EXPECT_EQ(ReflectionStatus(socket_),
              everyone ? grpc::StatusCode::UNIMPLEMENTED : grpc::StatusCode::OK);
  }
}

TEST_F(ConnectionsTest, AfterStopAcceptingOldConnectionsAreAnsweredAndNewOnesAreNotTaken) {
  Listen();
  const auto stub = StubOf(socket_);
  ASSERT_EQ(CallerName(stub.get()), host::AccountName(::geteuid()));
  connections_->StopAccepting();
  EXPECT_FALSE(std::filesystem::exists(socket_));
  EXPECT_FALSE(Connect(socket_));
  EXPECT_EQ(CallerName(stub.get()), host::AccountName(::geteuid()));
}

TEST_F(ConnectionsTest, ARequestThatIsTooLargeIsRefusedInOurWords) {
  if (kIsUnderTsan) GTEST_SKIP() << kTooLargeForTsan;
  Listen();
  v1::SubmitJobsRequest request;
  request.set_sweep_name(std::string(kMaxRequestBytes, 'x'));
  grpc::ClientContext context;
  v1::SubmitJobsResponse response;
  const grpc::Status status = StubOf(socket_)->SubmitJobs(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), RequestTooLarge(request.ByteSizeLong()));
}

TEST_F(ConnectionsTest, AWatcherSeesItsJobsToTheirEnd) {
  Listen();
  const uint64_t id = SubmitOne(storage::MakeJob());
  v1::WatchJobsRequest request;
  request.mutable_selector()->set_all(true);
  grpc::ClientContext context;
  const auto stub = StubOf(socket_);
  const auto stream = stub->WatchJobs(&context, request);
  v1::WatchJobsResponse message;
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.snapshot().jobs(0).job_id(), id);
  Finish(storage::Ended(Start(id)), storage::LaunchDone());
  hub_.EventsCommitted();
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.event().state(), v1::JOB_STATE_RUNNING);
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.event().state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ConnectionsTest, WatchersThatEndWhileTheyAreToldHarmNobody) {
  Listen();
  const v1::Run run = Start(SubmitOne(storage::MakeJob())).run;
  std::jthread changes([&](const std::stop_token& stop) {
    v1::Progress progress;
    progress.set_job_id(run.job_id());
    progress.set_run_id(run.run_id());
    while (!stop.stop_requested()) {
      hub_.EventsCommitted();
      hub_.Report(progress);
    }
  });
  v1::WatchJobsRequest request;
  request.mutable_selector()->set_all(true);
  const auto stub = StubOf(socket_);
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    const auto stream = stub->WatchJobs(&context, request);
    v1::WatchJobsResponse message;
    EXPECT_TRUE(stream->Read(&message));
    if (i % 2 == 0) stream->Read(&message);  // progress
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  changes.request_stop();
  changes.join();
  EXPECT_TRUE(Eventually([this] { return !hub_.has_listeners(); })) << "a watcher is left";
}

}  // namespace
}  // namespace torchlap::rpc
