#include "proto/address_note.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "proto/base/file_descriptor.h"

namespace torchlap {
namespace {

constexpr size_t kMostBytes = 512;

// Of this user's regular file: what another one left here is no address to tell things to.
std::string TextOfOwnFile(const std::filesystem::path& file) {
  const FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info = {};
  if (!fd || ::fstat(fd.get(), &info) != 0) return "";
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid()) return "";
  std::string text(kMostBytes, '\0');
  const ssize_t count = ::read(fd.get(), text.data(), text.size());
  text.resize(count > 0 ? static_cast<size_t>(count) : 0);
  return text;
}

}  // namespace

std::filesystem::path AddressNoteFile(const std::filesystem::path& state_folder) {
  return state_folder / "torchlapd.address";
}

std::optional<AddressNote> ReadAddressNote(const std::filesystem::path& state_folder) {
  std::istringstream text(TextOfOwnFile(AddressNoteFile(state_folder)));
  AddressNote note;
  std::string word;
  if (!std::getline(text, note.address) || !(text >> word >> note.pid)) return std::nullopt;
  if (note.address.empty() || word != "pid" || note.pid <= 0) return std::nullopt;
  return note;
}

bool WriteAddressNote(const std::filesystem::path& state_folder, const AddressNote& note) {
  const std::filesystem::path file = AddressNoteFile(state_folder);
  const std::string unfinished = file.string() + ".new";
  const std::string text = note.address + "\npid " + std::to_string(note.pid) + "\n";
  // What is left there, and be it a FIFO, is not written to.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  ::unlink(unfinished.c_str());
  const FileDescriptor fd(::open(unfinished.c_str(), kFlags, 0600));
  if (!fd) return false;
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return false;
  return ::rename(unfinished.c_str(), file.c_str()) == 0;
}

bool IsAlive(const AddressNote& note) {
  std::ifstream comm("/proc/" + std::to_string(note.pid) + "/comm");
  std::string name;
  return std::getline(comm, name) && name == "torchlapd";
}

}  // namespace torchlap
