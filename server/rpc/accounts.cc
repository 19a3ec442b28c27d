#include "server/rpc/accounts.h"

#include <absl/status/statusor.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/host/account_name.h"

namespace torchlap::rpc {

Account WithoutAccount(uid_t uid) { return {fmt::format("uid:{}", uid), false}; }

std::optional<Account> SystemAccount(uid_t uid) {
  absl::StatusOr<std::string> name = host::NameOfAccount(uid);
  if (!name.ok()) return std::nullopt;
  return name->empty() ? WithoutAccount(uid) : Account{*std::move(name), true};
}

Accounts::Accounts(LookUp look_up, std::function<void()> answered, const Clock* clock)
    : look_up_(std::move(look_up)), answered_(std::move(answered)), clock_(clock), thread_(1) {}

std::optional<Account> Accounts::Find(uid_t uid) {
  MutexLock lock(&mutex_);
  const auto kept = kept_.find(uid);
  if (kept == kept_.end()) return std::nullopt;
  const int64_t now_ns = clock_->MonotonicNs();
  if (now_ns < kept->second.until_ns) return kept->second.account;
  if (!kept->second.is_there() || now_ns >= kept->second.used_until_ns) return std::nullopt;
  Post(uid, true);
  return kept->second.account;
}

void Accounts::Ask(uid_t uid) {
  MutexLock lock(&mutex_);
  const auto kept = kept_.find(uid);
  const bool is_kept = kept != kept_.end() && clock_->MonotonicNs() < kept->second.until_ns;
  if (!is_kept && unknown_asked_ < kMostAsked) Post(uid, false);
}

void Accounts::Post(uid_t uid, bool is_known) {
  if (!asked_.emplace(uid, is_known).second) return;
  if (!is_known) ++unknown_asked_;
  thread_.Post({uid, WorkThreads::Size::kSmall}, [this, uid] { LookItUp(uid); });
}

void Accounts::LookItUp(uid_t uid) {
  if (stopping_) return;
  std::optional<Account> account = look_up_(uid);
  {
    MutexLock lock(&mutex_);
    if (!asked_.extract(uid).mapped()) --unknown_asked_;
    Keep(uid, std::move(account));
  }
  answered_();
}

void Accounts::Keep(uid_t uid, std::optional<Account> account) {
  const int64_t now_ns = clock_->MonotonicNs();
  if (!kept_.contains(uid)) MakeRoom();
  Kept& kept = kept_[uid];
  if (account) {
    kept = {std::move(account), now_ns + kKeptNs, now_ns + kUsedNs};
    return;
  }
  // That there was none says no more than this.
  if (!kept.is_there() || now_ns >= kept.used_until_ns) kept.account.reset();
  kept.until_ns = now_ns + kAskAgainNs;
}

void Accounts::MakeRoom() {
  if (kept_.size() < kMostKept) return;
  const auto worth = [](const auto& one) {
    return std::pair(one.second.is_there(), one.second.until_ns);
  };
  kept_.erase(std::min_element(kept_.begin(), kept_.end(),
                               [&](const auto& a, const auto& b) { return worth(a) < worth(b); }));
}

}  // namespace torchlap::rpc
