// User accounts, by name (`ann`) and by number (`uid:1001`).
#pragma once

#include <absl/status/statusor.h>
#include <pwd.h>
#include <sys/types.h>

#include <cstddef>
#include <string>

namespace torchlap::host {

// The account's name, or `uid:N` where it has none, or none can be had now. Thread-safe.
std::string AccountName(uid_t uid);
// As getpwuid_r(3).
using FindAccount = int (*)(uid_t, passwd*, char*, size_t, passwd**);
// The account's name; empty: there is no such account. UNAVAILABLE: it cannot be told now, as where
// a server of names does not answer. Thread-safe.
absl::StatusOr<std::string> NameOfAccount(uid_t uid, FindAccount find = getpwuid_r);
// Whether the text may name an account: no `uid:` without a number behind it. There need be none.
bool IsAccountName(const std::string& text);
// Whether an account of that name, or with that number, is there now. Thread-safe.
bool IsAccount(const std::string& name);

// Whether the account is in the group, by what is registered of both. False: it has no name.
// Thread-safe.
bool IsInGroup(uid_t uid, gid_t gid);

}  // namespace torchlap::host
