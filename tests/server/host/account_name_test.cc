#include "server/host/account_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace torchlap::host {
namespace {

TEST(AccountName, OfNobodyIsTheNumber) {
  EXPECT_EQ(AccountName(0), "root");
  EXPECT_EQ(AccountName(54321), "uid:54321");
}

template <int kError>
int Fails(uid_t /*uid*/, passwd* /*entry*/, char* /*buffer*/, size_t /*size*/, passwd** found) {
  *found = nullptr;
  return kError;
}

TEST(AccountName, ThatItCannotBeToldIsNotThatThereIsNone) {
  EXPECT_EQ(*NameOfAccount(0), "root");
  EXPECT_EQ(*NameOfAccount(54321), "");
  EXPECT_EQ(*NameOfAccount(1001, Fails<0>), "");
  for (const FindAccount find : {Fails<EIO>, Fails<ETIMEDOUT>, Fails<EMFILE>, Fails<ERANGE>}) {
    const absl::Status told = NameOfAccount(1001, find).status();
    EXPECT_TRUE(absl::IsUnavailable(told)) << told;
    EXPECT_THAT(std::string(told.message()), testing::HasSubstr("uid 1001 cannot be looked up"));
  }
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
