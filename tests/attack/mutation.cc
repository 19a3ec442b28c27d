#include "tests/attack/mutation.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

namespace torchlap::attack {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Of one-based ids: more than there are jobs at first, fewer than at the end.
constexpr uint64_t kLikelyIds = 60;
// More than any list of the service may have.
constexpr int kLongList = 20'000;

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool NamesAnId(const std::string& field) {
  return EndsWith(field, "_id") || EndsWith(field, "_ids") || field == "sequence";
}

std::string Nested(size_t depth, bool closed) {
  // Field 1 as a group: starts, and ends.
  std::string bytes(depth, '\x0B');
  if (closed) bytes.append(depth, '\x0C');
  return bytes;
}

}  // namespace

uint64_t Mutation::Below(uint64_t limit) { return limit == 0 ? 0 : random_() % limit; }

int64_t Mutation::Integer() {
  constexpr int64_t kEdges[] = {0,
                                1,
                                -1,
                                2,
                                127,
                                128,
                                1000,
                                1001,
                                65536,
                                65537,
                                1'000'000,
                                1'000'000'000,
                                900'000'000'000,
                                604'800'000'000'001,
                                std::numeric_limits<int32_t>::max(),
                                std::numeric_limits<int32_t>::min(),
                                std::numeric_limits<uint32_t>::max(),
                                std::numeric_limits<int64_t>::max(),
                                std::numeric_limits<int64_t>::min()};
  if (OneIn(4)) return static_cast<int64_t>(random_());
  return kEdges[Below(std::size(kEdges))];
}

double Mutation::Real() {
  using Limits = std::numeric_limits<double>;
  const double edges[] = {0,
                          -0.0,
                          1,
                          -1,
                          0.5,
                          0.0001,
                          1e308,
                          -1e308,
                          Limits::denorm_min(),
                          Limits::infinity(),
                          -Limits::infinity(),
                          Limits::quiet_NaN()};
  return edges[Below(std::size(edges))];
}

std::string Mutation::Text(const std::string& name) {
  if (EndsWith(name, "run_id") || EndsWith(name, "run_ids")) {
    if (!OneIn(3)) return std::to_string(1 + Below(kLikelyIds)) + "." + std::to_string(Below(4));
  }
  if (OneIn(200)) return std::string(size_t{1} << (10 + Below(11)), 'x');
  const std::string texts[] = {"",
                               "a",
                               "cpu0",
                               "cpu",
                               "any",
                               "cuda:0",
                               "root",
                               "uid:0",
                               "small",
                               "cs336-2025/small",
                               "sweep",
                               "17.2",
                               "17.",
                               ".1",
                               "1.1.1",
                               "-1",
                               "18446744073709551616.1",
                               "99999999999999999999999999",
                               "\x1b]0;owned\x07\n",
                               "\xC2\x9B;2J",
                               "a\rb\nc\td",
                               std::string("nul\0nul", 7),
                               "\xE2\x80\xAEgnp.exe",
                               "\xEF\xBB\xBF\xF4\x8F\xBF\xBF",
                               "=1+1|'x'!A0",
                               "'; DROP TABLE job; --",
                               "%s%n{}{0}",
                               "../../etc/passwd",
                               std::string(100, 'n'),
                               std::string(101, 'n'),
                               std::string(4097, 'e')};
  return texts[Below(std::size(texts))];
}

uint64_t Mutation::Unsigned(const std::string& name) {
  if (NamesAnId(name) && !OneIn(4)) return 1 + Below(kLikelyIds);
  return static_cast<uint64_t>(Integer());
}

int Mutation::Enum(const Field* field) {
  const EnumDescriptor* values = field->enum_type();
  if (OneIn(4)) return static_cast<int>(Integer());
  return values->value(static_cast<int>(Below(static_cast<uint64_t>(values->value_count()))))
      ->number();
}

void Mutation::SetOne(Message* message, const Field* field) {
  const Reflection* reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case Field::CPPTYPE_INT32:
      return reflection->SetInt32(message, field, static_cast<int32_t>(Integer()));
    case Field::CPPTYPE_INT64:
      return reflection->SetInt64(message, field, Integer());
    case Field::CPPTYPE_UINT32:
      return reflection->SetUInt32(message, field, static_cast<uint32_t>(Integer()));
    case Field::CPPTYPE_UINT64:
      return reflection->SetUInt64(message, field, Unsigned(field->name()));
    case Field::CPPTYPE_DOUBLE:
      return reflection->SetDouble(message, field, Real());
    case Field::CPPTYPE_FLOAT:
      return reflection->SetFloat(message, field, static_cast<float>(Integer()));
    case Field::CPPTYPE_BOOL:
      return reflection->SetBool(message, field, OneIn(2));
    case Field::CPPTYPE_ENUM:
      return reflection->SetEnumValue(message, field, Enum(field));
    case Field::CPPTYPE_STRING:
      return reflection->SetString(message, field, Text(field->name()));
    case Field::CPPTYPE_MESSAGE:
      return ChangeOne(reflection->MutableMessage(message, field));
  }
}

