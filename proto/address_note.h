// The note that a daemon keeps beside its database: where it listens, and its pid. For whoever
// finds the database, but not the socket.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

namespace torchlap {

struct AddressNote {
  std::string address;  // `unix:/path`
  pid_t pid = 0;

  bool operator==(const AddressNote&) const = default;
};

// `torchlapd.address` in the state folder.
std::filesystem::path AddressNoteFile(const std::filesystem::path& state_folder);

// Nothing: there is none, it is another user's, or it is not one. Who wrote it may be gone.
std::optional<AddressNote> ReadAddressNote(const std::filesystem::path& state_folder);

// Whole or not at all (0600). False with errno: it cannot be written.
bool WriteAddressNote(const std::filesystem::path& state_folder, const AddressNote& note);

// Whether the process of the note is there and is a torchlapd.
bool IsAlive(const AddressNote& note);

}  // namespace torchlap
