// Where the daemon is: the flag, else TORCHLAP_ADDRESS, else where one listens: the system daemon's
// socket, the user's sockets, the address that a daemon has noted beside its database.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "proto/address_note.h"

namespace torchlap::client {

struct AddressSources {
  std::optional<std::string> flag;         // --address
  std::optional<std::string> environment;  // TORCHLAP_ADDRESS; empty counts as unset
  std::filesystem::path system_socket;
  bool serves_everybody = false;  // the machine has a daemon for all, running or not
  std::vector<std::filesystem::path> user_sockets;  // at least one, the likeliest first
  // Of the user's own state folder; nothing: no daemon left one.
  std::optional<AddressNote> note;
};

// The sources of this process.
AddressSources SourcesOfProcess(std::optional<std::string> flag);

// `unix:/path` or `host:port`. Where nothing was said, the first socket that takes connections,
// else the system's if it is there, else the user's first that is there, else the user's first.
// INVALID_ARGUMENT: a flag or variable that is neither, or a socket path that is longer than the
// kernel takes. PERMISSION_DENIED: the user's folder may be another user's.
absl::StatusOr<std::string> ChooseAddress(const AddressSources& sources);

// The path of a `unix:` address; nothing for `host:port`.
std::optional<std::filesystem::path> SocketPathOf(const std::string& address);

// What to do where nobody answers: a command that makes a daemon listen there, or, where one of the
// user's runs, what has become of it.
std::string StartAdvice(const std::string& address, const AddressSources& sources);

// The line for an address where nobody answers, with the advice for this process: `no daemon at
// unix:/x (Connection refused); start one with: torchlapd`.
std::string NoDaemonLine(const std::string& address, const std::string& reason);

}  // namespace torchlap::client
