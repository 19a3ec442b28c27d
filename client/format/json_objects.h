// Messages as JSON, shared by the files that write it. nlohmann/json.hpp itself is left to them.
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

using Json = nlohmann::ordered_json;

// All columns of an export.
Json RunObject(const v1::Run& run);

// The scalars of a message under the names of the contract, enums as their words (a value without
// one as `more-warmup`, of ADVICE_MORE_WARMUP); null where a field was not filled.
Json MessageObject(const google::protobuf::Message& message);

Json CalibrationObject(const v1::CalibrationResult& result);

// Negative `indent`: on one line.
std::string Dump(const Json& json, int indent);

}  // namespace torchlap::client::format
