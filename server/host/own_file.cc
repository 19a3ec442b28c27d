#include "server/host/own_file.h"

#include <absl/strings/str_format.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace torchlap::host {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kOthersMayWrite = 0022;

std::string KindOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFLNK:
      return "a link";
    case S_IFIFO:
      return "a FIFO";
    case S_IFDIR:
      return "a folder";
    case S_IFSOCK:
      return "a socket";
    case S_IFREG:
      return "a regular file";
    default:
      return "a device";
  }
}

std::string NameOf(const fs::path& file, const std::string& what) {
  return what + " " + file.string();
}

absl::Status Refused(const std::string& name, const std::string& why) {
  return absl::PermissionDeniedError(name + " " + why);
}

absl::Status CheckOwner(const std::string& name, const struct stat& info) {
  if (info.st_uid == ::geteuid()) return absl::OkStatus();
  return Refused(
      name, absl::StrFormat("belongs to uid %u, must belong to uid %u", info.st_uid, ::geteuid()));
}

absl::Status Check(const std::string& name, const struct stat& info) {
  if (!S_ISREG(info.st_mode)) {
    return Refused(name, "is " + KindOf(info.st_mode) + ", must be a regular file");
  }
  if (absl::Status owner = CheckOwner(name, info); !owner.ok()) return owner;
  if ((info.st_mode & kOthersMayWrite) == 0) return absl::OkStatus();
  return Refused(name,
                 absl::StrFormat("has mode %04o, must be %04o or stricter", info.st_mode & 07777,
                                 info.st_mode & 07777 & ~kOthersMayWrite));
}

absl::Status Cannot(const std::string& name, int flags, int error) {
  const std::string message = name + " cannot be " +
                              ((flags & O_CREAT) != 0 ? "made: " : "opened: ") +
                              std::generic_category().message(error);
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace

absl::Status CheckOwnFile(const fs::path& file, const std::string& what) {
  struct stat info = {};
  // Why it cannot be looked at is told by whoever opens it.
  return ::lstat(file.c_str(), &info) == 0 ? Check(NameOf(file, what), info) : absl::OkStatus();
}

absl::StatusOr<FileDescriptor> OpenOwnFile(const fs::path& file, int flags,
                                           const std::string& what) {
  // In words, where open() has a number only; what is put there meanwhile is refused below. O_TRUNC
  // comes last, so that nothing is emptied that is not ours.
  if (absl::Status status = CheckOwnFile(file, what); !status.ok()) return status;
  const int how = (flags & ~O_TRUNC) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  FileDescriptor fd(::open(file.c_str(), how, 0600));
  struct stat info = {};
  if (!fd || ::fstat(fd.get(), &info) != 0) return Cannot(NameOf(file, what), flags, errno);
  if (absl::Status status = Check(NameOf(file, what), info); !status.ok()) return status;
  if ((flags & O_TRUNC) != 0 && ::ftruncate(fd.get(), 0) != 0) {
    return Cannot(NameOf(file, what), flags, errno);
  }
  return fd;
}

absl::Status CheckOwnSocket(const fs::path& socket) {
  struct stat info = {};
  if (::lstat(socket.c_str(), &info) != 0) return absl::OkStatus();
  const std::string name = NameOf(socket, "socket");
  if (!S_ISSOCK(info.st_mode)) {
    return Refused(name, "is " + KindOf(info.st_mode) + ", must be a socket or not there");
  }
  return CheckOwner(name, info);
}

}  // namespace torchlap::host
