#include "client/address.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <system_error>
#include <utility>

#include "proto/default_paths.h"

namespace torchlap::client {
namespace {

constexpr char kUnixPrefix[] = "unix:";
constexpr size_t kUnixPrefixLength = sizeof(kUnixPrefix) - 1;
constexpr size_t kLongestSocketPath = sizeof(sockaddr_un::sun_path) - 1;

bool IsHostAndPort(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || address[0] == '/') return false;
  const std::string port = address.substr(colon + 1);
  return !port.empty() && port.size() <= 5 &&
         port.find_first_not_of("0123456789") == std::string::npos && std::stoi(port) <= 65535;
}

absl::Status CheckAddress(const std::string& what, const std::string& address) {
  if (const auto path = SocketPathOf(address)) {
    if (path->empty()) {
      return absl::InvalidArgumentError(
          fmt::format("{} is {}, must be unix:/path or host:port", what, address));
    }
    if (path->native().size() > kLongestSocketPath) {
      return absl::InvalidArgumentError(
          fmt::format("{} has a socket path of {} bytes ({}), must be at most {}", what,
                      path->native().size(), path->native(), kLongestSocketPath));
    }
    return absl::OkStatus();
  }
  if (IsHostAndPort(address)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} is {}, must be unix:/path or host:port", what, address));
}

// The daemon's own rule (0700, owner checked): a folder in /tmp may have been made by anybody, and
// who listens in it would be told everything.
absl::Status CheckFolder(const std::filesystem::path& folder) {
  struct stat status = {};
  if (::lstat(folder.c_str(), &status) != 0)
    return absl::OkStatus();  // no daemon: that is said later
  if (S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() && (status.st_mode & 077) == 0) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      fmt::format("{} is not a folder of this user alone, must be owned by uid {} with mode 0700",
                  folder.native(), ::geteuid()));
}

}  // namespace

AddressSources SourcesOfProcess(std::optional<std::string> flag) {
  AddressSources sources;
  sources.flag = std::move(flag);
  if (const char* value = std::getenv("TORCHLAP_ADDRESS")) sources.environment = value;
  sources.system_socket = SystemSocketPath();
  sources.user_socket = UserSocketPath();
  return sources;
}

absl::StatusOr<std::string> ChooseAddress(const AddressSources& sources) {
  std::string what = "the default address";
  std::string address;
  std::error_code ignored;  // a socket that cannot be looked at is not there for this user
  if (sources.flag) {
    what = "--address";
    address = *sources.flag;
  } else if (sources.environment && !sources.environment->empty()) {
    what = "TORCHLAP_ADDRESS";
    address = *sources.environment;
  } else if (std::filesystem::exists(sources.system_socket, ignored)) {
    address = kUnixPrefix + sources.system_socket.native();
  } else {
    if (absl::Status status = CheckFolder(sources.user_socket.parent_path()); !status.ok()) {
      return status;
    }
    address = kUnixPrefix + sources.user_socket.native();
  }
  if (absl::Status status = CheckAddress(what, address); !status.ok()) return status;
  return address;
}

std::optional<std::filesystem::path> SocketPathOf(const std::string& address) {
  if (address.rfind(kUnixPrefix, 0) != 0) return std::nullopt;
  return address.substr(kUnixPrefixLength);
}

std::string NoDaemonLine(const std::string& address, const std::string& reason) {
  return fmt::format("no daemon at {} ({}); start one with: torchlapd", address, reason);
}

}  // namespace torchlap::client
