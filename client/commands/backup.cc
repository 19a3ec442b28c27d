#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "client/commands/commands.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/format/numbers.h"
#include "client/output.h"
#include "proto/base/file_descriptor.h"

namespace torchlap::client {
namespace {

absl::Status CannotWrite(const std::string& path, const std::string& reason) {
  return OutputError(fmt::format("cannot write {}: {}", path, reason));
}

bool IsThere(const std::string& path) {
  struct stat facts = {};
  return ::lstat(path.c_str(), &facts) == 0;
}

absl::Status CheckFile(const std::string& file) {
  if (file.empty()) {
    return absl::InvalidArgumentError("backup needs a file: torchlap backup runs-2026.db");
  }
  if (!IsThere(file)) return absl::OkStatus();
  return OutputError(fmt::format("{} is there already, must be a file that is not", file));
}

// As -o makes them.
absl::Status MakeFolderOf(const std::string& file, const Console& console) {
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  if (folder.empty()) return absl::OkStatus();
  std::error_code error;
  if (std::filesystem::create_directories(folder, error)) SayMadeFolder(folder.native(), console);
  if (!error) return absl::OkStatus();
  return OutputError(
      fmt::format("cannot make the folder {}: {}", folder.native(), error.message()));
}

bool RenameWithoutReplacing(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  // Not every file system can say no.
  const bool is_unknown = errno == EINVAL || errno == ENOSYS;
  return is_unknown && ::rename(from.c_str(), to.c_str()) == 0;
}

// `FILE.part` until it is whole; removed where it does not become so.
class PartFile {
 public:
  explicit PartFile(const std::string& file)
      : file_(file),
        part_(file + ".part"),
        fd_(::open(part_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)),
        error_(fd_ ? 0 : errno) {}
  ~PartFile() {
    if (fd_ && !is_whole_) ::unlink(part_.c_str());
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  absl::Status status() const {
    return error_ == 0 ? absl::OkStatus() : CannotWrite(part_, std::strerror(error_));
  }
  uint64_t bytes() const { return bytes_; }

  // False: it cannot be written; status() says why.
  bool Append(const std::string& data) {
    for (size_t at = 0; at < data.size() && error_ == 0;) {
      const ssize_t written = ::write(fd_.get(), data.data() + at, data.size() - at);
      if (written > 0) {
        at += static_cast<size_t>(written);
        bytes_ += static_cast<uint64_t>(written);
      } else if (errno != EINTR) {
        error_ = written == 0 ? EIO : errno;
      }
    }
    return error_ == 0;
  }

  // On the disk under its name.
  absl::Status Complete() {
    if (::fsync(fd_.get()) != 0) return CannotWrite(part_, std::strerror(errno));
    if (!RenameWithoutReplacing(part_, file_)) return CannotWrite(file_, std::strerror(errno));
    is_whole_ = true;
    SyncFolder();
    return absl::OkStatus();
  }

 private:
  // Its name, too. What cannot be synced was still written.
  void SyncFolder() const {
    const std::filesystem::path folder = std::filesystem::path(file_).parent_path();
    const FileDescriptor opened(
        ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (opened) ::fsync(opened.get());
  }

  const std::string file_;
  const std::string part_;
  const FileDescriptor fd_;
  int error_;
  uint64_t bytes_ = 0;
  bool is_whole_ = false;
};

absl::Status Fetch(DaemonChannel* channel, PartFile* part) {
  uint64_t total = 0;
  const absl::Status status =
      channel->BackupDatabase({}, [&](const v1::BackupDatabaseResponse& piece) {
        if (piece.total_bytes() > 0) total = piece.total_bytes();
        return part->Append(piece.data());
      });
  if (absl::Status written = part->status(); !written.ok()) return written;
  if (!status.ok()) return status;
  if (part->bytes() == total && total > 0) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("the backup has {} of {} bytes; nothing was kept", part->bytes(), total));
}

}  // namespace

absl::StatusOr<int> Execute(const BackupOptions& options, const Invocation& invocation) {
  if (absl::Status valid = CheckFile(options.file); !valid.ok()) return valid;
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  if (absl::Status made = MakeFolderOf(options.file, invocation.console); !made.ok()) return made;
  PartFile part(options.file);
  if (absl::Status made = part.status(); !made.ok()) return made;

  if (absl::Status fetched = Fetch(channel->get(), &part); !fetched.ok()) return fetched;
  if (absl::Status whole = part.Complete(); !whole.ok()) return whole;
  SayLine(invocation.console, fmt::format("backed up {} to {}; to go back to it: stop torchlapd, "
                                          "put it in the place of torchlap.db and remove "
                                          "torchlap.db-wal and torchlap.db-shm",
                                          format::BytesShort(part.bytes()), options.file));
  return kExitOk;
}

}  // namespace torchlap::client
