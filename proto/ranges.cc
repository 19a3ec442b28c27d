#include "proto/ranges.h"

#include <cstdio>
#include <vector>

namespace torchlap {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr double kSecondNs = 1e9;
constexpr double kDayNs = 24 * 3600 * kSecondNs;

const v1::Range& OptionOf(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::range);
}

bool HasRange(const FieldDescriptor& field) { return field.options().HasExtension(v1::range); }

std::string General(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

std::string DurationWords(double ns) {
  const double days = ns / kDayNs;
  if (days >= 1 && days == static_cast<int64_t>(days)) return General(days) + " days";
  return General(ns / kSecondNs) + " s";
}

std::string LimitWords(const FieldDescriptor& field, double limit) {
  if (OptionOf(field).unit() == v1::UNIT_NANOSECONDS) return DurationWords(limit);
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) return General(limit);
  return std::to_string(static_cast<int64_t>(limit));
}

// A field's value, to compare and to print.
struct Number {
  double value;
  std::string words;
};

template <typename Integer>
Number NumberOf(const FieldDescriptor& field, Integer value) {
  const auto number = static_cast<double>(value);
  if (OptionOf(field).unit() == v1::UNIT_NANOSECONDS) {
    return {number, General(number / kSecondNs) + " s"};
  }
  return {number, std::to_string(value)};
}

Number Read(const Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return NumberOf(field, reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return NumberOf(field, reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return NumberOf(field, reflection.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return NumberOf(field, reflection.GetUInt64(message, &field));
    default:  // tests/proto/ranges_test.cc: no other type has a range
      const double value = reflection.GetDouble(message, &field);
      return {value, General(value)};
  }
}

void Write(Message* message, const FieldDescriptor& field, double value) {
  const auto& reflection = *message->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.SetInt32(message, &field, static_cast<int32_t>(value));
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.SetInt64(message, &field, static_cast<int64_t>(value));
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(message, &field, static_cast<uint32_t>(value));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.SetUInt64(message, &field, static_cast<uint64_t>(value));
    default:
      return reflection.SetDouble(message, &field, value);
  }
}

std::string Refusal(const FieldDescriptor& field, const std::string& value) {
  const std::string& name = OptionOf(field).name();
  return (name.empty() ? field.name() : name) + " is " + value + ", must be " + RangeWords(field);
}

std::optional<std::string> CheckNumber(const Message& message, const FieldDescriptor& field) {
  const Number number = Read(message, field);
  // Not `< min`: NaN is refused too.
  if (number.value >= OptionOf(field).min() && number.value <= OptionOf(field).max()) {
    return std::nullopt;
  }
  return Refusal(field, number.words);
}

std::optional<std::string> CheckInner(const Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  if (!field.is_repeated()) return CheckRanges(reflection.GetMessage(message, &field));
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    if (auto words = CheckRanges(reflection.GetRepeatedMessage(message, &field, i))) return words;
  }
  return std::nullopt;
}

// Is what `with` names set?
bool HasItsReason(const Message& message, const FieldDescriptor& field) {
  const std::string& with = OptionOf(field).with();
  return with.empty() ||
         message.GetReflection()->HasField(message, message.GetDescriptor()->FindFieldByName(with));
}

}  // namespace

std::optional<Range> RangeOf(const FieldDescriptor& field) {
  if (!HasRange(field)) return std::nullopt;
  const v1::Range& option = OptionOf(field);
  Range range{option.min(), option.max(), std::nullopt};
  if (option.has_default_()) range.unset = option.default_();
  return range;
}

std::string RangeWords(const FieldDescriptor& field) {
  if (!HasRange(field)) return "";
  return LimitWords(field, OptionOf(field).min()) + " to " +
         LimitWords(field, OptionOf(field).max());
}

void FillDefaults(Message* message) {
  const auto& type = *message->GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (!OptionOf(field).has_default_()) continue;
    if (message->GetReflection()->HasField(*message, &field)) continue;
    if (HasItsReason(*message, field)) Write(message, field, OptionOf(field).default_());
  }
}

std::optional<std::string> CheckRanges(const Message& message) {
  std::vector<const FieldDescriptor*> set;
  message.GetReflection()->ListFields(message, &set);
  for (const FieldDescriptor* field : set) {
    std::optional<std::string> words;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) words = CheckInner(message, *field);
    if (HasRange(*field)) words = CheckNumber(message, *field);
    if (words) return words;
  }
  return std::nullopt;
}

std::optional<std::string> CheckGiven(const Message& message, int number) {
  const FieldDescriptor& field = *message.GetDescriptor()->FindFieldByNumber(number);
  if (field.has_presence() && !message.GetReflection()->HasField(message, &field)) {
    return Refusal(field, "unset");
  }
  return CheckNumber(message, field);
}

}  // namespace torchlap
