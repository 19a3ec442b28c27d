// Where daemon and client meet when nothing else is said. Both apply the same rule, so it stands
// here. An environment variable that is empty, or not an absolute path, counts as unset (XDG base
// directory specification).
#pragma once

#include <filesystem>
#include <vector>

namespace torchlap {

// The shared daemon of this machine: /run/torchlap/torchlapd.sock.
std::filesystem::path SystemSocketPath();
// Of its database; there, it is installed, running or not.
std::filesystem::path SystemStateFolder();

// $XDG_RUNTIME_DIR/torchlap, or /tmp/torchlap-UID where the variable is unset.
std::filesystem::path UserRuntimeFolder();
std::filesystem::path UserSocketPath();

// Every place where a daemon of this user may listen, each once, the likeliest first: the folder of
// $XDG_RUNTIME_DIR, /run/user/UID, /tmp/torchlap-UID. Who logs in otherwise, or not at all (cron),
// has no variable; and a logout takes the folder away.
std::vector<std::filesystem::path> UserSocketPaths();

// $XDG_STATE_HOME/torchlap, or ~/.local/state/torchlap. The home is $HOME, or what the account
// says.
std::filesystem::path UserStateFolder();

// $XDG_CONFIG_HOME/torchlap/torchlapd.toml, or ~/.config/torchlap/torchlapd.toml.
std::filesystem::path UserConfigFile();

}  // namespace torchlap
