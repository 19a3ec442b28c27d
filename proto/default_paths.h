// Where daemon and client meet when nothing else is said. Both apply the same rule, so it stands
// here. An environment variable that is empty, or not an absolute path, counts as unset (XDG base
// directory specification).
#pragma once

#include <filesystem>

namespace torchlap {

// The shared daemon of this machine: /run/torchlap/torchlapd.sock.
std::filesystem::path SystemSocketPath();

// $XDG_RUNTIME_DIR/torchlap, or /tmp/torchlap-UID where the variable is unset.
std::filesystem::path UserRuntimeFolder();
std::filesystem::path UserSocketPath();

// $XDG_STATE_HOME/torchlap, or ~/.local/state/torchlap. The home is $HOME, or what the account
// says.
std::filesystem::path UserStateFolder();

// $XDG_CONFIG_HOME/torchlap/torchlapd.toml, or ~/.config/torchlap/torchlapd.toml.
std::filesystem::path UserConfigFile();

}  // namespace torchlap
