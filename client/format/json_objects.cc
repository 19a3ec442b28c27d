// nlohmann/json.hpp is a heavy header: only the files whose names have json in them include it.
#include "client/format/json_objects.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

struct JsonOf {
  Json operator()(std::monostate) const { return nullptr; }
  Json operator()(double number) const {
    if (!std::isfinite(number)) return nullptr;
    return number;
  }
  Json operator()(const std::map<std::string, std::string>& pairs) const {
    Json object = Json::object();
    for (const auto& [key, value] : pairs) object[key] = value;
    return object;
  }
  template <typename Plain>
  Json operator()(const Plain& value) const {
    return value;
  }
};

bool IsPlain(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

// The text of a value as the library writes it, without the library where there is nothing to it.
struct JsonTextOf {
  std::string* text;

  void operator()(std::monostate) const { *text += "null"; }
  void operator()(bool value) const { *text += value ? "true" : "false"; }
  void operator()(int64_t number) const {
    fmt::format_to(std::back_inserter(*text), FMT_COMPILE("{}"), number);
  }
  void operator()(uint64_t number) const {
    fmt::format_to(std::back_inserter(*text), FMT_COMPILE("{}"), number);
  }
  // 1.0 and not 1: readers that tell kinds of numbers apart see the same kind in every row.
  void operator()(double number) const {
    if (!std::isfinite(number)) return (*this)(std::monostate());
    const size_t begin = text->size();
    fmt::format_to(std::back_inserter(*text), FMT_COMPILE("{}"), number);
    if (text->find_first_of(".e", begin) == std::string::npos) *text += ".0";
  }
  void operator()(const std::string& value) const {
    if (IsPlain(value)) {
      text->append("\"").append(value).append("\"");
    } else {
      *text += Dump(value, -1);
    }
  }
  void operator()(const std::map<std::string, std::string>& pairs) const {
    *text += Dump(JsonOf{}(pairs), -1);
  }
};

// The contract's word; of a value without one its name, `ADVICE_MORE_WARMUP` as `more-warmup`.
Json EnumText(const EnumValueDescriptor& value) {
  if (value.number() == 0) return nullptr;
  if (const auto word = WordOf(*value.type(), value.number()); !word.empty()) {
    return std::string(word);
  }
  std::string text = value.name().substr(value.name().find('_') + 1);
  for (char& c : text) {
    c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return text;
}

Json NumberOrNull(double number) { return JsonOf{}(number); }

// A field that is not repeated; null where it was not filled.
Json FieldValue(const Message& message, const FieldDescriptor& field) {
  const auto* reflection = message.GetReflection();
  const bool is_unset = field.has_presence() && !reflection->HasField(message, &field);
  if (is_unset) return nullptr;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumText(*reflection->GetEnum(message, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return TextOrNull(reflection->GetString(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberOrNull(reflection->GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection->GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection->GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection->GetInt64(message, &field);
    default:
      return nullptr;
  }
}

}  // namespace

// Text from the system (a device's name, a label) need not be UTF-8; an export must not fail over
// it.
std::string Dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json RowObject(const std::vector<std::string>& names, const std::vector<Value>& row) {
  Json object = Json::object();
  for (size_t i = 0; i < names.size(); ++i) object[names[i]] = std::visit(JsonOf{}, row[i]);
  return object;
}

RowWriter::RowWriter(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    before_.push_back((before_.empty() ? "{" : ",") + Dump(name, -1) + ":");
  }
}

void RowWriter::Append(const std::vector<Value>& row, std::string* text) const {
  if (row.empty()) *text += '{';
  for (size_t i = 0; i < row.size(); ++i) {
    *text += before_[i];
    std::visit(JsonTextOf{text}, row[i]);
  }
  *text += '}';
}

Json TextOrNull(const std::string& text) {
  if (text.empty()) return nullptr;
  return text;
}

Json TimeOrNull(int64_t unix_ns) {
  if (unix_ns == 0) return nullptr;
  return Rfc3339(unix_ns);
}

Json PairsObject(const google::protobuf::Map<std::string, std::string>& pairs) {
  return std::visit(JsonOf{},
                    Value(std::map<std::string, std::string>(pairs.begin(), pairs.end())));
}

Json MessageObject(const Message& message) {
  Json object = Json::object();
  const auto* type = message.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor& field = *type->field(i);
    const bool is_scalar =
        !field.is_repeated() && field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE;
    if (is_scalar) object[field.name()] = FieldValue(message, field);
  }
  return object;
}

Json RunObject(const v1::Run& run) {
  const Sheet sheet = RunSheet({run}, RunColumns());
  return RowObject(sheet.names, sheet.rows.front());
}

Json CalibrationObject(const v1::CalibrationResult& result) {
  Json object = Json::object();
  object["matmul_peaks"] = Json::array();
  for (const v1::MatmulPeak& peak : result.matmul_peaks()) {
    Json item = MessageObject(peak);
    item.erase("measured_ns");
    item["measured_s"] = static_cast<double>(peak.measured_ns()) / 1e9;
    object["matmul_peaks"].push_back(std::move(item));
  }
  object.update(MessageObject(result));
  return object;
}

}  // namespace torchlap::client::format
