// A device belongs to one daemon of a host. The claim is a listening abstract unix socket named
// after the device: the kernel frees it when its process dies. Abstract names belong to a network
// namespace: containers with networks of their own do not see each other's claims.
#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

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
  explicit Claim(std::vector<FileDescriptor> sockets) : sockets_(std::move(sockets)) {}

 private:
  std::vector<FileDescriptor> sockets_;
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
};

// All keys or none, taken in sorted order. Does not block. INVALID_ARGUMENT: no key, or a key
// longer than a socket's name may be. UNAVAILABLE: the holder is known by nothing but its existence
// (4,096 others wait for it already). RESOURCE_EXHAUSTED: no file descriptor left.
absl::StatusOr<std::variant<Claim, HeldBy>> TryClaim(std::vector<std::string> keys);

}  // namespace torchlap::host
