#include "server/rpc/connections.h"

#include <fmt/format.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "proto/message_size.h"
#include "server/host/account_name.h"

namespace torchlap::rpc {
namespace {

constexpr int kStorageThreads = 2;
constexpr int kStreamThreads = 4;
constexpr int kWithoutRoomMs = 100;
constexpr std::chrono::milliseconds kLastAnswers{500};

absl::Status CannotListen(const std::filesystem::path& socket, const char* what) {
  return absl::UnavailableError(
      fmt::format("cannot listen on {}: {}: {}", socket.string(), what, std::strerror(errno)));
}

absl::StatusOr<FileDescriptor> Bind(const std::filesystem::path& socket, bool everyone) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = socket.string();
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        fmt::format("socket path {} has {} characters, must have at most {}", path, path.size(),
                    sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  FileDescriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return CannotListen(socket, "socket");
  ::unlink(path.c_str());
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return CannotListen(socket, "bind");
  }
  if (::chmod(path.c_str(), everyone ? 0666 : 0600) != 0) return CannotListen(socket, "chmod");
  if (::listen(listener.get(), SOMAXCONN) != 0) return CannotListen(socket, "listen");
  return listener;
}

}  // namespace

storage::Caller CallerOf(uid_t uid) {
  storage::Caller caller;
  caller.principal = fmt::format("uid:{}", uid);
  caller.name = host::AccountName(uid);
  caller.is_admin = uid == 0 || uid == ::geteuid();
  return caller;
}

absl::StatusOr<std::unique_ptr<Connections>> Connections::Listen(
    const std::filesystem::path& socket, bool everyone, Calls* calls) {
  auto listener = Bind(socket, everyone);
  if (!listener.ok()) return listener.status();
  return std::unique_ptr<Connections>(new Connections(socket, *std::move(listener), calls));
}

Connections::Connections(std::filesystem::path socket, FileDescriptor listener, Calls* calls)
    : socket_(std::move(socket)),
      listener_(std::move(listener)),
      calls_(calls),
      storage_threads_(kStorageThreads),
      stream_threads_(kStreamThreads) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  accepting_ = std::jthread([this] { Accept(); });
}

void Connections::StopAccepting() {
  stop_.Notify();
  if (accepting_.joinable()) accepting_.join();
  ::unlink(socket_.c_str());
  listener_.reset();
  for (auto& [uid, user] : servers_) {
    user.server->GetHealthCheckService()->SetServingStatus(false);
  }
}

Connections::~Connections() {
  StopAccepting();
  const auto deadline = std::chrono::system_clock::now() + kLastAnswers;
  for (auto& [uid, user] : servers_) user.server->Shutdown(deadline);
  servers_.clear();
}

void Connections::Accept() {
  for (;;) {
    std::array<pollfd, 2> fds = {{{stop_.fd(), POLLIN, 0}, {listener_.get(), POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), -1) < 0) continue;
    if (fds[0].revents != 0) return;
    TakeOne();
  }
}

void Connections::TakeOne() {
  FileDescriptor connection(
      ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection) {
    // Without descriptors or memory the connection stays in the queue: give others time to let go.
    pollfd stop = {stop_.fd(), POLLIN, 0};
    const bool is_gone = errno == EAGAIN || errno == ECONNABORTED || errno == EINTR;
    if (!is_gone) ::poll(&stop, 1, kWithoutRoomMs);
    return;
  }
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    spdlog::warn("a connection was closed: the kernel does not say who it is: {}",
                 std::strerror(errno));
    return;
  }
  grpc::AddInsecureChannelFromFd(ServerFor(peer.uid).server.get(), connection.release());
}

Connections::UserServer& Connections::ServerFor(uid_t uid) {
  const auto found = servers_.find(uid);
  if (found != servers_.end()) return found->second;
  UserServer user;
  user.service =
      std::make_unique<Service>(CallerOf(uid), calls_, &storage_threads_, &stream_threads_);
  grpc::ServerBuilder builder;
  builder.RegisterService(user.service.get());
  // A request that is a little too large is refused in the service's words, not in gRPC's.
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMaxRequestBytes + kMaxRequestBytes / 4));
  // Reflection is a synchronous service: one thread is enough for it.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
  user.server = builder.BuildAndStart();
  return servers_.emplace(uid, std::move(user)).first->second;
}

}  // namespace torchlap::rpc
