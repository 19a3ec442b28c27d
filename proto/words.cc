#include "proto/words.h"

#include "torchlap/v1/column.pb.h"

namespace torchlap {

std::string_view WordOf(const google::protobuf::EnumDescriptor& type, int number) {
  const auto* value = type.FindValueByNumber(number);
  if (value == nullptr) return {};
  return value->options().GetExtension(v1::word);
}

std::optional<int> NumberOf(const google::protobuf::EnumDescriptor& type, std::string_view word) {
  if (word.empty()) return std::nullopt;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->options().GetExtension(v1::word) == word) return type.value(i)->number();
  }
  return std::nullopt;
}

std::string WordList(const google::protobuf::EnumDescriptor& type) {
  std::string list;
  for (int i = 0; i < type.value_count(); ++i) {
    const std::string& word = type.value(i)->options().GetExtension(v1::word);
    if (word.empty()) continue;
    if (!list.empty()) list += ", ";
    list += word;
  }
  return list;
}

}  // namespace torchlap
