// Names of user accounts.
#pragma once

#include <sys/types.h>

#include <string>

namespace torchlap::host {

// The account's name, or `uid:N` where it has none. Thread-safe.
std::string AccountName(uid_t uid);

}  // namespace torchlap::host
