// What a label of a job may be.
#pragma once

#include <absl/status/status.h>
#include <google/protobuf/map.h>

#include <string>

namespace torchlap::rpc {

// INVALID_ARGUMENT: key or value is empty, has more than 100 characters, or some that nobody sees
// (text_check.h); more labels than a job may have.
absl::Status CheckLabels(const google::protobuf::Map<std::string, std::string>& labels);

}  // namespace torchlap::rpc
