// Messages and bytes as nobody sends them by mistake: fields at the ends of their ranges, numbers
// of enums that do not exist, very long texts and lists, bytes that are almost a message. From the
// descriptors alone, so that a new field is tried without a word here. Free of everything but
// protobuf.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <random>
#include <string>

namespace torchlap::attack {

// The same seed makes the same changes. Not thread-safe.
class Mutation {
 public:
  explicit Mutation(uint64_t seed) : random_(seed) {}

  // 0 to limit - 1; 0 for a limit of 0.
  uint64_t Below(uint64_t limit);
  bool OneIn(uint64_t chances) { return Below(chances) == 0; }

  // Changes one field, at any depth: sets, clears, lengthens or shortens it. Often to what may be
  // there (small ids, names that exist), so that it is not refused at the first look.
  void ChangeOne(google::protobuf::Message* message);
  // Changes bytes: flips, cuts, doubles and inserts them, nests groups deeply.
  std::string Spoil(std::string bytes);

  int64_t Integer();
  double Real();
  // `name`: of the field that it is for.
  std::string Text(const std::string& name);

 private:
  using Field = google::protobuf::FieldDescriptor;

  uint64_t Unsigned(const std::string& name);
  int Enum(const Field* field);
  void SetOne(google::protobuf::Message* message, const Field* field);
  void AddSome(google::protobuf::Message* message, const Field* field);
  void AddOne(google::protobuf::Message* message, const Field* field);
  void ChangeRepeated(google::protobuf::Message* message, const Field* field);

  std::mt19937_64 random_;
  bool in_list_ = false;  // of a list that is being added
};

// Two lowercase hexadecimal digits a byte, and back; what is no such text becomes "".
std::string ToHex(const std::string& bytes);
std::string FromHex(const std::string& hex);

}  // namespace torchlap::attack
