// Which of the names that there are somebody may have meant. Pure.
#pragma once

#include <string>
#include <vector>

namespace torchlap::client {

// The closest of `names`, at most three, as the end of a message: `; close to it: step_median_ms`.
// Close is what begins the same, or differs in few letters. Empty: none is.
std::string CloseNames(const std::string& name, const std::vector<std::string>& names);

}  // namespace torchlap::client
