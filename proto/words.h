// Words of the contract's enums: `PASS_TYPE_FORWARD_BACKWARD` is "forward-backward" on the command
// line, in the database and in exports. The words stand in the .proto files, as the option `word`.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/generated_enum_reflection.h>

#include <optional>
#include <string>
#include <string_view>

namespace torchlap {

// The word of a value; empty for a value without one (…_UNSPECIFIED, or a number that is not known
// here). The view lives as long as the program.
std::string_view WordOf(const google::protobuf::EnumDescriptor& type, int number);

// The number whose word this is; nothing if there is none.
std::optional<int> NumberOf(const google::protobuf::EnumDescriptor& type, std::string_view word);

// All words in the order of their numbers, "forward, forward-backward, train-step": for messages
// and help.
std::string WordList(const google::protobuf::EnumDescriptor& type);

template <typename Enum>
std::string_view Word(Enum value) {
  return WordOf(*google::protobuf::GetEnumDescriptor<Enum>(), static_cast<int>(value));
}

template <typename Enum>
std::optional<Enum> ParseWord(std::string_view word) {
  const std::optional<int> number = NumberOf(*google::protobuf::GetEnumDescriptor<Enum>(), word);
  if (!number) return std::nullopt;
  return static_cast<Enum>(*number);
}

template <typename Enum>
std::string Words() {
  return WordList(*google::protobuf::GetEnumDescriptor<Enum>());
}

}  // namespace torchlap
