#include "server/host/account_name.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "proto/base/visible_text.h"

namespace torchlap::host {
namespace {

constexpr std::string_view kByNumber = "uid:";

// Of `uid:1001`; nothing for any other text.
std::optional<uid_t> NumberOf(std::string_view text) {
  if (!text.starts_with(kByNumber)) return std::nullopt;
  text.remove_prefix(kByNumber.size());
  uid_t uid = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), uid);
  if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return uid;
}

}  // namespace

std::string AccountName(uid_t uid) {
  const absl::StatusOr<std::string> name = NameOfAccount(uid);
  if (name.ok() && !name->empty()) return *name;
  return std::string(kByNumber) + std::to_string(uid);
}

absl::StatusOr<std::string> NameOfAccount(uid_t uid, FindAccount find) {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  const int error = find(uid, &entry, buffer.data(), buffer.size(), &found);
  if (error != 0) {
    return absl::UnavailableError("the account of uid " + std::to_string(uid) +
                                  " cannot be looked up: " + std::strerror(error));
  }
  return found == nullptr ? std::string() : Visible(found->pw_name);
}

bool IsAccountName(const std::string& text) {
  return text.starts_with(kByNumber) ? NumberOf(text).has_value() : !text.empty();
}

bool IsAccount(const std::string& name) {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  const std::optional<uid_t> uid = NumberOf(name);
  const int error = uid ? getpwuid_r(*uid, &entry, buffer.data(), buffer.size(), &found)
                        : getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  return error == 0 && found != nullptr;
}

bool IsInGroup(uid_t uid, gid_t gid) {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return false;
  }
  // Says how many there are where they do not fit.
  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  if (getgrouplist(found->pw_name, found->pw_gid, groups.data(), &count) < 0) {
    groups.resize(static_cast<size_t>(count));
    getgrouplist(found->pw_name, found->pw_gid, groups.data(), &count);
  }
  groups.resize(std::min(groups.size(), static_cast<size_t>(count)));
  return std::find(groups.begin(), groups.end(), gid) != groups.end();
}

}  // namespace torchlap::host
