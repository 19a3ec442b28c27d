// The daemon's socket, and who is calling. gRPC 1.51 does not tell the user behind a unix
// connection, so the daemon accepts connections itself, asks the kernel (SO_PEERCRED), and hands
// each to a small server kept for that user as long as it has connections.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proto/base/clock.h"
#include "proto/base/file_descriptor.h"
#include "server/rpc/accounts.h"
#include "server/rpc/calls.h"
#include "server/rpc/calls_in_progress.h"
#include "server/rpc/full_house.h"
#include "server/rpc/open_connections.h"
#include "server/rpc/relay.h"
#include "server/rpc/service.h"
#include "server/rpc/share.h"
#include "server/rpc/work_threads.h"
#include "server/run/wake_up.h"

namespace torchlap::rpc {

// Where a daemon listens. The functions are called before Listen() returns, and then on a thread of
// the connections.
struct ListenSetting {
  // The first is bound at the start. When the socket was lost, the first that can be had.
  std::vector<std::filesystem::path> sockets;
  bool everyone = false;         // other users may connect
  std::set<std::string> admins;  // beside root and the daemon's own account: `ann`, `uid:1001`
  bool is_private = false;       // others see no more than outlines of a job (privacy.h)
  // Makes the folder and takes the lock of a socket, or keeps them where they are: a socket file
  // that is there then was left behind by a daemon that is gone, and is replaced.
  std::function<absl::Status(const std::filesystem::path&)> prepare;
  // The socket is there: at the start, and each time that it was looked at.
  std::function<void(const std::filesystem::path&)> listening;
  ConnectionLimits limits;
  // Root and the daemon's own account count as anybody else: for tests.
  bool only_strangers = false;
  Accounts::LookUp look_up = SystemAccount;
  const Clock* clock = &SystemClock();
};

class Connections {
 public:
  // How often the socket is looked at: a logout takes its folder away, and a cleaner of /tmp its
  // file. So seldom that no measurement sees it.
  static constexpr int64_t kSocketCheckNs = 10'000'000'000;
  // How long a connection waits for the name of its user to be looked up; then it is served as one
  // without an account. And how many wait: of one user, as many as it may have connections.
  static constexpr int64_t kLookUpNs = 2'000'000'000;
  static constexpr size_t kMostUnknown = 128;
  // How many users without an account are served at once, those included whose server is ending.
  static constexpr size_t kMostWithoutAccount = 64;

  // Binds and listens. INVALID_ARGUMENT: the path is longer than the kernel allows. UNAVAILABLE: it
  // cannot be bound. Else what `prepare` says.
  static absl::StatusOr<std::unique_ptr<Connections>> Listen(ListenSetting setting, Calls* calls);
  // Closes the socket, ends what is still being answered, joins.
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  // The health service says NOT_SERVING from now on, and new connections are not taken.
  void StopAccepting();

  // How many users are served. One who has no connection left is forgotten when the socket is
  // looked at.
  size_t users() const { return users_; }

 private:
  // What is given by user, and to all without an account together.
  struct Share {
    explicit Share(uid_t share);
    CallsInProgress calls;
    grpc::ResourceQuota quota;
  };
  struct UserServer {
    Account account;
    OpenConnections connections;
    std::unique_ptr<Service> service;
    std::unique_ptr<grpc::Server> server;  // first to go
  };

  // A socket file of ours, by its inode: whatever else is at the path is somebody else's.
  struct Bound {
    std::filesystem::path path;
    dev_t device = 0;
    ino_t inode = 0;
    FileDescriptor listener;

    bool IsInPlace() const;
  };
  static absl::StatusOr<Bound> Bind(const std::filesystem::path& socket,
                                    const ListenSetting& setting);

  Connections(ListenSetting setting, Bound bound, Calls* calls);
  void Accept();
  void TakeOne();
  // Makes the socket again where it was lost.
  void KeepSocket();
  bool BindAgain();
  bool IsKnown(uid_t uid) const;
  // None: it must be looked up.
  std::optional<Account> AccountOf(uid_t uid);
  uid_t ShareOf(uid_t uid, const Account& account) const;
  // Of a user who is being looked up.
  struct Unknown {
    uid_t uid = 0;
    FileDescriptor connection;
    int64_t until_ns = 0;
  };
  void Greet(uid_t uid, FileDescriptor connection);
  void LetWait(uid_t uid, FileDescriptor connection);
  // Takes those whose users are known by now, or have waited for too long.
  void TakeUnknown();
  // Takes the connection, or tells why not.
  void Take(uid_t uid, const Account& account, FileDescriptor connection);
  bool HasRoomForServer(uid_t uid, uid_t share);
  // Of those that live, also where they are ending.
  size_t ServersOf(uid_t share) const;
  UserServer& ServerFor(uid_t uid, uid_t share, const Account& account);
  std::shared_ptr<Share> GoodsOf(uid_t share);
  // Ends the servers of users who have no connection left.
  void ForgetUsers();

  const ListenSetting setting_;
  Bound bound_;  // used by the accepting thread, then by whoever stopped it
  bool is_lost_ = false;
  Calls* const calls_;
  WorkThreads storage_threads_;
  WorkThreads stream_threads_;
  // Where the servers of users who are gone end: that waits for their last tasks.
  WorkThreads ending_;
  run::WakeUp stop_;
  run::WakeUp looked_up_;
  // Root and the daemon's own account: never waited for.
  std::map<uid_t, Account> own_accounts_;
  // Used by the accepting thread, then by the destructor.
  std::deque<Unknown> unknown_;  // the longest first
  OpenConnections open_;         // by share
  FullHouse full_house_;
  std::map<uid_t, std::shared_ptr<Share>> shares_;
  std::unique_ptr<Relay> relay_;  // where strangers may connect
  // By user and share: who was served without an account may have one by now, or its name came too
  // late.
  std::map<std::pair<uid_t, uid_t>, std::shared_ptr<UserServer>> servers_;
  std::atomic<size_t> users_ = 0;
  Accounts accounts_;  // ends before what it wakes
  std::jthread accepting_;
};

// Principal and account name of a user. Admins: root, the account of the daemon, and `admins`.
storage::Caller CallerOf(uid_t uid, const std::set<std::string>& admins = {},
                         bool is_private = false);
// Of the user whose account has that name.
storage::Caller CallerNamed(const std::string& name, uid_t uid, const std::set<std::string>& admins,
                            bool is_private);

}  // namespace torchlap::rpc
