#include "server/rpc/relay.h"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "server/rpc/share.h"

namespace torchlap::rpc {
namespace {

constexpr uint64_t kWakeUp = 0;
constexpr size_t kEventsAtOnce = 64;
constexpr int kLastReadings = 16;
// Somebody who makes trouble makes no log of it.
constexpr std::chrono::seconds kBetweenLogs{10};

uint64_t KeyOf(uint64_t id, bool is_client) { return id << 1 | (is_client ? 1 : 0); }

void Control(int epoll, int operation, int fd, uint32_t events, uint64_t key) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = key;
  ::epoll_ctl(epoll, operation, fd, &event);
}

bool IsForLater(int error) { return error == EAGAIN || error == EINTR; }

// What is not taken becomes `rest`. False: nobody will take it.
bool Send(int fd, std::string_view bytes, std::string* rest) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      return false;
    }
  }
  *rest = std::string(bytes);
  return true;
}

bool SendRest(int fd, std::string* rest) {
  const std::string bytes = std::exchange(*rest, {});
  return Send(fd, bytes, rest);
}

}  // namespace

Relay::Relay() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  Control(epoll_.get(), EPOLL_CTL_ADD, wake_.fd(), EPOLLIN, kWakeUp);
  thread_ = std::thread([this] { Work(); });
}

Relay::~Relay() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
  }
  wake_.Notify();
  thread_.join();
}

FileDescriptor Relay::Carry(uid_t uid, FileDescriptor client) {
  std::array<int, 2> ends = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    return FileDescriptor();
  }
  {
    MutexLock lock(&mutex_);
    arrivals_.push_back({uid, std::move(client), FileDescriptor(ends[0])});
  }
  wake_.Notify();
  return FileDescriptor(ends[1]);
}

void Relay::Work() {
  std::array<epoll_event, kEventsAtOnce> events = {};
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsAtOnce, -1);
    if (count < 0 && errno != EINTR) return;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      const uint64_t key = event.data.u64;
      if (key != kWakeUp) {
        Serve(key >> 1, (key & 1) != 0 ? Side::kClient : Side::kServer, event.events);
      } else if (!TakeArrivals()) {
        return PassOnLastAnswers();
      }
    }
  }
}

bool Relay::TakeArrivals() {
  wake_.Clear();
  std::vector<Arrival> arrivals;
  bool stopping = false;
  {
    MutexLock lock(&mutex_);
    arrivals.swap(arrivals_);
    stopping = stopping_;
  }
  for (Arrival& arrival : arrivals) Open(std::move(arrival));
  return !stopping;
}

void Relay::Open(Arrival arrival) {
  auto line = std::make_unique<Line>(arrival.uid, &loads_[arrival.uid]);
  line->id = next_id_++;
  line->client = std::move(arrival.client);
  line->server = std::move(arrival.server);
  line->client_events = EPOLLIN;
  Control(epoll_.get(), EPOLL_CTL_ADD, line->client.get(), EPOLLIN, KeyOf(line->id, true));
  Watch(line.get());
  lines_.emplace(line->id, std::move(line));
}

void Relay::Serve(uint64_t id, Side side, uint32_t events) {
  // Its other side may have closed it among the events that came together.
  const auto found = lines_.find(id);
  if (found == lines_.end()) return;
  Line* const line = found->second.get();
  const bool goes_on =
      side == Side::kClient ? ServeClient(line, events) : ServeServer(line, events);
  if (!goes_on || (line->server_ended && line->to_client.empty())) return Close(id);
  Watch(line);
}

bool Relay::ServeClient(Line* line, uint32_t events) {
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) return false;
  if ((events & EPOLLOUT) != 0 && !SendRest(line->client.get(), &line->to_client)) return false;
  // What gRPC wrote before it ended.
  if (line->server_ended && line->to_client.empty()) return false;
  return (events & EPOLLIN) == 0 || ReadClient(line);
}

bool Relay::ServeServer(Line* line, uint32_t events) {
  if ((events & EPOLLOUT) != 0 && !SendRest(line->server.get(), &line->to_server)) return false;
  return (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || ReadServer(line);
}

bool Relay::ReadClient(Line* line) {
  if (!line->to_server.empty()) return true;
  const ssize_t count = ::read(line->client.get(), scratch_.data(), scratch_.size());
  if (count < 0) return IsForLater(errno);
  if (count == 0) return false;
  const std::string_view bytes(scratch_.data(), static_cast<size_t>(count));
  if (absl::Status status = line->guard.FromClient(bytes); !status.ok()) {
    Tell(line, status);
    return false;
  }
  return Send(line->server.get(), bytes, &line->to_server);
}

bool Relay::ReadServer(Line* line) {
  // Looked at again when the client has taken it.
  if (!line->to_client.empty()) return true;
  const ssize_t count = ::read(line->server.get(), scratch_.data(), scratch_.size());
  if (count < 0 && IsForLater(errno)) return true;
  if (count <= 0) {
    line->server_ended = true;
    return true;
  }
  const std::string_view bytes(scratch_.data(), static_cast<size_t>(count));
  line->guard.FromServer(bytes);
  return Send(line->client.get(), bytes, &line->to_client);
}

void Relay::Tell(Line* line, const absl::Status& why) {
  const std::string words(why.message());
  if (line->guard.server_is_at_boundary() && line->to_client.empty()) {
    std::string rest;
    Send(line->client.get(), GoAwayFrame(line->guard.last_stream(), words), &rest);
  }
  const auto now = std::chrono::steady_clock::now();
  if (logged_ && now < *logged_ + kBetweenLogs) return;
  logged_ = now;
  spdlog::warn("a connection of {} was closed: {}", NameOfShare(line->uid), words);
}

void Relay::Watch(Line* line) {
  const uint32_t client = (line->to_server.empty() ? uint32_t{EPOLLIN} : 0U) |
                          (line->to_client.empty() ? 0U : uint32_t{EPOLLOUT});
  if (client != line->client_events) {
    line->client_events = client;
    Control(epoll_.get(), EPOLL_CTL_MOD, line->client.get(), client, KeyOf(line->id, true));
  }
  // An end that has hung up would be told of without pause: it is left out while nothing is to be
  // done with it.
  std::optional<uint32_t> server;
  if (!line->server_ended && line->to_client.empty()) server = EPOLLIN;
  if (!line->server_ended && !line->to_server.empty()) server = server.value_or(0U) | EPOLLOUT;
  if (server == line->server_events) return;
  const int operation = !server               ? EPOLL_CTL_DEL
                        : line->server_events ? EPOLL_CTL_MOD
                                              : EPOLL_CTL_ADD;
  line->server_events = server;
  Control(epoll_.get(), operation, line->server.get(), server.value_or(0U), KeyOf(line->id, false));
}

void Relay::Close(uint64_t id) {
  const auto line = lines_.find(id);
  const uid_t uid = line->second->uid;
  lines_.erase(line);
  if (loads_[uid].connections == 0) loads_.erase(uid);
}

void Relay::PassOnLastAnswers() {
  for (const auto& [id, line] : lines_) {
    for (int i = 0; i < kLastReadings && !line->server_ended; ++i) {
      if (!ReadServer(line.get()) || !line->to_client.empty()) break;
    }
  }
}

}  // namespace torchlap::rpc
