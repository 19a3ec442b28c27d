#include "proto/columns.h"

#include <google/protobuf/message.h>

#include <algorithm>

#include "proto/words.h"

namespace torchlap {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void Collect(const google::protobuf::Descriptor& type, const std::string& prefix, uint32_t base,
             std::vector<const FieldDescriptor*>* path, std::vector<RunColumn>* columns) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    path->push_back(field);
    if (field->options().HasExtension(v1::columns)) {
      const v1::ColumnGroup& group = field->options().GetExtension(v1::columns);
      const std::string inner = group.prefix().empty() ? prefix : prefix + group.prefix() + "_";
      Collect(*field->message_type(), inner, base + group.order(), path, columns);
    } else if (field->options().HasExtension(v1::column)) {
      const v1::Column& column = field->options().GetExtension(v1::column);
      const v1::Unit shown =
          column.shown() == v1::UNIT_UNSPECIFIED ? column.stored() : column.shown();
      const std::string stem = prefix + (column.stem().empty() ? field->name() : column.stem());
      columns->push_back({base + column.order(), stem + std::string(UnitSuffix(column.stored())),
                          stem + std::string(UnitSuffix(shown)), column.stored(), shown,
                          column.meaning(), *path});
    }
    path->pop_back();
  }
}

ColumnValue ReadMap(const Message& message, const FieldDescriptor& field) {
  std::map<std::string, std::string> pairs;
  const auto& reflection = *message.GetReflection();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    const auto& of_entry = *entry.GetReflection();
    pairs.emplace(of_entry.GetString(entry, entry.GetDescriptor()->map_key()),
                  of_entry.GetString(entry, entry.GetDescriptor()->map_value()));
  }
  return pairs;
}

ColumnValue ReadScalar(const Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  if (field.is_map()) return ReadMap(message, field);
  if (field.has_presence() && !reflection.HasField(message, &field)) return {};
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text = reflection.GetString(message, &field);
      if (text.empty()) return {};
      return text;
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const std::string_view word =
          WordOf(*field.enum_type(), reflection.GetEnumValue(message, &field));
      if (word.empty()) return {};
      return std::string(word);
    }
    case FieldDescriptor::CPPTYPE_INT32:
      return static_cast<int64_t>(reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return static_cast<int64_t>(reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return static_cast<uint64_t>(reflection.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return static_cast<uint64_t>(reflection.GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(message, &field);
    default:
      return {};
  }
}

}  // namespace

std::string_view UnitSuffix(v1::Unit unit) {
  switch (unit) {
    case v1::UNIT_NANOSECONDS:
    case v1::UNIT_UNIX_NANOSECONDS:
      return "_ns";
    case v1::UNIT_MILLISECONDS:
      return "_ms";
    case v1::UNIT_SECONDS:
      return "_s";
    case v1::UNIT_BYTES:
      return "_bytes";
    case v1::UNIT_PER_SECOND:
      return "_per_s";
    case v1::UNIT_RATIO:
      return "_ratio";
    case v1::UNIT_JOULES:
      return "_j";
    case v1::UNIT_MILLIJOULES:
      return "_mj";
    case v1::UNIT_WATTS:
      return "_watts";
    case v1::UNIT_MEGAHERTZ:
      return "_mhz";
    case v1::UNIT_CELSIUS:
      return "_celsius";
    default:
      return "";
  }
}

const std::vector<RunColumn>& RunColumns() {
  static const std::vector<RunColumn> columns = [] {
    std::vector<RunColumn> list;
    std::vector<const FieldDescriptor*> path;
    Collect(*v1::Run::descriptor(), "", 0, &path, &list);
    std::sort(list.begin(), list.end(),
              [](const RunColumn& a, const RunColumn& b) { return a.order < b.order; });
    return list;
  }();
  return columns;
}

ColumnValue ReadColumn(const v1::Run& run, const RunColumn& column) {
  const Message* message = &run;
  for (size_t i = 0; i + 1 < column.path.size(); ++i) {
    const auto& reflection = *message->GetReflection();
    if (!reflection.HasField(*message, column.path[i])) return {};
    message = &reflection.GetMessage(*message, column.path[i]);
  }
  return ReadScalar(*message, *column.path.back());
}

}  // namespace torchlap
