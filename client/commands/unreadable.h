// What a damaged database left out of an answer.
#pragma once

#include <absl/status/status.h>

#include "client/console.h"
#include "client/daemon_channel.h"

namespace torchlap::client {

// A line, if any row was left out.
void SayUnreadable(const DaemonChannel& channel, const Console& console);

// DATA_LOSS, if any was: for an answer that has no other row.
absl::Status CheckUnreadable(const DaemonChannel& channel);

}  // namespace torchlap::client
