// Tells those whose connection is not taken why, in words, as the answer of every call.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <sys/types.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "proto/base/file_descriptor.h"
#include "proto/base/mutex.h"
#include "server/rpc/open_connections.h"

namespace torchlap::rpc {

// Not thread-safe. A small server of its own for each user who is refused: what it holds does not
// count among the user's connections, is little, and ends after seconds.
class FullHouse {
 public:
  static constexpr size_t kMostOfOne = 8;
  static constexpr size_t kMost = 64;

  // Answers the calls of `connection` with RESOURCE_EXHAUSTED and `words`; closes it after a few
  // seconds. With too many that are told already, closes it at once.
  void Tell(uid_t uid, FileDescriptor connection, const std::string& words);
  // Ends the servers that have no connection left.
  void Tidy();

 private:
  class Service final : public grpc::CallbackGenericService {
   public:
    void Say(const std::string& words) TORCHLAP_EXCLUDES(mutex_);
    grpc::ServerGenericBidiReactor* CreateReactor(
        grpc::GenericCallbackServerContext* context) override TORCHLAP_EXCLUDES(mutex_);

   private:
    Mutex mutex_;
    std::string words_ TORCHLAP_GUARDED_BY(mutex_);
  };
  struct Server {
    std::unique_ptr<Service> service;
    std::unique_ptr<grpc::Server> server;
    Server() = default;
    Server(Server&&) = default;
    ~Server();
  };
  Server& ServerFor(uid_t uid);

  OpenConnections told_;
  std::map<uid_t, Server> servers_;
};

}  // namespace torchlap::rpc
