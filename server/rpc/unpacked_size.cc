#include "server/rpc/unpacked_size.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <limits>
#include <string>
#include <unordered_map>

namespace torchlap::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::io::CodedInputStream;

// Of the wire format.
constexpr uint32_t kTagTypeBits = 3;
enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

// What the allocator takes beside what it gives, and a repeated field for each entry that it may
// have room for while it grows.
constexpr size_t kAllocatorBytes = 16;
constexpr size_t kPlaceBytes = 24;
// A number of a repeated field; an unknown field, which is kept as it came.
constexpr size_t kNumberBytes = 40;
constexpr size_t kUnknownBytes = 112;
// An entry of a map: two texts in a node, and its share of the table.
constexpr size_t kMapEntryBytes = 2 * sizeof(std::string) + 80;

class Scan {
 public:
  Scan(google::protobuf::io::ZeroCopyInputStream* bytes, size_t most)
      : input_(bytes), most_(most) {}

  // False: `field()` would take too much, or this is no message.
  bool Read(const Descriptor& type) {
    if (!Take(SizeOf(type))) return false;
    for (;;) {
      const uint32_t tag = input_.ReadTag();
      if (tag == 0) return input_.ConsumedEntireMessage();
      if (!ReadField(type.FindFieldByNumber(static_cast<int>(tag >> kTagTypeBits)), tag)) {
        return false;
      }
    }
  }

  size_t taken() const { return taken_; }
  bool is_too_much() const { return taken_ > most_; }
  const FieldDescriptor* field() const { return field_; }

 private:
  bool Take(size_t bytes) {
    taken_ += bytes;
    return taken_ <= most_;
  }

  size_t SizeOf(const Descriptor& type) {
    if (type.options().map_entry()) return kMapEntryBytes;
    const auto [size, is_new] = sizes_.try_emplace(&type, 0);
    if (is_new) {
      auto* const factory = google::protobuf::MessageFactory::generated_factory();
      size->second = factory->GetPrototype(&type)->SpaceUsedLong() + kAllocatorBytes + kPlaceBytes;
    }
    return size->second;
  }

  bool ReadField(const FieldDescriptor* field, uint32_t tag) {
    if (field != nullptr && (field->is_repeated() || field_ == nullptr)) field_ = field;
    uint64_t varint = 0;
    switch (tag & ((1U << kTagTypeBits) - 1)) {
      case kVarint:
        return input_.ReadVarint64(&varint) && TakeNumber(field);
      case kFixed64:
        return input_.Skip(sizeof(uint64_t)) && TakeNumber(field);
      case kFixed32:
        return input_.Skip(sizeof(uint32_t)) && TakeNumber(field);
      case kLength:
        return ReadLength(field);
      default:
        return false;  // groups: no field of ours was ever one
    }
  }

  bool TakeNumber(const FieldDescriptor* field) {
    if (field == nullptr || IsText(*field) || IsMessage(*field)) return Take(kUnknownBytes);
    return !field->is_repeated() || Take(kNumberBytes);
  }

  bool ReadLength(const FieldDescriptor* field) {
    uint32_t length = 0;
    if (!input_.ReadVarint32(&length)) return false;
    if (length > static_cast<uint32_t>(std::numeric_limits<int>::max())) return false;
    if (field != nullptr && !IsText(*field)) {
      if (IsMessage(*field))
        return ReadWithin(length, [&] { return Read(*field->message_type()); });
      if (field->is_repeated()) return ReadWithin(length, [&] { return ReadPacked(*field); });
    }
    const bool is_text = field != nullptr && IsText(*field);
    return Take(is_text ? TextSize(*field, length) : kUnknownBytes + length) &&
           input_.Skip(static_cast<int>(length));
  }

  template <typename ReadAll>
  bool ReadWithin(uint32_t length, const ReadAll& read_all) {
    const int left = input_.BytesUntilLimit();  // -1: as far as the input goes
    if (left >= 0 && length > static_cast<uint32_t>(left)) return false;
    const CodedInputStream::Limit before = input_.PushLimit(static_cast<int>(length));
    if (!read_all() || input_.BytesUntilLimit() != 0) return false;
    input_.PopLimit(before);
    return true;
  }

  bool ReadPacked(const FieldDescriptor& field) {
    while (input_.BytesUntilLimit() > 0) {
      if (!ReadNumber(field) || !Take(kNumberBytes)) return false;
    }
    return true;
  }

  bool ReadNumber(const FieldDescriptor& field) {
    uint64_t varint = 0;
    switch (field.type()) {
      case FieldDescriptor::TYPE_DOUBLE:
      case FieldDescriptor::TYPE_FIXED64:
      case FieldDescriptor::TYPE_SFIXED64:
        return input_.Skip(sizeof(uint64_t));
      case FieldDescriptor::TYPE_FLOAT:
      case FieldDescriptor::TYPE_FIXED32:
      case FieldDescriptor::TYPE_SFIXED32:
        return input_.Skip(sizeof(uint32_t));
      default:
        return input_.ReadVarint64(&varint);
    }
  }

  static bool IsText(const FieldDescriptor& field) {
    return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  }
  static bool IsMessage(const FieldDescriptor& field) {
    return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  }

  static size_t TextSize(const FieldDescriptor& field, size_t length) {
    // Short ones stand in the text itself, which a map has in its node.
    const size_t apart = length < sizeof(std::string) / 2 ? 0 : length + 1 + kAllocatorBytes;
    if (field.containing_type()->options().map_entry()) return apart;
    return apart + sizeof(std::string) + kAllocatorBytes + kPlaceBytes;
  }

  CodedInputStream input_;
  const size_t most_;
  size_t taken_ = 0;
  const FieldDescriptor* field_ = nullptr;  // the list that was read last; without one, the first
  std::unordered_map<const Descriptor*, size_t> sizes_;
};

}  // namespace

absl::StatusOr<size_t> UnpackedSize(const Descriptor& type,
                                    google::protobuf::io::ZeroCopyInputStream* bytes, size_t most) {
  Scan scan(bytes, most);
  if (scan.Read(type)) return scan.taken();
  if (scan.is_too_much()) {
    return absl::InvalidArgumentError(
        fmt::format("the request takes more than {} bytes of memory once it is unpacked, must take "
                    "at most that; `{}` is where it does: send fewer entries at once",
                    most, scan.field() == nullptr ? type.name() : scan.field()->name()));
  }
  return absl::InvalidArgumentError(
      fmt::format("the request cannot be read, must be a {}", type.name()));
}

}  // namespace torchlap::rpc
