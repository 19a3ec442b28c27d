// `show` for people: the values that a job and a run have in common.
#pragma once

#include <google/protobuf/map.h>

#include <cstdint>
#include <string>

#include "torchlap/v1/workload.pb.h"

namespace torchlap::client::format {

// RFC 3339; empty for 0.
std::string TimeText(int64_t unix_ns);

// `card=A, why=test`, sorted.
std::string LabelText(const google::protobuf::Map<std::string, std::string>& labels);

// `small (128.6M parameters)`; empty for a calibration.
std::string ModelText(const v1::Workload& workload, uint64_t parameters);

}  // namespace torchlap::client::format
