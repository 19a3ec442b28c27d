// Messages and rows as JSON, shared by the files that make objects of them. nlohmann/json.hpp
// itself is left to them.
#pragma once

#include <google/protobuf/map.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// All columns of an export.
Json RunObject(const v1::Run& run);

// The scalars of a message under the names of the contract, enums as their words (a value without
// one as `more-warmup`, of ADVICE_MORE_WARMUP); null where a field was not filled.
Json MessageObject(const google::protobuf::Message& message);

Json CalibrationObject(const v1::CalibrationResult& result);

Json TextOrNull(const std::string& text);
Json TimeOrNull(int64_t unix_ns);
Json PairsObject(const google::protobuf::Map<std::string, std::string>& pairs);

// A row under the names of its columns.
Json RowObject(const std::vector<std::string>& names, const std::vector<Value>& row);

// The same as text on one line, without an object in between: exports have 100,000 rows.
class RowWriter {
 public:
  explicit RowWriter(const std::vector<std::string>& names);

  void Append(const std::vector<Value>& row, std::string* text) const;

 private:
  std::vector<std::string> before_;  // each value: `{"run_id":`, `,"job_id":`
};

// Negative `indent`: on one line.
std::string Dump(const Json& json, int indent);

}  // namespace torchlap::client::format
