#include "server/rpc/text_check.h"

#include <fmt/format.h>

#include <vector>

#include "proto/base/visible_text.h"

namespace torchlap::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kMostBytesNamed = 200;

bool MayHaveText(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ||
         field->type() == FieldDescriptor::TYPE_STRING;
}

// `name`: what the message's texts are called; empty: each by its field.
absl::Status CheckAll(std::string_view name, const Message& message);

// Entry `i`; of a field that is not repeated the only one. An entry of a map is a message.
absl::Status CheckEntry(std::string_view name, const Message& message, const FieldDescriptor* field,
                        int i) {
  const Reflection& reflection = *message.GetReflection();
  const bool is_list = field->is_repeated();
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    return CheckAll(field->is_map() ? field->name() : "",
                    is_list ? reflection.GetRepeatedMessage(message, field, i)
                            : reflection.GetMessage(message, field));
  }
  std::string kept;
  return CheckText(name.empty() ? field->name() : name,
                   is_list ? reflection.GetRepeatedStringReference(message, field, i, &kept)
                           : reflection.GetStringReference(message, field, &kept));
}

absl::Status CheckField(std::string_view name, const Message& message,
                        const FieldDescriptor* field) {
  const int entries = field->is_repeated() ? message.GetReflection()->FieldSize(message, field) : 1;
  for (int i = 0; i < entries; ++i) {
    if (absl::Status status = CheckEntry(name, message, field, i); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckAll(std::string_view name, const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (!MayHaveText(field)) continue;
    if (absl::Status status = CheckField(name, message, field); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckText(std::string_view field, std::string_view text) {
  const auto unseen = FirstUnseen(text);
  if (!unseen) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} is \"{}\", must have no {}: visible characters "
                  "only",
                  field, Named(text), *unseen));
}

absl::Status CheckTexts(const Message& request) { return CheckAll("", request); }

absl::Status CheckLength(std::string_view field, std::string_view text, size_t most_chars) {
  const size_t chars = CharsOf(text);
  if (chars <= most_chars) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} has {} characters, must have at most {}", field, chars, most_chars));
}

absl::Status CheckName(std::string_view field, std::string_view text, size_t most_chars) {
  const size_t chars = CharsOf(text);
  if (chars >= 1 && chars <= most_chars) return CheckText(field, text);
  return absl::InvalidArgumentError(
      fmt::format("{} has {} characters, must have 1 to {}", field, chars, most_chars));
}

std::string Named(std::string_view text) { return VisibleUpTo(kMostBytesNamed, text); }

}  // namespace torchlap::rpc
