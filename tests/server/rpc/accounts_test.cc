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
  Account LookUp(uid_t uid) {
    MutexLock lock(&mutex_);
    ++asked_[uid];
    const auto name = names_.find(uid);
    if (name == names_.end()) return {"uid:" + std::to_string(uid), false};
    return {name->second, true};
  }
  int asked(uid_t uid) {
    MutexLock lock(&mutex_);
    return asked_[uid];
  }

 private:
  Mutex mutex_;
  std::map<uid_t, std::string> names_;
  std::map<uid_t, int> asked_;
};

class AccountsTest : public testing::Test {
 protected:
  // Asks until it is known.
  Account Await(uid_t uid) {
    std::optional<Account> account;
    while (!(account = accounts_.Find(uid))) std::this_thread::yield();
    return *account;
  }

  SettableClock clock_;
  Script script_;
  std::atomic<int> answered_ = 0;
  Accounts accounts_{[this](uid_t uid) { return script_.LookUp(uid); }, [this] { ++answered_; },
                     &clock_};
};

TEST_F(AccountsTest, AreAskedForOnceAndKept) {
  script_.Set(1001, "ann");
  EXPECT_EQ(accounts_.Find(1001), std::nullopt);
  while (answered_ < 1) std::this_thread::yield();
  for (int i = 0; i < 10; ++i) {
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
  for (int i = 0; i < 100; ++i) EXPECT_EQ(accounts.Find(1001), std::nullopt);
  is_open = true;
  while (answered < 1) std::this_thread::yield();
  EXPECT_TRUE(accounts.Find(1001));
}

TEST(SystemAccount, IsThereWhereItHasAName) {
  EXPECT_TRUE(SystemAccount(0).is_there);
  EXPECT_EQ(SystemAccount(0).name, host::AccountName(0));
  EXPECT_FALSE(SystemAccount(54321).is_there);
  EXPECT_EQ(SystemAccount(54321).name, "uid:54321");
}

}  // namespace
}  // namespace torchlap::rpc
