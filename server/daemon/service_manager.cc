#include "server/daemon/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "proto/base/file_descriptor.h"

namespace torchlap::daemon {

void TellServiceManager(const std::string& state) {
  const char* const asked = std::getenv("NOTIFY_SOCKET");
  if (asked == nullptr) return;
  const std::string name = asked;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const bool is_name = (name.starts_with('/') || name.starts_with('@')) && name.size() > 1;
  if (!is_name || name.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, name.data(), name.size());
  // An abstract name begins with a zero and is as long as it is said to be.
  if (name.front() == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  const FileDescriptor to(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!to) return;
  [[maybe_unused]] const ssize_t sent =
      ::sendto(to.get(), state.data(), state.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), length);
}

}  // namespace torchlap::daemon
