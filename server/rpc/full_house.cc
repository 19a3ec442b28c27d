#include "server/rpc/full_house.h"

#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_posix.h>

#include <chrono>
#include <utility>

#include "server/rpc/without_reflection.h"

namespace torchlap::rpc {
namespace {

constexpr int kToldWithinMs = 2000;
constexpr int kGraceMs = 1000;
constexpr size_t kQuotaBytes = size_t{4} << 20;

class Refusal final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Refusal(const std::string& words) {
    Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, words});
  }
  void OnDone() override { delete this; }
};

}  // namespace

void FullHouse::Service::Say(const std::string& words) {
  MutexLock lock(&mutex_);
  words_ = words;
}

grpc::ServerGenericBidiReactor* FullHouse::Service::CreateReactor(
    grpc::GenericCallbackServerContext* /*context*/) {
  MutexLock lock(&mutex_);
  return new Refusal(words_);
}

FullHouse::Server::~Server() {
  if (server) server->Shutdown(std::chrono::system_clock::now());
}

void FullHouse::Tell(uid_t uid, FileDescriptor connection, const std::string& words) {
  if (told_.count() >= kMost || told_.CountOf(uid) >= kMostOfOne) Tidy();
  if (told_.count() >= kMost || told_.CountOf(uid) >= kMostOfOne) return;
  Server& server = ServerFor(uid);
  if (!server.server) return;
  server.service->Say(words);
  told_.Add(uid, connection.get());
  grpc::AddInsecureChannelFromFd(server.server.get(), connection.release());
}

void FullHouse::Tidy() {
  told_.ForgetClosed();
  std::erase_if(servers_, [this](const auto& one) { return told_.CountOf(one.first) == 0; });
}

FullHouse::Server& FullHouse::ServerFor(uid_t uid) {
  const auto found = servers_.find(uid);
  if (found != servers_.end()) return found->second;
  Server made;
  made.service = std::make_unique<Service>();
  grpc::ServerBuilder builder;
  builder.RegisterCallbackGenericService(made.service.get());
  // No health service: this one is well only for saying no.
  builder.SetOption(std::make_unique<grpc::HealthCheckServiceServerBuilderOption>(nullptr));
  builder.SetOption(std::make_unique<WithoutReflection>());
  builder.SetResourceQuota(grpc::ResourceQuota("refused").Resize(kQuotaBytes));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, kToldWithinMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, kGraceMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 8);
  builder.SetMaxReceiveMessageSize(1 << 10);
  made.server = builder.BuildAndStart();
  return servers_.emplace(uid, std::move(made)).first->second;
}

}  // namespace torchlap::rpc
