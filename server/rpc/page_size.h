// How many rows a page of a list has.
#pragma once

#include <absl/status/statusor.h>
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

namespace torchlap::rpc {

inline constexpr uint32_t kMaxPage = 1000;
// A page is cut where it would have more bytes, but for its first row.
inline constexpr size_t kMaxPageBytes = size_t{16} << 20;

// `asked`, or `unset` where it is 0. INVALID_ARGUMENT above kMaxPage.
inline absl::StatusOr<uint32_t> PageSize(uint32_t asked, uint32_t unset) {
  if (asked == 0) return unset;
  if (asked <= kMaxPage) return asked;
  return absl::InvalidArgumentError(
      fmt::format("page_size is {}, must be 1 to {}", asked, kMaxPage));
}

// How many of `rows` fit into one page: at least one, if there are any.
template <typename Rows>
size_t RowsThatFit(const Rows& rows) {
  size_t bytes = 0;
  size_t count = 0;
  for (const auto& row : rows) {
    bytes += row.ByteSizeLong();
    if (count > 0 && bytes > kMaxPageBytes) return count;
    ++count;
  }
  return count;
}

}  // namespace torchlap::rpc
