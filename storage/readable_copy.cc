#include "storage/readable_copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "proto/base/file_descriptor.h"
#include "storage/sqlite_status.h"

namespace torchlap::storage {
namespace {

constexpr size_t kBytesAtOnce = size_t{1} << 20;
// The smallest sector that disks have: nothing smaller fails alone.
constexpr size_t kSector = 512;

class Copy {
 public:
  Copy(int from, int to, const ReadAt& read) : from_(from), to_(to), read_(read) {}

  // 0, or the system's error of the copy.
  int Range(off_t offset, size_t bytes) {
    buffer_.resize(kBytesAtOnce);
    while (bytes > 0) {
      const ssize_t got = read_(from_, buffer_.data(), std::min(bytes, kBytesAtOnce), offset);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Split(offset, bytes);
      if (got == 0) return 0;
      if (const int error = Write(static_cast<size_t>(got), offset); error != 0) return error;
      offset += got;
      bytes -= static_cast<size_t>(got);
    }
    return 0;
  }
  int64_t lost_bytes() const { return lost_bytes_; }

 private:
  // Around the place that cannot be read. What is not written is a hole, which reads as zeros.
  int Split(off_t offset, size_t bytes) {
    if (bytes <= kSector) {
      lost_bytes_ += static_cast<int64_t>(bytes);
      return 0;
    }
    // Rounded up, so that both parts begin where a sector does.
    const size_t half = (bytes / 2 + kSector - 1) / kSector * kSector;
    if (const int error = Range(offset, half); error != 0) return error;
    return Range(offset + static_cast<off_t>(half), bytes - half);
  }

  int Write(size_t bytes, off_t offset) {
    size_t done = 0;
    while (done < bytes) {
      const ssize_t wrote =
          ::pwrite(to_, buffer_.data() + done, bytes - done, offset + static_cast<off_t>(done));
      if (wrote < 0 && errno != EINTR) return errno;
      if (wrote > 0) done += static_cast<size_t>(wrote);
    }
    return 0;
  }

  const int from_;
  const int to_;
  const ReadAt& read_;
  std::vector<char> buffer_;
  int64_t lost_bytes_ = 0;
};

}  // namespace

absl::StatusOr<int64_t> CopyReadable(const std::filesystem::path& from,
                                     const std::filesystem::path& to, const ReadAt& read) {
  const FileDescriptor source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts = {};
  if (!source || ::fstat(source.get(), &facts) != 0) {
    return StatusOfUnreadableFile(from, errno);
  }
  const FileDescriptor target(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!target) return StatusOfSystemError("create", to, errno);
  Copy copy(source.get(), target.get(), read);
  const int error = copy.Range(0, static_cast<size_t>(facts.st_size));
  if (error != 0) return StatusOfSystemError("write", to, error);
  if (::ftruncate(target.get(), facts.st_size) != 0 || ::fsync(target.get()) != 0) {
    return StatusOfSystemError("write", to, errno);
  }
  return copy.lost_bytes();
}

}  // namespace torchlap::storage
