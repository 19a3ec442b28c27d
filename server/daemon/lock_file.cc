#include "server/daemon/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "server/host/own_file.h"

namespace torchlap::daemon {
namespace {

namespace fs = std::filesystem;

fs::path FileOf(const fs::path& guarded) { return guarded.string() + ".lock"; }

// The pid that the holder wrote; empty if it has not written one (yet).
std::string HolderPid(int fd) {
  std::string text(20, '\0');
  const ssize_t count = pread(fd, text.data(), text.size(), 0);
  text.resize(count > 0 ? static_cast<size_t>(count) : 0);
  return text.substr(0, text.find_first_not_of("0123456789"));
}

// For messages of those who come later; the lock stands without it, so a full disk does not matter.
void WritePid(int fd) {
  const std::string text = std::to_string(getpid()) + "\n";
  if (ftruncate(fd, 0) != 0) return;
  [[maybe_unused]] const ssize_t written = pwrite(fd, text.data(), text.size(), 0);
}

}  // namespace

absl::StatusOr<LockFile> LockFile::Acquire(const fs::path& guarded, const std::string& what) {
  const fs::path file = FileOf(guarded);
  auto fd = host::OpenOwnFile(file, O_RDWR | O_CREAT, "lock file");
  if (!fd.ok()) return fd.status();
  // flock, not fcntl: closing another descriptor of the file must not free it.
  if (flock(fd->get(), LOCK_EX | LOCK_NB) == 0) {
    WritePid(fd->get());
    return LockFile(guarded, *std::move(fd));
  }
  if (errno != EWOULDBLOCK) {
    return absl::InternalError("lock file " + file.string() +
                               " cannot be locked: " + std::generic_category().message(errno));
  }
  const std::string pid = HolderPid(fd->get());
  return absl::FailedPreconditionError(
      "another torchlapd" + (pid.empty() ? "" : ", pid " + pid + ",") + " has the " + what + " " +
      guarded.string() + " (" + file.string() + " is locked)");
}

bool LockFile::IsInPlace() const {
  struct stat held = {};
  struct stat there = {};
  return fstat(fd_.get(), &held) == 0 && lstat(FileOf(guarded_).c_str(), &there) == 0 &&
         held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

}  // namespace torchlap::daemon
