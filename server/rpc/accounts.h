// The accounts of callers. Where they come from a server of names, an answer may take seconds: the
// thread that accepts connections does not wait for it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "proto/base/clock.h"
#include "proto/base/mutex.h"
#include "server/rpc/work_threads.h"

namespace torchlap::rpc {

struct Account {
  std::string name;  // `uid:N` where there is none
  bool is_there = false;
};

// As the system says. May block.
Account SystemAccount(uid_t uid);

// Thread-safe. Answers are kept for a while, also that there is no such account.
class Accounts {
 public:
  using LookUp = std::function<Account(uid_t)>;
  static constexpr int64_t kKeptNs = 60'000'000'000;
  static constexpr size_t kMostKept = 1024;

  // `look_up` runs on a thread of this object, `answered` after each there. `clock` outlives it.
  Accounts(LookUp look_up, std::function<void()> answered, const Clock* clock);

  // None: not known yet. It is asked for, and `answered` is called when Find() will tell.
  std::optional<Account> Find(uid_t uid) TORCHLAP_EXCLUDES(mutex_);

 private:
  struct Kept {
    Account account;
    int64_t until_ns = 0;
  };
  void Ask(uid_t uid) TORCHLAP_EXCLUDES(mutex_);
  void Keep(uid_t uid, Account account) TORCHLAP_REQUIRES(mutex_);

  const LookUp look_up_;
  const std::function<void()> answered_;
  const Clock* const clock_;
  Mutex mutex_;
  std::map<uid_t, Kept> kept_ TORCHLAP_GUARDED_BY(mutex_);
  std::set<uid_t> asked_ TORCHLAP_GUARDED_BY(mutex_);
  WorkThreads thread_;  // first to end
};

}  // namespace torchlap::rpc
