#include "server/host/device_claim.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <system_error>

#include "server/host/account_name.h"
#include "server/host/own_file.h"

namespace torchlap::host {
namespace {

// Why nobody accepts. A connection to a listening unix socket stands as soon as connect() returns,
// accepted or not, and carries the listener's credentials; when the listener is closed, by close()
// or by death, the kernel resets every connection that still waits in its queue. So the ones who
// wait see the end (POLLIN and POLLHUP), and the holder needs neither a thread nor a place in its
// poll set (device_claim_test.cc tries this with a killed process).

using SteadyClock = std::chrono::steady_clock;

// Between the holder's bind() and its listen() a connect() is refused, as it is when the holder is
// gone.
constexpr std::chrono::milliseconds kPatience{100};

struct Address {
  sockaddr_un name{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

Address AbstractAddress(const std::string& key) {
  Address address;
  address.name.sun_family = AF_UNIX;
  // The zero byte in front makes the name abstract; there is none behind it.
  std::memcpy(address.name.sun_path + 1, key.data(), key.size());
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + key.size());
  return address;
}

absl::Status ClaimError(const std::string& key, const char* call) {
  const int error = errno;
  const std::string message =
      "claim " + key + ": " + call + ": " + std::generic_category().message(error);
  if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS) {
    return absl::ResourceExhaustedError(message);
  }
  return absl::UnavailableError(message);
}

absl::StatusOr<FileDescriptor> NewSocket(const std::string& key) {
  FileDescriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return ClaimError(key, "socket");
  return fd;
}

// Without a value: somebody has the name.
absl::StatusOr<std::optional<FileDescriptor>> Listen(const std::string& key) {
  absl::StatusOr<FileDescriptor> fd = NewSocket(key);
  if (!fd.ok()) return fd.status();
  const Address address = AbstractAddress(key);
  if (bind(fd->get(), address.get(), address.size) != 0) {
    if (errno == EADDRINUSE) return std::nullopt;
    return ClaimError(key, "bind");
  }
  if (listen(fd->get(), SOMAXCONN) != 0) return ClaimError(key, "listen");
  return std::move(*fd);
}

// Without a value: the name is free, or not listened on yet.
absl::StatusOr<std::optional<HeldBy>> AskHolder(const std::string& key) {
  absl::StatusOr<FileDescriptor> fd = NewSocket(key);
  if (!fd.ok()) return fd.status();
  const Address address = AbstractAddress(key);
  if (connect(fd->get(), address.get(), address.size) != 0) {
    if (errno == ECONNREFUSED) return std::nullopt;
    return ClaimError(key, "connect");
  }
  ucred holder{};
  socklen_t size = sizeof(holder);
  if (getsockopt(fd->get(), SOL_SOCKET, SO_PEERCRED, &holder, &size) != 0) {
    return ClaimError(key, "SO_PEERCRED");
  }
  HeldBy held{key, holder.pid, holder.uid, AccountName(holder.uid), std::move(*fd)};
  held.may_lapse = !CountsAlways(held);
  return held;
}

absl::StatusOr<std::variant<FileDescriptor, HeldBy>> TakeOrAsk(const std::string& key,
                                                               SteadyClock::time_point until) {
  for (;;) {
    auto taken = Listen(key);
    if (!taken.ok()) return taken.status();
    if (taken->has_value()) return std::move(**taken);
    auto holder = AskHolder(key);
    if (!holder.ok()) return holder.status();
    if (holder->has_value()) return std::move(**holder);
    if (SteadyClock::now() >= until) break;
    sched_yield();
  }
  return absl::UnavailableError("claim " + key + ": somebody has the name and does not listen");
}

HeldBy Silent(const std::string& key) {
  HeldBy holder;
  holder.key = key;
  holder.answers = false;
  holder.may_lapse = true;
  return holder;
}

bool IsGone(const HeldBy& holder) {
  pollfd watched = {holder.watch_fd.get(), POLLIN, 0};
  return !holder.answers || ::poll(&watched, 1, 0) != 0;
}

// The name without what would lead to another folder.
std::filesystem::path LockOf(const std::filesystem::path& folder, std::string key) {
  std::replace(key.begin(), key.end(), '/', '_');
  return folder / (key + ".lock");
}

absl::StatusOr<FileDescriptor> Lock(const std::filesystem::path& folder, const std::string& key) {
  const std::filesystem::path file = LockOf(folder, key);
  auto fd = OpenOwnFile(file, O_RDWR | O_CREAT, "lock file");
  if (!fd.ok()) return fd.status();
  if (flock(fd->get(), LOCK_EX | LOCK_NB) == 0) return fd;
  return absl::UnavailableError("claim " + key + ": " + file.string() +
                                " is locked by another torchlapd of this account");
}

// Takes the keys of one claim one after the other.
class Claiming {
 public:
  explicit Claiming(const std::filesystem::path& lock_folder) : lock_folder_(lock_folder) {}

