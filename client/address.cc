#include "client/address.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "proto/base/local_socket.h"
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

bool IsThere(const std::filesystem::path& socket) {
  std::error_code ignored;  // a socket that cannot be looked at is not there for this user
  return std::filesystem::exists(socket, ignored);
}

// The sockets that are there, the likeliest first. Of the user's only those in a folder of the
// user's own.
std::vector<std::filesystem::path> SocketsThatAreThere(const AddressSources& sources) {
  std::vector<std::filesystem::path> users = sources.user_sockets;
  if (sources.note) {
    if (const auto noted = SocketPathOf(sources.note->address)) users.push_back(*noted);
  }
  std::vector<std::filesystem::path> found;
  if (IsThere(sources.system_socket)) found.push_back(sources.system_socket);
  for (const std::filesystem::path& socket : users) {
    if (IsThere(socket) && CheckFolder(socket.parent_path()).ok()) found.push_back(socket);
  }
  return found;
}

absl::StatusOr<std::string> FindSocket(const AddressSources& sources) {
  const auto found = SocketsThatAreThere(sources);
  // A single one need not be tried: the caller does that.
  if (found.size() == 1) return kUnixPrefix + found[0].native();
  for (const std::filesystem::path& socket : found) {
    if (SocketProblem(socket).empty()) return kUnixPrefix + socket.native();
  }
  if (!found.empty()) return kUnixPrefix + found[0].native();
  // Not a daemon of the user's own, which would take the devices from everybody.
  const bool has_own = sources.note && IsAlive(*sources.note);
  if (sources.serves_everybody && !has_own) return kUnixPrefix + sources.system_socket.native();
  const std::filesystem::path& usual = sources.user_sockets.front();
  if (absl::Status status = CheckFolder(usual.parent_path()); !status.ok()) return status;
  return kUnixPrefix + usual.native();
}

bool IsOfUser(const std::string& address, const AddressSources& sources) {
  if (sources.note && sources.note->address == address) return true;
  const auto socket = SocketPathOf(address);
  return socket && std::find(sources.user_sockets.begin(), sources.user_sockets.end(), *socket) !=
                       sources.user_sockets.end();
}

}  // namespace

AddressSources SourcesOfProcess(std::optional<std::string> flag) {
  AddressSources sources;
  sources.flag = std::move(flag);
  if (const char* value = std::getenv("TORCHLAP_ADDRESS")) sources.environment = value;
  sources.system_socket = SystemSocketPath();
  sources.serves_everybody = IsThere(SystemStateFolder());
  sources.user_sockets = UserSocketPaths();
  sources.note = ReadAddressNote(UserStateFolder());
  return sources;
}

absl::StatusOr<std::string> ChooseAddress(const AddressSources& sources) {
  std::string what = "the default address";
  std::string address;
  if (sources.flag) {
    what = "--address";
    address = *sources.flag;
  } else if (sources.environment && !sources.environment->empty()) {
    what = "TORCHLAP_ADDRESS";
    address = *sources.environment;
  } else {
    const auto found = FindSocket(sources);
    if (!found.ok()) return found.status();
    address = *found;
  }
  if (absl::Status status = CheckAddress(what, address); !status.ok()) return status;
  return address;
}

std::optional<std::filesystem::path> SocketPathOf(const std::string& address) {
  if (address.rfind(kUnixPrefix, 0) != 0) return std::nullopt;
  return address.substr(kUnixPrefixLength);
}

std::string StartAdvice(const std::string& address, const AddressSources& sources) {
  const auto socket = SocketPathOf(address);
  if (!socket) return "start one there, or give another --address";
  if (*socket == sources.system_socket) return "start it with: systemctl start torchlapd";
  if (!IsOfUser(address, sources)) return "start one with: torchlapd --socket " + socket->native();
  if (!sources.note || !IsAlive(*sources.note)) return "start one with: torchlapd";
  // Starting another would be refused: this one has the database.
  return fmt::format(
      "torchlapd runs (pid {0}) and makes its socket again within 10 s; if it does not: kill {0}",
      sources.note->pid);
}

std::string NoDaemonLine(const std::string& address, const std::string& reason) {
  return fmt::format("no daemon at {} ({}); {}", address, reason,
                     StartAdvice(address, SourcesOfProcess({})));
}

}  // namespace torchlap::client
