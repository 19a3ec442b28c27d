// Telling systemd how far the daemon is: the protocol of sd_notify(3), a datagram.
#pragma once

#include <string>

namespace torchlap::daemon {

// `READY=1`: it answers from now on, so that what was started after it finds it. `STOPPING=1`.
// Where no service manager asks for it (NOTIFY_SOCKET), or it does not listen, nothing happens.
void TellServiceManager(const std::string& state);

}  // namespace torchlap::daemon
