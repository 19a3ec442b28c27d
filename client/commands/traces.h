// Chrome traces: `run --trace DIR` and `wait --trace DIR`.
#pragma once

#include <absl/status/status.h>

#include <string>

#include "client/daemon_channel.h"
#include "client/output.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// Makes the folder, so that one that cannot be made is said before anything is measured.
absl::Status MakeTraceFolder(const std::string& folder);

// Writes the trace of every run of purpose `trace` that the selector's jobs have, each whole or not
// at all, as `<folder>/<run_id>.json`, and says so on stderr. None: says that too, OK.
absl::Status FetchTraces(const v1::Selector& selector, const std::string& folder,
                         const Console& console, DaemonChannel* channel);

}  // namespace torchlap::client
