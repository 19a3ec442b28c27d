#include "server/rpc/connections.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "proto/message_size.h"
#include "server/host/account_name.h"
#include "server/rpc/without_reflection.h"

namespace torchlap::rpc {
namespace {

constexpr size_t kStorageThreads = 2;
constexpr size_t kStreamThreads = 4;
constexpr int kWithoutRoomMs = 100;
constexpr std::chrono::milliseconds kLastAnswers{500};
// What gRPC 1.51 offers against a client that means harm, for each user. Beyond the memory it
// gives up idle connections and then calls, which end with an error at the client. It counts what
// it reads and its calls, but neither answers nor headers (CallsInProgress counts answers).
constexpr size_t kQuotaBytes = size_t{160} << 20;
constexpr int kQuotaThreads = 4;
// Further calls wait in the client, without a word, until one ends. So it is more than a user may
// have at all: one too many is told so, on the connection that it came by.
constexpr int kCallsOfAConnection = static_cast<int>(CallsInProgress::kMostCalls) + 24;
static_assert(kCallsOfAConnection < static_cast<int>(FrameGuard::kMostCalls));
constexpr int kHeaderBytes = 16 << 10;

absl::Status CannotListen(const std::filesystem::path& socket, const char* what) {
  return absl::UnavailableError(
      fmt::format("cannot listen on {}: {}: {}", socket.string(), what, std::strerror(errno)));
}

// For `grpcurl` and its like. It is a synchronous service: each of its streams has a thread, of
// kQuotaThreads at most.
void LimitReflection(grpc::ServerBuilder* builder) {
  builder->SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder->SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder->SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
}

void Limit(const grpc::ResourceQuota& quota, grpc::ServerBuilder* builder) {
  builder->SetResourceQuota(quota);
  // Unpacked they have a thousand times their size, before anybody sees them.
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  // A request that is a little too large is refused in the service's words, not in gRPC's.
  builder->SetMaxReceiveMessageSize(static_cast<int>(kMaxRequestBytes + kMaxRequestBytes / 4));
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kHeaderBytes);
}

absl::StatusOr<sockaddr_un> NameOf(const std::filesystem::path& socket) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = socket.string();
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        fmt::format("socket path {} has {} characters, must have at most {}", path, path.size(),
                    sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

}  // namespace

bool Connections::Bound::IsInPlace() const {
  struct stat there = {};
  return ::lstat(path.c_str(), &there) == 0 && there.st_dev == device && there.st_ino == inode;
}

absl::StatusOr<Connections::Bound> Connections::Bind(const std::filesystem::path& socket,
                                                     const ListenSetting& setting) {
  const auto address = NameOf(socket);
  if (!address.ok()) return address.status();
  if (setting.prepare) {
    if (absl::Status status = setting.prepare(socket); !status.ok()) return status;
  }
  Bound bound;
  bound.path = socket;
  bound.listener.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!bound.listener) return CannotListen(socket, "socket");
  const int fd = bound.listener.get();
  ::unlink(socket.c_str());
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return CannotListen(socket, "bind");
  }
  if (::chmod(socket.c_str(), setting.everyone ? 0666 : 0600) != 0) {
    return CannotListen(socket, "chmod");
  }
  if (::listen(fd, SOMAXCONN) != 0) return CannotListen(socket, "listen");
  struct stat info = {};
  if (::lstat(socket.c_str(), &info) != 0) return CannotListen(socket, "stat");
  bound.device = info.st_dev;
  bound.inode = info.st_ino;
  if (setting.listening) setting.listening(socket);
  return bound;
}

storage::Caller CallerOf(uid_t uid, const std::set<std::string>& admins, bool is_private) {
  return CallerNamed(host::AccountName(uid), uid, admins, is_private);
}

storage::Caller CallerNamed(const std::string& name, uid_t uid, const std::set<std::string>& admins,
                            bool is_private) {
  storage::Caller caller;
  caller.principal = fmt::format("uid:{}", uid);
  caller.name = name;
  // By the name of now: a number that was another's is not an admin's.
  const bool is_named = admins.contains(caller.name) || admins.contains(caller.principal);
  caller.is_admin = uid == 0 || uid == ::geteuid() || is_named;
  caller.sees_all = caller.is_admin || !is_private;
  return caller;
}

absl::StatusOr<std::unique_ptr<Connections>> Connections::Listen(ListenSetting setting,
                                                                 Calls* calls) {
  auto bound = Bind(setting.sockets.front(), setting);
  if (!bound.ok()) return bound.status();
  return std::unique_ptr<Connections>(
      new Connections(std::move(setting), *std::move(bound), calls));
}

Connections::Share::Share(uid_t share) : calls(NameOfShare(share)), quota(NameOfShare(share)) {
  quota.Resize(kQuotaBytes).SetMaxThreads(kQuotaThreads);
}

