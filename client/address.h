// Where the daemon is: the flag, else TORCHLAP_ADDRESS, else the system daemon's socket if there is
// one, else the user's.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <filesystem>
#include <optional>
#include <string>

namespace torchlap::client {

struct AddressSources {
  std::optional<std::string> flag;         // --address
  std::optional<std::string> environment;  // TORCHLAP_ADDRESS; empty counts as unset
  std::filesystem::path system_socket;
  std::filesystem::path user_socket;
};

// The sources of this process.
AddressSources SourcesOfProcess(std::optional<std::string> flag);

// `unix:/path` or `host:port`. INVALID_ARGUMENT: a flag or variable that is neither, or a socket
// path that is longer than the kernel takes.
absl::StatusOr<std::string> ChooseAddress(const AddressSources& sources);

// The path of a `unix:` address; nothing for `host:port`.
std::optional<std::filesystem::path> SocketPathOf(const std::string& address);

// The line for an address where nobody answers: `no daemon at unix:/x (Connection refused); start
// one with: torchlapd`.
std::string NoDaemonLine(const std::string& address, const std::string& reason);

}  // namespace torchlap::client
