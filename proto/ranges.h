// What a number that a user sets may be, and its default: the `range` options of the contract.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <optional>
#include <string>

#include "torchlap/v1/column.pb.h"

namespace torchlap {

// In the unit of the field.
struct Range {
  double min;
  double max;
  std::optional<double> unset;  // what an unset field means
};

// Nothing if the field has none.
std::optional<Range> RangeOf(const google::protobuf::FieldDescriptor& field);

// Of a field that has one: `RangeOf<v1::Plan>(v1::Plan::kLaunchesFieldNumber)`.
template <typename M>
Range RangeOf(int number) {
  return RangeOf(*M::descriptor()->FindFieldByNumber(number)).value();
}

// Of a field that has one: what unset means.
template <typename M>
double DefaultOf(int number) {
  return RangeOf<M>(number).unset.value();
}

// "1 to 65536", "0.001 s to 7 days": for messages and help. Empty for a field without a range.
std::string RangeWords(const google::protobuf::FieldDescriptor& field);

// Sets every unset field of the message itself that has a default; one that means nothing without
// another (`with`) only beside it. A field without presence is unset while it is 0.
void FillDefaults(google::protobuf::Message* message);

// Of the first field, in the message or the messages in it, that is set and out of its range:
// "batch_size is 0, must be 1 to 65536". Nothing if there is none. NaN is out of every range.
std::optional<std::string> CheckRanges(const google::protobuf::Message& message);

// The same of a single field, which must be set too: "warmup_steps is unset, must be 0 to 100000".
std::optional<std::string> CheckGiven(const google::protobuf::Message& message, int number);

}  // namespace torchlap
