#include "server/host/account_name.h"

#include <pwd.h>

#include <charconv>
#include <vector>

namespace torchlap::host {
namespace {

const std::string kByNumber = "uid:";

}  // namespace

std::string AccountName(uid_t uid) {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return kByNumber + std::to_string(uid);
}

std::optional<uid_t> ParseAccount(const std::string& name) {
  uid_t uid = 0;
  const char* const end = name.data() + name.size();
  if (name.starts_with(kByNumber)) {
    const auto [rest, error] = std::from_chars(name.data() + kByNumber.size(), end, uid);
    return error == std::errc() && rest == end ? std::optional(uid) : std::nullopt;
  }
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr) {
    return found->pw_uid;
  }
  return std::nullopt;
}

}  // namespace torchlap::host
