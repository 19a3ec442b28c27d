// Loaded into a program before libc (LD_PRELOAD): while the file is there that
// TORCHLAP_READ_ONLY_WHILE names, writes to the program's database fail, and no file without a name
// can be made, as on a file system that the kernel made read-only under open files after an error
// of the disk. No mount does that: it stays busy while a file is open for writing.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

bool IsDatabase(int fd) {
  std::array<char, 32> link = {};
  std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
  std::array<char, 4096> path = {};
  const ssize_t length = ::readlink(link.data(), path.data(), path.size());
  if (length <= 0) return false;
  const std::string_view name(path.data(), static_cast<size_t>(length));
  return name.find("/torchlap.db") != std::string_view::npos;
}

bool IsReadOnly() {
  const char* const while_there = std::getenv("TORCHLAP_READ_ONLY_WHILE");
  return while_there != nullptr && ::access(while_there, F_OK) == 0;
}

// Who calls must not see another errno because this was asked.
bool WriteFails(int fd) {
  const int kept = errno;
  const bool fails = IsReadOnly() && IsDatabase(fd);
  errno = fails ? EROFS : kept;
  return fails;
}

int Open(const char* path, int flags, mode_t mode) {
  if ((flags & O_TMPFILE) == O_TMPFILE && IsReadOnly()) {
    errno = EROFS;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

// Only where a file may be made is there a mode.
mode_t ModeOf(int flags, va_list rest) {
  const bool has_mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  return has_mode ? va_arg(rest, mode_t) : 0;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = ModeOf(flags, rest);
  va_end(rest);
  return Open(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = ModeOf(flags, rest);
  va_end(rest);
  return Open(path, flags, mode);
}

ssize_t write(int fd, const void* bytes, size_t count) {
  return WriteFails(fd) ? -1 : ::syscall(SYS_write, fd, bytes, count);
}

ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  return WriteFails(fd) ? -1 : ::syscall(SYS_pwrite64, fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void* bytes, size_t count, off64_t offset) {
  return WriteFails(fd) ? -1 : ::syscall(SYS_pwrite64, fd, bytes, count, offset);
}

}  // extern "C"
