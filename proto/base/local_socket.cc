#include "proto/base/local_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "proto/base/file_descriptor.h"

namespace torchlap {

std::string SocketProblem(const std::filesystem::path& socket) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  if (socket.native().size() >= sizeof name.sun_path) return std::strerror(ENAMETOOLONG);
  std::strncpy(name.sun_path, socket.c_str(), sizeof name.sun_path - 1);
  const FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return std::strerror(errno);
  const int result = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
  return result == 0 ? "" : std::strerror(errno);
}

}  // namespace torchlap
