#include "client/format/sheet.h"

#include <fmt/compile.h>
#include <fmt/format.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>

#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Columns whose field has no presence and for which 0 is not a number but "not filled": the worker
// never said hello, or no process was started.
bool ZeroIsUnknown(const RunColumn& column) {
  return column.stored_name == "threads" || column.stored_name == "statistics_version" ||
         column.stored == v1::UNIT_UNIX_NANOSECONDS;
}

double DivisorOf(const RunColumn& column) {
  if (column.stored != v1::UNIT_NANOSECONDS) return 1;
  if (column.shown == v1::UNIT_MILLISECONDS) return 1e6;
  if (column.shown == v1::UNIT_SECONDS) return 1e9;
  return 1;
}

// Words by number, up to the largest.
std::vector<std::string> WordsOf(const FieldDescriptor& field) {
  std::vector<std::string> words;
  if (field.enum_type() == nullptr) return words;
  for (int i = 0; i < field.enum_type()->value_count(); ++i) {
    const int number = field.enum_type()->value(i)->number();
    if (number < 0) continue;
    words.resize(std::max(words.size(), static_cast<size_t>(number) + 1));
    words[static_cast<size_t>(number)] = WordOf(*field.enum_type(), number);
  }
  return words;
}

struct TextOf {
  std::string* text;

  void operator()(std::monostate) const {}
  void operator()(bool value) const { *text += value ? "true" : "false"; }
  void operator()(const std::string& value) const { *text += value; }
  void operator()(const std::map<std::string, std::string>& pairs) const {
    const char* separator = "";
    for (const auto& [key, value] : pairs) {
      text->append(separator).append(key).append("=").append(value);
      separator = ";";
    }
  }
  // Doubles as the shortest text that reads back the same.
  template <typename Number>
  void operator()(Number number) const {
    fmt::format_to(std::back_inserter(*text), FMT_COMPILE("{}"), number);
  }
};

// In the text that is there already, if one is.
void SetText(std::string_view text, Value* value) {
  if (text.empty()) {
    *value = std::monostate();
  } else if (auto* kept = std::get_if<std::string>(value)) {
    kept->assign(text);
  } else {
    value->emplace<std::string>(text);
  }
}

template <typename Integer>
void SetInteger(Integer number, bool zero_is_unknown, Value* value) {
  if (number == 0 && zero_is_unknown) {
    *value = std::monostate();
  } else {
    *value = number;
  }
}

void SetPairs(const google::protobuf::Map<std::string, std::string>& pairs, Value* value) {
  *value = std::map<std::string, std::string>(pairs.begin(), pairs.end());
}

}  // namespace

RunValues::RunValues(const std::vector<RunColumn>& columns) : values_(columns.size()) {
  std::vector<const RunColumn*> places;
  for (const RunColumn& column : columns) {
    const FieldDescriptor* field = column.path.back();
    columns_.push_back({field, DivisorOf(column), column.shown == v1::UNIT_RFC3339,
                        ZeroIsUnknown(column), WordsOf(*field)});
    places.push_back(&column);
  }
  tree_ = TreeOf(places);
}

const std::vector<Value>& RunValues::Of(const v1::Run& run) {
  FindMessages(tree_, run, &messages_);
  for (size_t i = 0; i < columns_.size(); ++i) {
    const Message* message = messages_[tree_.columns[i].node];
    if (columns_[i].field->is_map()) {
      SetPairs(run.labels(), &values_[i]);
    } else if (message == nullptr) {
      values_[i] = std::monostate();
    } else {
      Read(*message, columns_[i], &values_[i]);
    }
  }
  return values_;
}

void RunValues::Read(const Message& message, const Column& column, Value* value) {
  const auto& reflection = *message.GetReflection();
  const FieldDescriptor* field = column.field;
  if (field->has_presence() && !reflection.HasField(message, field)) {
    *value = std::monostate();
    return;
  }
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return SetText(reflection.GetStringReference(message, field, &scratch_), value);
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto number = static_cast<size_t>(reflection.GetEnumValue(message, field));
      return SetText(number < column.words.size() ? column.words[number] : "", value);
    }
    case FieldDescriptor::CPPTYPE_INT32:
      return SetInteger(int64_t{reflection.GetInt32(message, field)}, column.zero_is_unknown,
                        value);
    case FieldDescriptor::CPPTYPE_INT64:
      return ReadInt64(reflection.GetInt64(message, field), column, value);
    case FieldDescriptor::CPPTYPE_UINT32:
      return SetInteger(uint64_t{reflection.GetUInt32(message, field)}, column.zero_is_unknown,
                        value);
    case FieldDescriptor::CPPTYPE_UINT64:
      return SetInteger(uint64_t{reflection.GetUInt64(message, field)}, column.zero_is_unknown,
                        value);
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      const double number = reflection.GetDouble(message, field) / column.divisor;
      if (std::isfinite(number)) {
        *value = number;
      } else {
        *value = std::monostate();
      }
      return;
    }
    default:
      *value = std::monostate();
  }
}

void RunValues::ReadInt64(int64_t number, const Column& column, Value* value) {
  if (number == 0 && column.zero_is_unknown) {
    *value = std::monostate();
  } else if (column.is_time) {
    SetText(Rfc3339(number), value);
  } else if (column.divisor != 1) {
    *value = static_cast<double>(number) / column.divisor;
  } else {
    *value = number;
  }
}

Sheet RunSheet(const std::vector<v1::Run>& runs, const std::vector<RunColumn>& columns) {
  Sheet sheet;
  for (const RunColumn& column : columns) sheet.names.push_back(column.shown_name);
  RunValues values(columns);
  for (const v1::Run& run : runs) sheet.rows.push_back(values.Of(run));
  return sheet;
}

std::string ValueText(const Value& value) {
  std::string text;
  AppendValueText(value, &text);
  return text;
}

void AppendValueText(const Value& value, std::string* text) { std::visit(TextOf{text}, value); }

}  // namespace torchlap::client::format