  // Who keeps this one from being ours; nothing: it is.
  absl::StatusOr<std::optional<HeldBy>> Take(const std::string& key) {
    auto result = TakeOrAsk(key, until_);
    if (!result.ok()) {
      if (!is_machines() || !absl::IsUnavailable(result.status())) return result.status();
      others_.push_back(Silent(key));
    } else if (auto* holder = std::get_if<HeldBy>(&*result)) {
      if (!is_machines()) holder->may_lapse = false;
      if (!holder->may_lapse) return std::move(*holder);
      others_.push_back(std::move(*holder));
    } else {
      held_.push_back(std::move(std::get<FileDescriptor>(*result)));
    }
    return LockToo(key);
  }

  Claim Taken() && { return Claim(std::move(held_), std::move(others_)); }

 private:
  bool is_machines() const { return !lock_folder_.empty(); }

  absl::StatusOr<std::optional<HeldBy>> LockToo(const std::string& key) {
    if (!is_machines()) return std::nullopt;
    auto lock = Lock(lock_folder_, key);
    if (!lock.ok()) return lock.status();
    held_.push_back(*std::move(lock));
    return std::nullopt;
  }

  const std::filesystem::path& lock_folder_;
  const SteadyClock::time_point until_ = SteadyClock::now() + kPatience;
  std::vector<FileDescriptor> held_;
  std::vector<HeldBy> others_;
};

}  // namespace

std::string ClaimScope() {
  const char* scope = std::getenv("TORCHLAP_CLAIM_SCOPE");
  return scope == nullptr || scope[0] == '\0' ? "host" : scope;
}

std::vector<std::string> GpuClaimKeys(const std::string& scope, const std::string& uuid) {
  return {"torchlap/" + scope + "/" + uuid};
}

std::vector<std::string> CpuClaimKeys(const std::string& scope, const std::vector<int>& cores) {
  std::vector<std::string> keys;
  for (const int core : cores) {
    keys.push_back("torchlap/" + scope + "/cpu-core-" + std::to_string(core));
  }
  return keys;
}

bool CountsAlways(const HeldBy& holder) {
  return holder.answers && (holder.uid == 0 || holder.uid == geteuid());
}

void Claim::LookAgain() {
  std::vector<HeldBy> others;
  for (HeldBy& before : others_) {
    if (!IsGone(before)) {
      others.push_back(std::move(before));
      continue;
    }
    auto now = TakeOrAsk(before.key, SteadyClock::now());
    if (!now.ok()) {
      others.push_back(Silent(before.key));
    } else if (auto* holder = std::get_if<HeldBy>(&*now)) {
      others.push_back(std::move(*holder));
    } else {
      held_.push_back(std::move(std::get<FileDescriptor>(*now)));
    }
  }
  others_ = std::move(others);
}

absl::StatusOr<std::variant<Claim, HeldBy>> TryClaim(std::vector<std::string> keys,
                                                     const std::filesystem::path& lock_folder) {
  constexpr size_t kLongestKey = sizeof(sockaddr_un::sun_path) - 1;
  if (keys.empty()) return absl::InvalidArgumentError("a claim needs at least one key");
  // In one order for all, so that of two daemons that want overlapping sets one gets its own.
  std::sort(keys.begin(), keys.end());
  Claiming claiming(lock_folder);
  for (const std::string& key : keys) {
    if (key.size() > kLongestKey) {
      return absl::InvalidArgumentError("claim " + key + " has " + std::to_string(key.size()) +
                                        " bytes, must have at most " + std::to_string(kLongestKey) +
                                        " (TORCHLAP_CLAIM_SCOPE is part of it)");
    }
    auto holder = claiming.Take(key);
    if (!holder.ok()) return holder.status();
    if (holder->has_value()) return std::move(**holder);
  }
  return std::move(claiming).Taken();
}

}  // namespace torchlap::host
