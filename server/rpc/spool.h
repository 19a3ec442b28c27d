// Messages that are made faster than a reader takes them, kept until he does.
#pragma once

#include <absl/status/status.h>
#include <google/protobuf/message_lite.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>
#include <utility>

#include "proto/base/file_descriptor.h"

namespace torchlap::rpc {

// First all messages are put in, then all are taken out, in order. The first few MiB stay in
// memory, the rest is in a file of the folder that has no name, up to a limit. Not thread-safe.
class Spool {
 public:
  struct Limits {
    size_t in_memory = size_t{4} << 20;
    uint64_t in_all = uint64_t{256} << 20;
  };

  // What several of them have in files together, and may have.
  struct Room {
    std::atomic<uint64_t> bytes = 0;
    const uint64_t most = uint64_t{1} << 30;
  };

  // `room` outlives it; null: a room of its own.
  explicit Spool(std::filesystem::path folder, Room* room = nullptr)
      : Spool(std::move(folder), Limits(), room) {}
  Spool(std::filesystem::path folder, Limits limits, Room* room = nullptr)
      : folder_(std::move(folder)), limits_(limits), room_(room) {}
  ~Spool() {
    if (room_ != nullptr) room_->bytes -= taken_;
  }
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // RESOURCE_EXHAUSTED: it is more than the limit, others have taken the room, or the disk has
  // none.
  absl::Status Put(const google::protobuf::MessageLite& message);
  // False: there are no more. INTERNAL: the file cannot be read.
  absl::Status Take(google::protobuf::MessageLite* message, bool* is_there);

 private:
  absl::Status Store(const std::string& bytes);
  // False: there is no such room.
  bool TakeRoom(uint64_t bytes);

  const std::filesystem::path folder_;
  const Limits limits_;
  Room* const room_;
  uint64_t taken_ = 0;  // of the room
  std::deque<std::string> first_;
  size_t bytes_in_memory_ = 0;
  FileDescriptor file_;
  uint64_t written_ = 0;
  uint64_t read_ = 0;
};

}  // namespace torchlap::rpc
