#include "server/daemon/service_manager.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>

#include "proto/base/file_descriptor.h"

namespace torchlap::daemon {
namespace {

// A service manager that listens at a name, `@` first for an abstract one.
class Manager {
 public:
  explicit Manager(const std::string& name)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~Manager() { ::unsetenv("NOTIFY_SOCKET"); }

  // What waits to be read; nothing is waited for.
  std::string Heard() const {
    char text[100];
    const ssize_t size = ::recv(socket_.get(), text, sizeof text, MSG_DONTWAIT);
    return size < 0 ? "" : std::string(text, static_cast<size_t>(size));
  }

 private:
  const FileDescriptor socket_;
};

TEST(ServiceManagerTest, HearsOfEachStateAtAFile) {
  const std::string path = testing::TempDir() + "/notify-" + std::to_string(::getpid());
  std::filesystem::remove(path);
  const Manager manager(path);
  TellServiceManager("READY=1");
  EXPECT_EQ(manager.Heard(), "READY=1");
  TellServiceManager("STOPPING=1");
  EXPECT_EQ(manager.Heard(), "STOPPING=1");
  EXPECT_EQ(manager.Heard(), "");
  std::filesystem::remove(path);
}

TEST(ServiceManagerTest, HearsAtAnAbstractName) {
  const Manager manager("@torchlap-notify-" + std::to_string(::getpid()));
  TellServiceManager("READY=1");
  EXPECT_EQ(manager.Heard(), "READY=1");
}

TEST(ServiceManagerTest, NobodyNeedsToListen) {
  TellServiceManager("READY=1");
  for (const std::string& name : {std::string(), std::string("/"), std::string("relative"),
                                  std::string("/nowhere/at/all"), "/" + std::string(200, 'x')}) {
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    TellServiceManager("READY=1");
  }
  ::unsetenv("NOTIFY_SOCKET");
}

}  // namespace
}  // namespace torchlap::daemon
