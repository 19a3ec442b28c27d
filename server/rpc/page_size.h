// How many rows a page of a list has.
#pragma once

#include <absl/status/statusor.h>
#include <fmt/format.h>

#include <cstdint>

namespace torchlap::rpc {

inline constexpr uint32_t kMaxPage = 1000;

// `asked`, or `unset` where it is 0. INVALID_ARGUMENT above kMaxPage.
inline absl::StatusOr<uint32_t> PageSize(uint32_t asked, uint32_t unset) {
  if (asked == 0) return unset;
  if (asked <= kMaxPage) return asked;
  return absl::InvalidArgumentError(
      fmt::format("page_size is {}, must be 1 to {}", asked, kMaxPage));
}

}  // namespace torchlap::rpc
