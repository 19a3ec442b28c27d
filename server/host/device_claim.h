// A device belongs to one daemon of a host. The claim is a listening abstract unix socket named
// after the device: the kernel frees it when its process dies. Abstract names belong to a network
// namespace: containers with networks of their own do not see each other's claims.
#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <filesystem>
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

// Another process (or another claim of this one) has a key.
struct HeldBy {
  std::string key;   // the first one, in sorted order
  pid_t pid = 0;     // 0: in another pid namespace
  uid_t uid = 0;     // the kernel's word: whose process it was when it began to listen
  std::string user;  // account name, `uid:N` where there is none
  // Becomes readable (POLLIN or POLLHUP) when the holder is gone. Then try again; somebody else may
  // be faster.
  FileDescriptor watch_fd;
  // It holds the device only as long as it uses it: try again now and then.
  bool may_lapse = false;
  // False: nothing but the key is known, as it does not listen, or too many wait for it.
  bool answers = true;
};

// Whether the claim counts without use: root's, and those of this account.
bool CountsAlways(const HeldBy& holder);

// Holds its keys until destruction. Movable. Nothing to poll: those who wait for it are never
// accepted (see the .cc).
class Claim {
 public:
  // `held`: sockets and locks. `others` have the keys that only a lock stands for.
  Claim(std::vector<FileDescriptor> held, std::vector<HeldBy> others)
      : held_(std::move(held)), others_(std::move(others)) {}

  // Who has a name of it nevertheless, one entry for each name: whoever uses the device is to be
  // given way (TryClaim with a folder of locks).
  const std::vector<HeldBy>& others() const { return others_; }
  // Learns who has these names now, and takes those that are free. Waits for nobody. A holder that
  // lives is not asked again: it never accepts, and has room for 4,096 only.
  void LookAgain();

 private:
  std::vector<FileDescriptor> held_;
  std::vector<HeldBy> others_;
};

// All keys or none, taken in sorted order. A holder that is slow to answer is waited for 100 ms at
// most, all keys together.
//
// Anybody may listen on an abstract name. `lock_folder` is for a daemon that serves the whole
// machine: a folder where others cannot write. Names of accounts whose claims do not always count,
// and of holders that do not answer, do not keep the claim from being made; a lock for each key
// stands for them, between daemons of this account. Empty: every claim counts.
//
// INVALID_ARGUMENT: no key, or a key longer than a socket's name may be. UNAVAILABLE: the holder is
// known by nothing but its existence, or has the lock alone. RESOURCE_EXHAUSTED: no file descriptor
// left. PERMISSION_DENIED: the lock is no file of this account.
absl::StatusOr<std::variant<Claim, HeldBy>> TryClaim(std::vector<std::string> keys,
                                                     const std::filesystem::path& lock_folder = {});

}  // namespace torchlap::host
