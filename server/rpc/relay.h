// Between strangers and gRPC: a thread that carries their bytes, so that the daemon sees frames
// before gRPC does and closes a connection whose client means harm (frame_guard.h).
#pragma once

#include <absl/status/status.h>
#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "proto/base/file_descriptor.h"
#include "proto/base/mutex.h"
#include "server/rpc/frame_guard.h"
#include "server/run/wake_up.h"

namespace torchlap::rpc {

// Thread-safe. Never holds more of a connection than one reading in each direction: who does not
// read is not written to, and the kernel holds back who writes.
class Relay {
 public:
  Relay();
  // Passes on what gRPC has written, then closes all connections.
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // The other end of `client`'s bytes, which does not block; none: no descriptor is left. When one
  // end is closed, the other is.
  FileDescriptor Carry(uid_t uid, FileDescriptor client) TORCHLAP_EXCLUDES(mutex_);

 private:
  static constexpr size_t kReading = 64 << 10;
  enum class Side { kClient, kServer };

  struct Arrival {
    uid_t uid;
    FileDescriptor client;
    FileDescriptor server;
  };
  struct Line {
    Line(uid_t user, UserLoad* load) : uid(user), guard(user, load) {}
    const uid_t uid;
    uint64_t id = 0;
    FileDescriptor client;
    FileDescriptor server;
    FrameGuard guard;
    std::string to_client;  // read, and not taken yet
    std::string to_server;
    bool server_ended = false;
    uint32_t client_events = 0;             // that are waited for
    std::optional<uint32_t> server_events;  // none: not even a hang-up
  };

  void Work() TORCHLAP_EXCLUDES(mutex_);
  // False: it is to end.
  bool TakeArrivals() TORCHLAP_EXCLUDES(mutex_);
  void Open(Arrival arrival);
  void Serve(uint64_t id, Side side, uint32_t events);
  // False: the connection is over.
  bool ServeClient(Line* line, uint32_t events);
  bool ServeServer(Line* line, uint32_t events);
  bool ReadClient(Line* line);
  bool ReadServer(Line* line);
  void Tell(Line* line, const absl::Status& why);
  void Watch(Line* line);
  void Close(uint64_t id);
  void PassOnLastAnswers();

  const FileDescriptor epoll_;
  run::WakeUp wake_;
  Mutex mutex_;
  std::vector<Arrival> arrivals_ TORCHLAP_GUARDED_BY(mutex_);
  bool stopping_ TORCHLAP_GUARDED_BY(mutex_) = false;
  // The thread's own.
  std::map<uid_t, UserLoad> loads_;
  std::map<uint64_t, std::unique_ptr<Line>> lines_;
  uint64_t next_id_ = 1;
  std::array<char, kReading> scratch_ = {};
  std::optional<std::chrono::steady_clock::time_point> logged_;
  std::thread thread_;
};

}  // namespace torchlap::rpc
