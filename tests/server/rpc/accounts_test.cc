#include "server/rpc/accounts.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include "proto/base/mutex.h"
#include "server/host/account_name.h"
#include "tests/proto/base/settable_clock.h"

namespace torchlap::rpc {
namespace {

// A system's accounts as a test writes them.
class Script {
 public:
  void Set(uid_t uid, const std::string& name) {
    MutexLock lock(&mutex_);
    names_[uid] = name;
  }
  // No answer tells anything while it is.
  void SetDown(bool is_down) {
    MutexLock lock(&mutex_);
    is_down_ = is_down;
  }
  std::optional<Account> LookUp(uid_t uid) {
    MutexLock lock(&mutex_);
    ++asked_[uid];
    if (is_down_) return std::nullopt;
    const auto name = names_.find(uid);
    if (name == names_.end()) return WithoutAccount(uid);
    return Account{name->second, true};
  }
  int asked(uid_t uid) {
    MutexLock lock(&mutex_);
    return asked_[uid];
  }

 private:
  Mutex mutex_;
  std::map<uid_t, std::string> names_;
  std::map<uid_t, int> asked_;
  bool is_down_ = false;
};

class AccountsTest : public testing::Test {
 protected:
  // Asks until it is known.
  Account Await(uid_t uid) {
    std::optional<Account> account;
    accounts_.Ask(uid);
    while (!(account = accounts_.Find(uid))) std::this_thread::yield();
    return *account;
  }
  std::string NameOf(uid_t uid) {
    const std::optional<Account> account = accounts_.Find(uid);
    return account ? account->name : "";
  }
  void AwaitAnswers(int count) {
    while (answered_ < count) std::this_thread::yield();
  }

