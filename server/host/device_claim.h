// A device belongs to one daemon of a host. The claim is a listening abstract unix socket named
// after the device: the kernel frees it when its process dies. Abstract names belong to a network
// namespace: containers with networks of their own do not see each other's claims.
#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proto/base/file_descriptor.h"

namespace torchlap::host {

// TORCHLAP_CLAIM_SCOPE, or `host` where that is unset or empty.
std::string ClaimScope();

// `torchlap/<scope>/<uuid>`.
std::vector<std::string> GpuClaimKeys(const std::string& scope, const std::string& uuid);
// `torchlap/<scope>/cpu-core-<n>` for each core.
std::vector<std::string> CpuClaimKeys(const std::string& scope, const std::vector<int>& cores);

// Holds its keys until destruction. Movable. Nothing to poll: those who wait for it are never
// accepted (see the .cc).
class Claim {
 public:
  Claim(std::vector<FileDescriptor> held, std::vector<std::string> ignored)
      : held_(std::move(held)), ignored_(std::move(ignored)) {}

  // One line for each claim of another account that did not count.
  const std::vector<std::string>& ignored() const { return ignored_; }

 private:
  std::vector<FileDescriptor> held_;  // sockets and locks
  std::vector<std::string> ignored_;
};

// Another process (or another claim of this one) has a key.
struct HeldBy {
  std::string key;  // the first one, in sorted order
  pid_t pid = 0;    // 0: in another pid namespace
  uid_t uid = 0;
  std::string user;  // account name, `uid:N` where there is none
  // Becomes readable (POLLIN or POLLHUP) when the holder is gone. Then try again; somebody else may
  // be faster.
  FileDescriptor watch_fd;
  // It counted because ClaimRules::counts said so, and may do so no longer: try again now and then.
  bool may_lapse = false;
};

// Anybody may listen on an abstract name. These are for a daemon that serves the whole machine.
struct ClaimRules {
  // Whether the claim of an account that is neither root nor this process's counts. One that does
  // not is ignored, as is a holder that does not answer. Not given: every claim counts.
  std::function<bool(const HeldBy&)> counts;
  // A folder where others cannot write. A lock for each key in it stands for the names that others
  // have, between daemons of this account. Empty: none.
  std::filesystem::path lock_folder;
};

// All keys or none, taken in sorted order. A holder that is slow to answer is waited for 100 ms at
// most, all keys together. INVALID_ARGUMENT: no key, or a key longer than a socket's name may be.
// UNAVAILABLE: the holder is known by nothing but its existence (4,096 others wait for it already,
// or it does not listen), or has the lock alone. RESOURCE_EXHAUSTED: no file descriptor left.
// PERMISSION_DENIED: the lock is no file of this account.
absl::StatusOr<std::variant<Claim, HeldBy>> TryClaim(std::vector<std::string> keys,
                                                     const ClaimRules& rules = {});

}  // namespace torchlap::host