void Mutation::AddOne(Message* message, const Field* field) {
  const Reflection* reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case Field::CPPTYPE_INT32:
      return reflection->AddInt32(message, field, static_cast<int32_t>(Integer()));
    case Field::CPPTYPE_INT64:
      return reflection->AddInt64(message, field, Integer());
    case Field::CPPTYPE_UINT32:
      return reflection->AddUInt32(message, field, static_cast<uint32_t>(Integer()));
    case Field::CPPTYPE_UINT64:
      return reflection->AddUInt64(message, field, Unsigned(field->name()));
    case Field::CPPTYPE_DOUBLE:
      return reflection->AddDouble(message, field, Real());
    case Field::CPPTYPE_FLOAT:
      return reflection->AddFloat(message, field, static_cast<float>(Integer()));
    case Field::CPPTYPE_BOOL:
      return reflection->AddBool(message, field, OneIn(2));
    case Field::CPPTYPE_ENUM:
      return reflection->AddEnumValue(message, field, Enum(field));
    case Field::CPPTYPE_STRING:
      return reflection->AddString(message, field, Text(field->name()));
    case Field::CPPTYPE_MESSAGE:
      return ChangeOne(reflection->AddMessage(message, field));
  }
}

void Mutation::AddSome(Message* message, const Field* field) {
  int count = 1 + static_cast<int>(Below(3));
  // One long list a path: lists in the entries of a long one would fill the memory.
  if (!in_list_) {
    if (OneIn(20)) count = 101;
    if (OneIn(100)) count = kLongList;
  }
  const bool was_in_list = std::exchange(in_list_, true);
  for (int i = 0; i < count; ++i) AddOne(message, field);
  in_list_ = was_in_list;
}

void Mutation::ChangeRepeated(Message* message, const Field* field) {
  const Reflection* reflection = message->GetReflection();
  const int size = reflection->FieldSize(*message, field);
  if (size > 0 && OneIn(4)) return reflection->RemoveLast(message, field);
  const bool is_message = field->cpp_type() == Field::CPPTYPE_MESSAGE;
  if (size == 0 || !is_message || OneIn(4)) return AddSome(message, field);
  const int entry = static_cast<int>(Below(static_cast<uint64_t>(size)));
  ChangeOne(reflection->MutableRepeatedMessage(message, field, entry));
}

void Mutation::ChangeOne(Message* message) {
  const int fields = message->GetDescriptor()->field_count();
  if (fields == 0) return;
  const Field* field =
      message->GetDescriptor()->field(static_cast<int>(Below(static_cast<uint64_t>(fields))));
  if (OneIn(8)) return message->GetReflection()->ClearField(message, field);
  if (field->is_repeated()) return ChangeRepeated(message, field);
  SetOne(message, field);
}

std::string Mutation::Spoil(std::string bytes) {
  const size_t at = Below(bytes.size() + 1);
  const size_t length = std::min(bytes.size() - at, Below(64));
  switch (Below(8)) {
    case 0:
      if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << Below(8)));
      return bytes;
    case 1:
      return bytes.substr(0, at);
    case 2:
      return bytes.insert(at, bytes.substr(at, length));
    case 3:
      return bytes.erase(at, length);
    case 4:
      return bytes.insert(at, 1 + Below(16), static_cast<char>(Below(256)));
    case 5:
      // A number without an end, a length beyond everything.
      return bytes.insert(at, 1 + Below(12), '\xFF');
    case 6:
      return bytes.insert(OneIn(2) ? at : bytes.size(), Nested(1 + Below(5000), OneIn(2)));
    default:
      for (size_t i = at; i < at + length; ++i) bytes[i] = static_cast<char>(Below(256));
      return bytes;
  }
}

std::string ToHex(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char byte : bytes) {
    hex += kDigits[static_cast<unsigned char>(byte) >> 4];
    hex += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return hex;
}

std::string FromHex(const std::string& hex) {
  const bool is_hex = hex.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!is_hex || hex.size() % 2 != 0) return "";
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

}  // namespace torchlap::attack
