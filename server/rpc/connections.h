// The daemon's socket, and who is calling. gRPC 1.51 does not tell the user behind a unix
// connection, so the daemon accepts connections itself, asks the kernel (SO_PEERCRED), and hands
// each to a small server kept for that user.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <grpcpp/server.h>
#include <sys/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <thread>

#include "proto/base/file_descriptor.h"
#include "server/rpc/calls.h"
#include "server/rpc/service.h"
#include "server/rpc/work_threads.h"
#include "server/run/wake_up.h"

namespace torchlap::rpc {

class Connections {
 public:
  // Binds and listens. The caller holds the socket's lock file, so a socket file that is there was
  // left behind by a daemon that is gone, and is replaced. `everyone`: other users may connect.
  // INVALID_ARGUMENT: the path is longer than the kernel allows. UNAVAILABLE: it cannot be bound.
  static absl::StatusOr<std::unique_ptr<Connections>> Listen(const std::filesystem::path& socket,
                                                             bool everyone, Calls* calls);
  // Closes the socket, ends what is still being answered, joins.
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  // The health service says NOT_SERVING from now on, and new connections are not taken.
  void StopAccepting();

 private:
  struct UserServer {
    std::unique_ptr<Service> service;
    std::unique_ptr<grpc::Server> server;
  };

  Connections(std::filesystem::path socket, FileDescriptor listener, Calls* calls);
  void Accept();
  void TakeOne();
  UserServer& ServerFor(uid_t uid);

  const std::filesystem::path socket_;
  FileDescriptor listener_;
  Calls* const calls_;
  WorkThreads storage_threads_;
  WorkThreads stream_threads_;
  run::WakeUp stop_;
  std::map<uid_t, UserServer> servers_;  // used by the accepting thread, then by the destructor
  std::jthread accepting_;
};

// Principal and account name of a user. Admins: root and the account of the daemon.
storage::Caller CallerOf(uid_t uid);

}  // namespace torchlap::rpc
