#include "server/rpc/nameless_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace torchlap::rpc {
namespace {

// EOPNOTSUPP: the file system. EISDIR, ENOENT: the kernel, which takes it for another flag.
bool IsWithoutTmpfile(int error) {
  return error == EOPNOTSUPP || error == EISDIR || error == ENOENT;
}

FileDescriptor OpenAndRemoveName(const std::filesystem::path& folder) {
  std::string path = (folder / ".torchlap-XXXXXX").string();
  FileDescriptor file(::mkostemp(path.data(), O_CLOEXEC));
  if (!file || ::unlink(path.c_str()) == 0) return file;
  const int error = errno;
  file.reset();
  errno = error;
  return file;
}

}  // namespace

FileDescriptor OpenNameless(const std::filesystem::path& folder) {
  return OpenNameless(
      folder, [](const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); });
}

FileDescriptor OpenNameless(const std::filesystem::path& folder, OpenFile open_file) {
  FileDescriptor file(open_file(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file || !IsWithoutTmpfile(errno)) return file;
  return OpenAndRemoveName(folder);
}

}  // namespace torchlap::rpc
