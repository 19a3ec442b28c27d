// The accounts of callers. Where they come from a server of names, an answer may take seconds: the
// thread that accepts connections does not wait for it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "proto/base/clock.h"
#include "proto/base/mutex.h"
#include "server/rpc/work_threads.h"

namespace torchlap::rpc {

struct Account {
  std::string name;  // `uid:N` where there is none
  bool is_there = false;
};

// Of one that has none, or whose name cannot be told.
Account WithoutAccount(uid_t uid);

// As the system says; none: it cannot tell now. May block.
std::optional<Account> SystemAccount(uid_t uid);

// Thread-safe. Answers are kept for a while, also that there is no such account. An account that
// was there is used for longer: it is asked for again meanwhile, and nobody waits for that.
class Accounts {
 public:
  using LookUp = std::function<std::optional<Account>(uid_t)>;
  static constexpr int64_t kKeptNs = 60'000'000'000;
  // Not for ever: the number may be another's by then.
  static constexpr int64_t kUsedNs = int64_t{24} * 3600 * 1'000'000'000;
  // After an answer that told nothing.
  static constexpr int64_t kAskAgainNs = 1'000'000'000;
  static constexpr size_t kMostKept = 1024;  // those without an account are the first to go
  // Of those of whom no account is known. The known ones have room beside them.
  static constexpr size_t kMostAsked = 128;

  // `look_up` runs on a thread of this object, `answered` after each there. `clock` outlives it.
  Accounts(LookUp look_up, std::function<void()> answered, const Clock* clock);
  // Waits for the one look-up that is at work, and for no other.
  ~Accounts() { Stop(); }
  // From now on nothing is looked up.
  void Stop() { stopping_ = true; }

  // None: not known.
  std::optional<Account> Find(uid_t uid) TORCHLAP_EXCLUDES(mutex_);
  // For one that is not known: `answered` is called when Find() may tell. With kMostAsked on their
  // way nothing happens: ask again after one of them.
  void Ask(uid_t uid) TORCHLAP_EXCLUDES(mutex_);

 private:
  struct Kept {
    std::optional<Account> account;
    int64_t until_ns = 0;       // it is not asked for again before
    int64_t used_until_ns = 0;  // of an account that is there
    bool is_there() const { return account && account->is_there; }
  };
  void Post(uid_t uid, bool is_known) TORCHLAP_REQUIRES(mutex_);
  void LookItUp(uid_t uid) TORCHLAP_EXCLUDES(mutex_);
  void Keep(uid_t uid, std::optional<Account> account) TORCHLAP_REQUIRES(mutex_);
  void MakeRoom() TORCHLAP_REQUIRES(mutex_);

  const LookUp look_up_;
  const std::function<void()> answered_;
  const Clock* const clock_;
  Mutex mutex_;
  std::map<uid_t, Kept> kept_ TORCHLAP_GUARDED_BY(mutex_);
  std::map<uid_t, bool> asked_ TORCHLAP_GUARDED_BY(mutex_);  // whether an account is known
  size_t unknown_asked_ TORCHLAP_GUARDED_BY(mutex_) = 0;
  std::atomic<bool> stopping_ = false;
  WorkThreads thread_;  // first to end
};

}  // namespace torchlap::rpc
