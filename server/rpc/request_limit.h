// How large the request of an RPC may be: as bytes, and once it is decoded.
#pragma once

#include <absl/status/status.h>

#include <algorithm>
#include <cstddef>
#include <string>

#include "proto/message_size.h"

namespace torchlap::rpc {

struct RequestLimit {
  size_t bytes = 0;
  size_t unpacked_bytes = 0;
};

// 10,000 jobs with 20 labels of 100 characters on each side are some 42 MB, and some 92 MB
// unpacked.
inline constexpr RequestLimit kLimitOfSubmit = {kMaxRequestBytes, size_t{96} << 20};
// 100,000 each of jobs, sweeps and runs by id are at most 6 MB, and 20 MB unpacked; a filter beside
// them is little.
inline constexpr RequestLimit kLimitOfOthers = {size_t{6} << 20, size_t{32} << 20};

// A request of no more bytes takes little time; what may be in it takes no more than this.
inline constexpr size_t kShortRequestBytes = size_t{1} << 20;
inline constexpr size_t kMostUnpackedOfShort = size_t{32} << 20;

inline size_t MostUnpacked(size_t bytes, const RequestLimit& limit) {
  return bytes > kShortRequestBytes ? limit.unpacked_bytes
                                    : std::min(limit.unpacked_bytes, kMostUnpackedOfShort);
}

// INVALID_ARGUMENT.
inline absl::Status CheckLength(size_t bytes, const RequestLimit& limit) {
  const std::string line = RequestTooLarge(bytes, limit.bytes);
  return line.empty() ? absl::OkStatus() : absl::InvalidArgumentError(line);
}

}  // namespace torchlap::rpc
