// User accounts, by name and by number.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace torchlap::host {

// The account's name, or `uid:N` where it has none. Thread-safe.
std::string AccountName(uid_t uid);
// The other way round, thread-safe too. Nothing: no account has the name.
std::optional<uid_t> ParseAccount(const std::string& name);

}  // namespace torchlap::host
