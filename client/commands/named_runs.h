// What a command means that changes what is stored: never anything that was not named.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// A filter of these selectors. INVALID_ARGUMENT: a word that is none; there are none, which is said
// with `command` and the words that follow its selectors: `note needs a selector: ... ; then --text
// T or --clear`.
absl::StatusOr<v1::RunFilter> NamedRuns(const std::string& command,
                                        const std::vector<std::string>& selectors,
                                        const std::string& then);

}  // namespace torchlap::client
