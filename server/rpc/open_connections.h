// How many connections each user, or each share (share.h), has open, and how many may be.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace torchlap::rpc {

struct ConnectionLimits {
  size_t of_one = 64;  // of one user; not of root, nor of the daemon's own account
  size_t overall = 1000;
  size_t reserve = 64;  // of those overall, for root and the daemon's own account alone
};

// What a process that may open so many descriptors can give to connections; the others are for
// workers, the database, logs and the daemon's own files.
ConnectionLimits LimitsFor(size_t descriptors);

// Not thread-safe. gRPC closes a connection that it was given without a word. A descriptor number
// that is closed by now, or is another socket, tells: inode numbers of sockets are not used twice
// while one is open. (A duplicate watched for its hang-up would tell at once, but keeps the socket
// in gRPC's epoll set after gRPC has closed it and freed what the set points to.)
class OpenConnections {
 public:
  // `fd` is open, and is gRPC's to close.
  void Add(uid_t uid, int fd);
  // Looks at each. Until then those that were closed are counted.
  void ForgetClosed();

  size_t count() const { return count_; }
  size_t CountOf(uid_t uid) const;

 private:
  struct Open {
    int fd;
    dev_t device;
    ino_t inode;
    bool IsStill() const;
  };

  std::map<uid_t, std::vector<Open>> open_;  // none is empty
  size_t count_ = 0;
};

// Why a further connection of this user is not taken: a line for whoever connects; empty if it is.
// `is_known`: root or the daemon's own account.
std::string WhyRefused(const OpenConnections& open, const ConnectionLimits& limits, uid_t uid,
                       bool is_known);

}  // namespace torchlap::rpc
