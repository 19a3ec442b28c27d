// Messages that are made faster than a reader takes them, kept until he does.
#pragma once

#include <absl/status/status.h>
#include <google/protobuf/message_lite.h>

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

  explicit Spool(std::filesystem::path folder) : Spool(std::move(folder), Limits()) {}
  Spool(std::filesystem::path folder, Limits limits)
      : folder_(std::move(folder)), limits_(limits) {}

  // RESOURCE_EXHAUSTED: it is more than the limit, or the disk has no room.
  absl::Status Put(const google::protobuf::MessageLite& message);
  // False: there are no more. INTERNAL: the file cannot be read.
  absl::Status Take(google::protobuf::MessageLite* message, bool* is_there);

 private:
  absl::Status Store(const std::string& bytes);

  const std::filesystem::path folder_;
  const Limits limits_;
  std::deque<std::string> first_;
  size_t bytes_in_memory_ = 0;
  FileDescriptor file_;
  uint64_t written_ = 0;
  uint64_t read_ = 0;
};

}  // namespace torchlap::rpc
