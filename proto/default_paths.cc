#include "proto/default_paths.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

namespace torchlap {
namespace {

namespace fs = std::filesystem;

// Empty where the variable is unset, empty or relative.
fs::path FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || value[0] != '/') return {};
  return value;
}

// What the account database says; `/` for an account that is not in it.
fs::path HomeOfAccount() {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(getuid(), &entry, buffer.data(), buffer.size(), &found) != 0) return "/";
  if (found == nullptr || found->pw_dir == nullptr || found->pw_dir[0] != '/') return "/";
  return found->pw_dir;
}

fs::path Home() {
  const fs::path home = FromEnvironment("HOME");
  return home.empty() ? HomeOfAccount() : home;
}

fs::path XdgFolder(const char* variable, const char* below_home) {
  const fs::path folder = FromEnvironment(variable);
  return (folder.empty() ? Home() / below_home : folder) / "torchlap";
}

constexpr char kSocketName[] = "torchlapd.sock";

fs::path TemporaryRuntimeFolder() { return "/tmp/torchlap-" + std::to_string(getuid()); }

}  // namespace

fs::path SystemSocketPath() { return "/run/torchlap/torchlapd.sock"; }

fs::path SystemStateFolder() { return "/var/lib/torchlap"; }

fs::path UserRuntimeFolder() {
  const fs::path folder = FromEnvironment("XDG_RUNTIME_DIR");
  if (!folder.empty()) return folder / "torchlap";
  return TemporaryRuntimeFolder();
}

fs::path UserSocketPath() { return UserRuntimeFolder() / kSocketName; }

std::vector<fs::path> UserSocketPaths() {
  const fs::path of_logins = fs::path("/run/user") / std::to_string(getuid()) / "torchlap";
  std::vector<fs::path> sockets;
  for (const fs::path& folder : {UserRuntimeFolder(), of_logins, TemporaryRuntimeFolder()}) {
    const fs::path socket = folder / kSocketName;
    if (std::find(sockets.begin(), sockets.end(), socket) == sockets.end()) {
      sockets.push_back(socket);
    }
  }
  return sockets;
}

fs::path UserStateFolder() { return XdgFolder("XDG_STATE_HOME", ".local/state"); }

fs::path UserConfigFile() { return XdgFolder("XDG_CONFIG_HOME", ".config") / "torchlapd.toml"; }

}  // namespace torchlap
