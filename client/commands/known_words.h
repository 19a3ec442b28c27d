// What a daemon can name while a line is being typed.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "client/completion.h"

namespace torchlap::client {

// Names of presets (with their edition where the bare name means another one) and devices, and
// selectors of the latest sweeps, labels of the latest runs, names of suites. Empty where no answer
// comes within `patience`. Names that a shell would take for more than a word are left out.
std::vector<std::string> AskDaemon(const std::string& address, Known known,
                                   std::chrono::milliseconds patience);

}  // namespace torchlap::client
