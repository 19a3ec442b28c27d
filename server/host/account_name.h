// User accounts, by name (`ann`) and by number (`uid:1001`).
#pragma once

#include <sys/types.h>

#include <string>

namespace torchlap::host {

// The account's name, or `uid:N` where it has none. Thread-safe.
std::string AccountName(uid_t uid);
// Whether the text may name an account: no `uid:` without a number behind it. There need be none.
bool IsAccountName(const std::string& text);
// Whether an account of that name, or with that number, is there now. Thread-safe.
bool IsAccount(const std::string& name);

// Whether the account is in the group, by what is registered of both. False: it has no name.
// Thread-safe.
bool IsInGroup(uid_t uid, gid_t gid);

}  // namespace torchlap::host
