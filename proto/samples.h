// The columns of a SampleBlock: the one place that knows which there are. A test holds the list to
// the repeated int64 fields of the contract, so that a new one cannot be forgotten.
#pragma once

#include <google/protobuf/repeated_field.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "torchlap/v1/run.pb.h"

namespace torchlap {

using SampleTimes = google::protobuf::RepeatedField<int64_t>;

struct SampleColumn {
  const char* name;  // `start_ns`, `forward_ns`, ...
  const SampleTimes& (v1::SampleBlock::*times)() const;
  SampleTimes* (v1::SampleBlock::*mutable_times)();
};

// In the order of the contract.
const std::vector<SampleColumn>& SampleColumns();

// Calls `body` for each column of the block.
void ForEachColumn(const v1::SampleBlock& block,
                   const std::function<void(const std::string& name, const SampleTimes&)>& body);

// Puts `part` behind `block`. Refused, with what is wrong in one line and `block` as it was: the
// part does not begin where the block ends, or a column of the two together would have another
// length than step_ns (a column has an entry for each step, or none at all; start_ns and step_ns
// have them always). warmup_steps is taken from the part.
std::optional<std::string> Append(const v1::SampleBlock& part, v1::SampleBlock* block);

// Entries [begin, end) of every column, as far as the column has them; first_step follows.
v1::SampleBlock Slice(const v1::SampleBlock& block, int begin, int end);

}  // namespace torchlap