  SettableClock clock_;
  Script script_;
  std::atomic<int> answered_ = 0;
  Accounts accounts_{[this](uid_t uid) { return script_.LookUp(uid); }, [this] { ++answered_; },
                     &clock_};
};

TEST_F(AccountsTest, AreAskedForOnceAndKept) {
  script_.Set(1001, "ann");
  EXPECT_FALSE(accounts_.Find(1001));
  EXPECT_EQ(script_.asked(1001), 0) << "only Ask() asks for one that is not known";
  accounts_.Ask(1001);
  AwaitAnswers(1);
  for (int i = 0; i < 10; ++i) {
    accounts_.Ask(1001);
    const std::optional<Account> ann = accounts_.Find(1001);
    ASSERT_TRUE(ann);
    EXPECT_EQ(ann->name, "ann");
    EXPECT_TRUE(ann->is_there);
  }
  EXPECT_EQ(script_.asked(1001), 1);
}

TEST_F(AccountsTest, ThatThereIsNoneIsKeptToo) {
  for (const uid_t uid : {100'000U, 165'535U, 4'000'000'000U}) {
    EXPECT_FALSE(Await(uid).is_there);
    EXPECT_EQ(Await(uid).name, "uid:" + std::to_string(uid));
    EXPECT_EQ(script_.asked(uid), 1);
  }
}

TEST_F(AccountsTest, AreAskedForAgainAfterAWhile) {
  EXPECT_FALSE(Await(1001).is_there);
  script_.Set(1001, "ann");
  clock_.Advance(Accounts::kKeptNs - 1);
  EXPECT_FALSE(Await(1001).is_there);
  clock_.Advance(1);
  EXPECT_TRUE(Await(1001).is_there);
  EXPECT_EQ(script_.asked(1001), 2);
}

TEST_F(AccountsTest, OneThatWasThereIsUsedWhileItIsAskedForAgain) {
  script_.Set(1001, "ann");
  Await(1001);
  script_.Set(1001, "anna");
  clock_.Advance(Accounts::kKeptNs);
  EXPECT_EQ(NameOf(1001), "ann");
  AwaitAnswers(2);
  EXPECT_EQ(NameOf(1001), "anna");
  EXPECT_EQ(script_.asked(1001), 2);
}

TEST_F(AccountsTest, OneThatWasThereIsNotUsedForEver) {
  script_.Set(1001, "ann");
  Await(1001);
  clock_.Advance(Accounts::kUsedNs);
  EXPECT_FALSE(accounts_.Find(1001));
  script_.Set(1001, "bob");
  EXPECT_EQ(Await(1001).name, "bob");
}

TEST_F(AccountsTest, AnAnswerThatTellsNothingChangesNothing) {
  script_.Set(1001, "ann");
  Await(1001);
  script_.SetDown(true);
  for (int time = 0; time < 3; ++time) {
    clock_.Advance(Accounts::kKeptNs);
    EXPECT_EQ(NameOf(1001), "ann");
    AwaitAnswers(2 + time);
    EXPECT_EQ(NameOf(1001), "ann");
  }
  script_.SetDown(false);
  script_.Set(1001, "anna");
  clock_.Advance(Accounts::kAskAgainNs);
  EXPECT_EQ(NameOf(1001), "ann");
  AwaitAnswers(5);
  EXPECT_EQ(NameOf(1001), "anna");
}

TEST_F(AccountsTest, OneThatCouldNotBeToldIsAskedForAgainSoon) {
  script_.Set(1001, "ann");
  script_.SetDown(true);
  for (const uid_t uid : {1001U, 100'000U}) accounts_.Ask(uid);
  AwaitAnswers(2);
  EXPECT_FALSE(accounts_.Find(1001));
  EXPECT_FALSE(accounts_.Find(100'000)) << "not that there is none";
  for (int i = 0; i < 10; ++i) accounts_.Ask(1001);
  EXPECT_EQ(script_.asked(1001), 1) << "not at once";
  script_.SetDown(false);
  clock_.Advance(Accounts::kAskAgainNs);
  EXPECT_EQ(Await(1001).name, "ann");
}

TEST_F(AccountsTest, ThoseWithoutAnAccountPushOutNoOther) {
  for (const uid_t uid : {1001U, 1002U, 1003U}) {
    script_.Set(uid, "user" + std::to_string(uid));
    Await(uid);
    clock_.Advance(1);
  }
  for (uid_t uid = 100'000; uid < 100'000 + Accounts::kMostKept + 10; ++uid) Await(uid);
  for (const uid_t uid : {1001U, 1002U, 1003U}) {
    EXPECT_EQ(NameOf(uid), "user" + std::to_string(uid));
    EXPECT_EQ(script_.asked(uid), 1);
  }
}

TEST_F(AccountsTest, NoMoreAreKeptThanALimit) {
  for (uid_t uid = 1; uid <= Accounts::kMostKept; ++uid) {
    Await(uid);
    clock_.Advance(1);
  }
  Await(70'000);
  Await(2);
  EXPECT_EQ(script_.asked(2), 1) << "only the oldest was forgotten";
  Await(1);
  EXPECT_EQ(script_.asked(1), 2);
}

TEST(Accounts, NobodyWaitsForAnAnswerThatDoesNotCome) {
  SettableClock clock;
  std::atomic<bool> is_open = false;
  std::atomic<int> answered = 0;
  Accounts accounts(
      [&](uid_t uid) {
        while (!is_open) std::this_thread::yield();
        return Account{"uid:" + std::to_string(uid), false};
      },
      [&] { ++answered; }, &clock);
  for (int i = 0; i < 100; ++i) {
    accounts.Ask(1001);
    EXPECT_FALSE(accounts.Find(1001));
  }
  is_open = true;
  while (answered < 1) std::this_thread::yield();
  EXPECT_TRUE(accounts.Find(1001));
}

TEST(Accounts, ThoseThatAreNotKnownHaveALimitAndLeaveRoomForOthers) {
  SettableClock clock;
  std::atomic<bool> is_open = true;
  std::atomic<int> answered = 0;
  std::atomic<int> asked = 0;
  Accounts accounts(
      [&](uid_t uid) {
        ++asked;
        while (!is_open) std::this_thread::yield();
        return Account{"user" + std::to_string(uid), true};
      },
      [&] { ++answered; }, &clock);
  accounts.Ask(1001);
  while (answered < 1) std::this_thread::yield();
  clock.Advance(Accounts::kKeptNs);
  is_open = false;
  constexpr int kMost = static_cast<int>(Accounts::kMostAsked);
  for (uid_t uid = 100'000; uid < 100'000 + 10 * Accounts::kMostAsked; ++uid) accounts.Ask(uid);
  EXPECT_TRUE(accounts.Find(1001)) << "and is asked for again beside them";
  is_open = true;
  while (answered < kMost + 2) std::this_thread::yield();
  accounts.Ask(2000);
  while (answered < kMost + 3) std::this_thread::yield();
  EXPECT_TRUE(accounts.Find(2000));
  EXPECT_EQ(asked, kMost + 3);
}

TEST(Accounts, AtTheEndThoseThatWaitAreNotLookedUp) {
  SettableClock clock;
  std::atomic<bool> is_open = false;
  std::atomic<int> asked = 0;
  {
    Accounts accounts(
        [&](uid_t uid) {
          ++asked;
          while (!is_open) std::this_thread::yield();
          return WithoutAccount(uid);
        },
        [] {}, &clock);
    for (uid_t uid = 1; uid <= 100; ++uid) accounts.Ask(uid);
    while (asked < 1) std::this_thread::yield();
    accounts.Stop();
    is_open = true;
  }
  EXPECT_EQ(asked, 1);
}

TEST(SystemAccount, IsThereWhereItHasAName) {
  EXPECT_TRUE(SystemAccount(0)->is_there);
  EXPECT_EQ(SystemAccount(0)->name, host::AccountName(0));
  EXPECT_FALSE(SystemAccount(54321)->is_there);
  EXPECT_EQ(SystemAccount(54321)->name, "uid:54321");
}

}  // namespace
}  // namespace torchlap::rpc
