#include "server/rpc/open_connections.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>

#include "server/rpc/share.h"

namespace torchlap::rpc {
namespace {

constexpr size_t kDescriptorsKept = 256;
constexpr size_t kDescriptorsOfAConnection = 3;  // a stranger's; else 1
constexpr size_t kFewest = 16;

}  // namespace

ConnectionLimits LimitsFor(size_t descriptors) {
  ConnectionLimits limits;
  const size_t room = descriptors - std::min(descriptors, kDescriptorsKept);
  limits.overall = std::clamp(room / kDescriptorsOfAConnection, kFewest, limits.overall);
  limits.reserve = std::min(limits.reserve, limits.overall / 4);
  return limits;
}

bool OpenConnections::Open::IsStill() const {
  struct stat now = {};
  return ::fstat(fd, &now) == 0 && now.st_dev == device && now.st_ino == inode;
}

void OpenConnections::Add(uid_t uid, int fd) {
  struct stat info = {};
  if (::fstat(fd, &info) != 0) return;
  open_[uid].push_back({fd, info.st_dev, info.st_ino});
  ++count_;
}

void OpenConnections::ForgetClosed() {
  for (auto user = open_.begin(); user != open_.end();) {
    count_ -= std::erase_if(user->second, [](const Open& open) { return !open.IsStill(); });
    user = user->second.empty() ? open_.erase(user) : std::next(user);
  }
}

size_t OpenConnections::CountOf(uid_t uid) const {
  const auto user = open_.find(uid);
  return user == open_.end() ? 0 : user->second.size();
}

std::string WhyRefused(const OpenConnections& open, const ConnectionLimits& limits, uid_t uid,
                       bool is_known) {
  if (!is_known && open.CountOf(uid) >= limits.of_one) {
    return fmt::format("too many connections of {} ({})", NameOfShare(uid), limits.of_one);
  }
  const size_t most = is_known ? limits.overall : limits.overall - limits.reserve;
  if (open.count() < most) return "";
  return fmt::format("too many connections ({})", most);
}

}  // namespace torchlap::rpc
