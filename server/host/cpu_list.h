// Sets of cores in the kernel's list form, `0,2-5`.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

namespace torchlap::host {

// Highest core number that a list may name.
inline constexpr int kMaxCore = 4095;

// Sorted, without duplicates. INVALID_ARGUMENT in one line: empty text, not a list, a range that
// runs backwards, a number above kMaxCore.
absl::StatusOr<std::vector<int>> ParseCpuList(const std::string& text);

// The shortest list; empty for no cores. `cores` may be in any order.
std::string PrintCpuList(std::vector<int> cores);

// Those of `cores` that are not among the others, and those that are; in the order of `cores`.
std::vector<int> CoresWithout(const std::vector<int>& cores, const std::vector<int>& others);
std::vector<int> CoresAlsoIn(const std::vector<int>& cores, const std::vector<int>& others);

}  // namespace torchlap::host
