#include "server/rpc/accounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/host/account_name.h"

namespace torchlap::rpc {

Account SystemAccount(uid_t uid) {
  const std::string name = host::AccountName(uid);
  return {name, name != fmt::format("uid:{}", uid)};
}

Accounts::Accounts(LookUp look_up, std::function<void()> answered, const Clock* clock)
    : look_up_(std::move(look_up)), answered_(std::move(answered)), clock_(clock), thread_(1) {}

std::optional<Account> Accounts::Find(uid_t uid) {
  {
    MutexLock lock(&mutex_);
    const auto kept = kept_.find(uid);
    if (kept != kept_.end() && clock_->MonotonicNs() < kept->second.until_ns) {
      return kept->second.account;
    }
    if (!asked_.insert(uid).second) return std::nullopt;
  }
  thread_.Post({uid, WorkThreads::Size::kSmall}, [this, uid] { Ask(uid); });
  return std::nullopt;
}

void Accounts::Ask(uid_t uid) {
  Account account = look_up_(uid);
  {
    MutexLock lock(&mutex_);
    asked_.erase(uid);
    Keep(uid, std::move(account));
  }
  answered_();
}

void Accounts::Keep(uid_t uid, Account account) {
  const int64_t now_ns = clock_->MonotonicNs();
  if (kept_.size() >= kMostKept) {
    std::erase_if(kept_, [&](const auto& one) { return one.second.until_ns <= now_ns; });
  }
  if (kept_.size() >= kMostKept) {
    // The oldest.
    kept_.erase(std::min_element(kept_.begin(), kept_.end(), [](const auto& a, const auto& b) {
      return a.second.until_ns < b.second.until_ns;
    }));
  }
  kept_[uid] = {std::move(account), now_ns + kKeptNs};
}

}  // namespace torchlap::rpc
