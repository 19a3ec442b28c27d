// How large a message of the service may be: both sides of the wire read it here.
#pragma once

#include <cstddef>
#include <string>

namespace torchlap {

// What the other limits allow fits: 10,000 jobs with 20 labels of 100 characters on each side are
// some 42 MB.
inline constexpr size_t kMaxRequestBytes = size_t{64} << 20;
// One answer, or one message of a stream. A job of 1,000 launches, each tried eleven times, is some
// 90 MB; pages of lists are cut far below.
inline constexpr size_t kMaxAnswerBytes = size_t{256} << 20;

// A line for the user with both numbers; empty if the message fits.
std::string RequestTooLarge(size_t bytes, size_t most = kMaxRequestBytes);
std::string AnswerTooLarge(size_t bytes);

}  // namespace torchlap
