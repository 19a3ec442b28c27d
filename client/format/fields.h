// `show` for people: the values that a job and a run have in common.
#pragma once

#include <google/protobuf/map.h>

#include <cstdint>
#include <string>

namespace torchlap::client::format {

// RFC 3339; empty for 0.
std::string TimeText(int64_t unix_ns);

// `card=A, why=test`, sorted.
std::string LabelText(const google::protobuf::Map<std::string, std::string>& labels);

}  // namespace torchlap::client::format
