#include "client/unanswered.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <random>
#include <system_error>
#include <utility>

#include "proto/default_paths.h"

namespace torchlap::client {
namespace {

constexpr size_t kIdChars = 32;
// Long enough to type it again; after that it is likelier that another sweep is wanted.
constexpr time_t kKeptSeconds = 10 * 60;
// Programs that send the same at once and are each to find their id again.
constexpr int kMostAtOnce = 16;

std::string RandomId() {
  std::random_device source;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", source(), source(), source(), source());
}

// Maps sorted: the same request gives the same bytes.
std::string BytesOf(const v1::SubmitJobsRequest& request) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream output(&stream);
    output.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&output);
  }
  return bytes;
}

// FNV-1a of 64 bits. Two requests of one name cost a refusal by the daemon, which knows better.
uint64_t HashOf(const std::string& text) {
  uint64_t hash = 14695981039346656037U;
  for (const unsigned char byte : text) hash = (hash ^ byte) * 1099511628211U;
  return hash;
}

bool IsId(const std::string& text) {
  return text.size() == kIdChars && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// The id that was left there lately; empty: none.
std::string IdIn(int fd, const struct stat& facts) {
  if (facts.st_mtime + kKeptSeconds < ::time(nullptr)) return "";
  std::array<char, kIdChars> text;
  const ssize_t length = ::pread(fd, text.data(), text.size(), 0);
  const std::string id(text.data(), static_cast<size_t>(std::max<ssize_t>(length, 0)));
  return IsId(id) ? id : "";
}

bool Write(int fd, const std::string& id) {
  return ::ftruncate(fd, 0) == 0 &&
         ::pwrite(fd, id.data(), id.size(), 0) == static_cast<ssize_t>(id.size());
}

}  // namespace

UnansweredRequest::UnansweredRequest(const std::filesystem::path& folder,
                                     const std::string& address,
                                     const v1::SubmitJobsRequest& request) {
  std::error_code error;
  if (std::filesystem::create_directories(folder, error)) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  }
  const std::string name =
      error ? "" : fmt::format("{:016x}", HashOf(address + '\n' + BytesOf(request)));
  for (int i = 0; i < kMostAtOnce && !name.empty(); ++i) {
    if (Take(folder / fmt::format("{}.{}", name, i))) return;
  }
  id_ = RandomId();
}

bool UnansweredRequest::Take(const std::filesystem::path& file) {
  FileDescriptor opened(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!opened || ::flock(opened.get(), LOCK_EX | LOCK_NB) != 0) return false;
  struct stat facts = {};
  // Without a name: its owner was answered between our opening and locking it.
  if (::fstat(opened.get(), &facts) != 0 || facts.st_nlink == 0) return false;
  id_ = IdIn(opened.get(), facts);
  if (id_.empty()) {
    id_ = RandomId();
    if (!Write(opened.get(), id_)) {
      ::unlink(file.c_str());
      return false;
    }
  }
  file_ = file;
  lock_ = std::move(opened);
  return true;
}

void UnansweredRequest::Forget() {
  if (!lock_) return;
  ::unlink(file_.c_str());
  lock_.reset();
}

std::filesystem::path UnansweredFolder() {
  return UserStateFolder().string() + "-client/unanswered";
}

}  // namespace torchlap::client
