// Which of the names that there are somebody may have meant. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace torchlap::client {

// Letters to insert, to remove or to replace that make one of the other.
size_t EditDistance(std::string_view a, std::string_view b);

// The closest of `names`, at most three, as the end of a message: `; close to it: step_median_ms`.
// Close is what begins the same, or differs in few letters. Empty: none is.
std::string CloseNames(const std::string& name, const std::vector<std::string>& names);

}  // namespace torchlap::client