Connections::Connections(ListenSetting setting, Bound bound, Calls* calls)
    : setting_(std::move(setting)),
      bound_(std::move(bound)),
      calls_(calls),
      storage_threads_(kStorageThreads),
      stream_threads_(kStreamThreads),
      ending_(1),
      accounts_(
          setting_.look_up, [this] { looked_up_.Notify(); }, setting_.clock) {
  for (const uid_t uid : {uid_t{0}, ::geteuid()}) {
    if (IsKnown(uid)) own_accounts_[uid] = setting_.look_up(uid).value_or(WithoutAccount(uid));
  }
  calls_->get_daemon_status.ListensAt(bound_.path);
  grpc::EnableDefaultHealthCheckService(true);
  if (setting_.everyone || setting_.only_strangers) relay_ = std::make_unique<Relay>();
  accepting_ = std::jthread([this] { Accept(); });
}

void Connections::StopAccepting() {
  stop_.Notify();
  if (accepting_.joinable()) accepting_.join();
  if (bound_.listener && bound_.IsInPlace()) ::unlink(bound_.path.c_str());
  bound_.listener.reset();
  accounts_.Stop();
  unknown_.clear();
  for (auto& [whose, user] : servers_) {
    user->server->GetHealthCheckService()->SetServingStatus(false);
  }
}

Connections::~Connections() {
  StopAccepting();
  const auto deadline = std::chrono::system_clock::now() + kLastAnswers;
  for (auto& [whose, user] : servers_) user->server->Shutdown(deadline);
  servers_.clear();
}

void Connections::Accept() {
  const Clock& clock = *setting_.clock;
  int64_t check_ns = clock.MonotonicNs() + kSocketCheckNs;
  for (;;) {
    std::array<pollfd, 3> fds = {{{stop_.fd(), POLLIN, 0},
                                  {bound_.listener.get(), POLLIN, 0},
                                  {looked_up_.fd(), POLLIN, 0}}};
    const int64_t until_ns = unknown_.empty() ? check_ns : unknown_.front().until_ns;
    clock.Poll(fds.data(), fds.size(), std::min(check_ns, until_ns));
    if (fds[0].revents != 0) return;
    if (fds[1].revents != 0) TakeOne();
    if (fds[2].revents != 0) looked_up_.Clear();
    TakeUnknown();
    if (clock.MonotonicNs() < check_ns) continue;
    KeepSocket();
    ForgetUsers();
    check_ns = clock.MonotonicNs() + kSocketCheckNs;
  }
}

void Connections::KeepSocket() {
  // Its lock and its note may be lost without it.
  const bool is_ours = !setting_.prepare || setting_.prepare(bound_.path).ok();
  if (is_ours && bound_.IsInPlace()) {
    if (setting_.listening) setting_.listening(bound_.path);
    return;
  }
  if (!is_lost_) spdlog::warn("the socket {} is gone: making it again", bound_.path.string());
  is_lost_ = !BindAgain();
  if (is_lost_) return;
  calls_->get_daemon_status.ListensAt(bound_.path);
  spdlog::info("listens on {}", bound_.path.string());
}

bool Connections::BindAgain() {
  for (const std::filesystem::path& socket : setting_.sockets) {
    auto bound = Bind(socket, setting_);
    if (bound.ok()) {
      bound_ = *std::move(bound);
      return true;
    }
    if (!is_lost_) spdlog::warn("{}", std::string(bound.status().message()));
  }
  return false;
}

