// By whom connections, turns and memory are counted: by user, but all those without an account are
// one. Who may make user namespaces has thousands of numbers, and none of them an account.
#pragma once

#include <sys/types.h>

#include <string>

namespace torchlap::rpc {

// No user has this number: to the kernel it means "no change".
inline constexpr uid_t kWithoutAccount = static_cast<uid_t>(-1);

// In a refusal: `uid 1001`, or `users without an account`.
inline std::string NameOfShare(uid_t share) {
  return share == kWithoutAccount ? "users without an account" : "uid " + std::to_string(share);
}

}  // namespace torchlap::rpc
