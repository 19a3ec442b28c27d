#include "server/host/account_name.h"

#include <gtest/gtest.h>

namespace torchlap::host {
namespace {

TEST(AccountName, OfNobodyIsTheNumber) {
  EXPECT_EQ(AccountName(0), "root");
  EXPECT_EQ(AccountName(54321), "uid:54321");
}

TEST(AccountName, MayBeANameOrANumberBehindItsWord) {
  for (const char* text : {"ann", "root", "uid", "uid:0", "uid:54321", "uid:4294967295"}) {
    EXPECT_TRUE(IsAccountName(text)) << text;
  }
  for (const char* text : {"", "uid:", "uid:x", "uid:-1", "uid:1x", "uid: 1", "uid:4294967296"}) {
    EXPECT_FALSE(IsAccountName(text)) << text;
  }
}

TEST(AccountName, IsLookedUpWhereItIsOne) {
  for (const char* name : {"root", "uid:0"}) EXPECT_TRUE(IsAccount(name)) << name;
  for (const char* name : {"nobody-of-that-name", "uid:54321", ""}) {
    EXPECT_FALSE(IsAccount(name)) << name;
  }
}

}  // namespace
}  // namespace torchlap::host
