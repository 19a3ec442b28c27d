#include "server/rpc/spool.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "server/rpc/nameless_file.h"

namespace torchlap::rpc {
namespace {

absl::Status Failed(const std::string& attempt, const std::filesystem::path& folder, int error) {
  const std::string line =
      fmt::format("cannot {} the result in {}: {}", attempt, folder.string(), std::strerror(error));
  return error == ENOSPC || error == EDQUOT ? absl::ResourceExhaustedError(line)
                                            : absl::InternalError(line);
}

bool WriteAt(int fd, const char* data, size_t size, uint64_t at) {
  while (size > 0) {
    const ssize_t written = ::pwrite(fd, data, size, static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    data += written;
    size -= static_cast<size_t>(written);
    at += static_cast<uint64_t>(written);
  }
  return true;
}

bool ReadAt(int fd, char* data, size_t size, uint64_t at) {
  while (size > 0) {
    const ssize_t got = ::pread(fd, data, size, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    data += got;
    size -= static_cast<size_t>(got);
    at += static_cast<uint64_t>(got);
  }
  return true;
}

}  // namespace

absl::Status Spool::Put(const google::protobuf::MessageLite& message) {
  std::string bytes = message.SerializeAsString();
  const uint64_t all = bytes_in_memory_ + written_ + bytes.size();
  if (all > limits_.in_all) {
    return absl::ResourceExhaustedError(
        fmt::format("the result has more than {} MiB, must have less: name the columns that you "
                    "need, or use --limit",
                    limits_.in_all >> 20));
  }
  if (written_ == 0 && bytes_in_memory_ + bytes.size() <= limits_.in_memory) {
    bytes_in_memory_ += bytes.size();
    first_.push_back(std::move(bytes));
    return absl::OkStatus();
  }
  return Store(bytes);
}

bool Spool::TakeRoom(uint64_t bytes) {
  if (room_ == nullptr) return true;
  taken_ += bytes;
  return (room_->bytes += bytes) <= room_->most;
}

// Its length goes before it.
absl::Status Spool::Store(const std::string& bytes) {
  if (!TakeRoom(sizeof(uint64_t) + bytes.size())) {
    return absl::ResourceExhaustedError(
        fmt::format("the results that wait for their readers have {} MiB; try again when they are "
                    "read",
                    room_->most >> 20));
  }
  if (!file_) {
    file_ = OpenNameless(folder_);
    if (!file_) return Failed("keep", folder_, errno);
  }
  const uint64_t size = bytes.size();
  const bool is_written =
      WriteAt(file_.get(), reinterpret_cast<const char*>(&size), sizeof size, written_) &&
      WriteAt(file_.get(), bytes.data(), bytes.size(), written_ + sizeof size);
  if (!is_written) return Failed("keep", folder_, errno);
  written_ += sizeof size + size;
  return absl::OkStatus();
}

absl::Status Spool::Take(google::protobuf::MessageLite* message, bool* is_there) {
  *is_there = !first_.empty() || read_ < written_;
  if (!*is_there) return absl::OkStatus();
  std::string bytes;
  if (!first_.empty()) {
    bytes = std::move(first_.front());
    first_.pop_front();
  } else {
    uint64_t size = 0;
    errno = EIO;
    bool is_read = ReadAt(file_.get(), reinterpret_cast<char*>(&size), sizeof size, read_) &&
                   size <= limits_.in_all;
    if (is_read) {
      bytes.resize(size);
      is_read = ReadAt(file_.get(), bytes.data(), size, read_ + sizeof size);
    }
    if (!is_read) return Failed("read", folder_, errno);
    read_ += sizeof size + size;
  }
  if (message->ParseFromString(bytes)) return absl::OkStatus();
  return Failed("read", folder_, EIO);
}

}  // namespace torchlap::rpc