void Connections::TakeOne() {
  FileDescriptor connection(
      ::accept4(bound_.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
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
  Greet(peer.uid, std::move(connection));
}

bool Connections::IsKnown(uid_t uid) const {
  return !setting_.only_strangers && (uid == 0 || uid == ::geteuid());
}

std::optional<Account> Connections::AccountOf(uid_t uid) {
  const auto own = own_accounts_.find(uid);
  if (own != own_accounts_.end()) return own->second;
  // Whoever is served stays who it was.
  const auto served = servers_.find({uid, uid});
  return served == servers_.end() ? accounts_.Find(uid) : served->second->account;
}

uid_t Connections::ShareOf(uid_t uid, const Account& account) const {
  return IsKnown(uid) || account.is_there ? uid : kWithoutAccount;
}

void Connections::Greet(uid_t uid, FileDescriptor connection) {
  if (const std::optional<Account> account = AccountOf(uid)) {
    Take(uid, *account, std::move(connection));
  } else {
    LetWait(uid, std::move(connection));
  }
}

void Connections::LetWait(uid_t uid, FileDescriptor connection) {
  const auto of_one = std::count_if(unknown_.begin(), unknown_.end(),
                                    [uid](const Unknown& one) { return one.uid == uid; });
  if (unknown_.size() >= kMostUnknown || static_cast<size_t>(of_one) >= setting_.limits.of_one) {
    full_house_.Tell(kWithoutAccount, std::move(connection),
                     fmt::format("too many connections wait for the name of their user ({}, {} of "
                                 "uid {}): try again",
                                 unknown_.size(), of_one, uid));
    return;
  }
  accounts_.Ask(uid);
  unknown_.push_back({uid, std::move(connection), setting_.clock->MonotonicNs() + kLookUpNs});
}

void Connections::TakeUnknown() {
  for (Unknown& one : std::exchange(unknown_, {})) {
    std::optional<Account> account = AccountOf(one.uid);
    if (!account && setting_.clock->MonotonicNs() >= one.until_ns) {
      account = WithoutAccount(one.uid);
    }
    if (account) {
      Take(one.uid, *account, std::move(one.connection));
    } else {
      accounts_.Ask(one.uid);  // there may have been too many
      unknown_.push_back(std::move(one));
    }
  }
}

void Connections::Take(uid_t uid, const Account& account, FileDescriptor connection) {
  const uid_t share = ShareOf(uid, account);
  const auto why = [&] { return WhyRefused(open_, setting_.limits, share, IsKnown(uid)); };
  if (!why().empty()) open_.ForgetClosed();
  if (const std::string words = why(); !words.empty()) {
    full_house_.Tell(share, std::move(connection), words);
    return;
  }
  if (!HasRoomForServer(uid, share)) {
    full_house_.Tell(share, std::move(connection),
                     fmt::format("too many {} at once ({}): try again", NameOfShare(share),
                                 kMostWithoutAccount));
    return;
  }
  UserServer& user = ServerFor(uid, share, account);
  // The client's own end: what gRPC has left may still be the relay's.
  open_.Add(share, connection.get());
  user.connections.Add(uid, connection.get());
  if (!IsKnown(uid) && relay_) {
    connection = relay_->Carry(share, std::move(connection));
    if (!connection) return;
  }
  grpc::AddInsecureChannelFromFd(user.server.get(), connection.release());
}

bool Connections::HasRoomForServer(uid_t uid, uid_t share) {
  if (share != kWithoutAccount || servers_.contains({uid, share})) return true;
  if (ServersOf(share) < kMostWithoutAccount) return true;
  ForgetUsers();
  return ServersOf(share) < kMostWithoutAccount;
}

size_t Connections::ServersOf(uid_t share) const {
  const auto goods = shares_.find(share);
  // Each service holds them, and this map.
  return goods == shares_.end() ? 0 : static_cast<size_t>(goods->second.use_count()) - 1;
}

std::shared_ptr<Connections::Share> Connections::GoodsOf(uid_t share) {
  std::shared_ptr<Share>& goods = shares_[share];
  if (goods == nullptr) goods = std::make_shared<Share>(share);
  return goods;
}

Connections::UserServer& Connections::ServerFor(uid_t uid, uid_t share, const Account& account) {
  const auto found = servers_.find({uid, share});
  if (found != servers_.end()) return *found->second;
  auto user = std::make_shared<UserServer>();
  user->account = account;
  const std::shared_ptr<Share> goods = GoodsOf(share);
  user->service = std::make_unique<Service>(
      share, CallerNamed(account.name, uid, setting_.admins, setting_.is_private), calls_,
      std::shared_ptr<CallsInProgress>(goods, &goods->calls), &storage_threads_, &stream_threads_);
  grpc::ServerBuilder builder;
  builder.RegisterService(user->service.get());
  Limit(goods->quota, &builder);
  if (!IsKnown(uid)) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kCallsOfAConnection);
  }
  if (setting_.everyone) {
    builder.SetOption(std::make_unique<WithoutReflection>());
  } else {
    LimitReflection(&builder);
  }
  user->server = builder.BuildAndStart();
  ++users_;
  return *servers_.emplace(std::pair(uid, share), std::move(user)).first->second;
}

void Connections::ForgetUsers() {
  open_.ForgetClosed();
  full_house_.Tidy();
  for (auto place = servers_.begin(); place != servers_.end();) {
    OpenConnections& connections = place->second->connections;
    connections.ForgetClosed();
    if (connections.count() > 0) {
      ++place;
      continue;
    }
    ending_.Post({place->first.first, WorkThreads::Size::kSmall},
                 [user = std::move(place->second)] {
                   user->server->Shutdown(std::chrono::system_clock::now());
                 });
    place = servers_.erase(place);
    --users_;
  }
  std::erase_if(shares_, [](const auto& one) { return one.second.use_count() == 1; });
}

}  // namespace torchlap::rpc
