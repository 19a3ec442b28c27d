#include "server/rpc/open_connections.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "proto/base/file_descriptor.h"
#include "server/rpc/share.h"

namespace torchlap::rpc {
namespace {

struct Pair {
  FileDescriptor ours;
  FileDescriptor theirs;
};

Pair MakePair() {
  std::array<int, 2> fds = {-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {FileDescriptor(fds[0]), FileDescriptor(fds[1])};
}

TEST(OpenConnections, CountsThoseOfEachUserUntilTheyAreClosed) {
  OpenConnections open;
  std::vector<Pair> anns;
  for (int i = 0; i < 5; ++i) anns.push_back(MakePair());
  Pair bobs = MakePair();
  for (const Pair& pair : anns) open.Add(1001, pair.ours.get());
  open.Add(1002, bobs.ours.get());
  open.ForgetClosed();
  EXPECT_EQ(open.count(), 6U);
  EXPECT_EQ(open.CountOf(1001), 5U);
  EXPECT_EQ(open.CountOf(1002), 1U);
  EXPECT_EQ(open.CountOf(1003), 0U);
  anns[1].ours.reset();
  anns[4].ours.reset();
  bobs.ours.reset();
  EXPECT_EQ(open.count(), 6U) << "nobody has looked";
  open.ForgetClosed();
  EXPECT_EQ(open.count(), 3U);
  EXPECT_EQ(open.CountOf(1001), 3U);
  EXPECT_EQ(open.CountOf(1002), 0U);
}

TEST(OpenConnections, ANumberThatIsAnotherSocketByNowIsClosed) {
  OpenConnections open;
  Pair first = MakePair();
  open.Add(1001, first.ours.get());
  const Pair second = MakePair();
  // As accept(2) does, which takes the lowest number that is free.
  ASSERT_EQ(::dup2(second.ours.get(), first.ours.get()), first.ours.get());
  open.ForgetClosed();
  EXPECT_EQ(open.CountOf(1001), 0U);
  open.Add(1002, first.ours.get());
  open.ForgetClosed();
  EXPECT_EQ(open.CountOf(1002), 1U);
}

TEST(OpenConnections, AnEndThatTheOtherSideClosedIsOpenUntilItsOwnerClosesIt) {
  OpenConnections open;
  Pair pair = MakePair();
  open.Add(1001, pair.ours.get());
  pair.theirs.reset();
  open.ForgetClosed();
  EXPECT_EQ(open.count(), 1U) << "its descriptor is still taken";
}

class WhyRefusedTest : public testing::Test {
 protected:
  void Open(uid_t uid, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      pairs_.push_back(MakePair());
      open_.Add(uid, pairs_.back().ours.get());
    }
  }
  std::string Why(uid_t uid, bool is_known = false) const {
    return WhyRefused(open_, limits_, uid, is_known);
  }

  OpenConnections open_;
  const ConnectionLimits limits_ = {4, 10, 3};
  std::vector<Pair> pairs_;
};

TEST_F(WhyRefusedTest, AUserHasSoManyAndAnotherIsNotTouched) {
  Open(1001, 3);
  EXPECT_EQ(Why(1001), "");
  Open(1001, 1);
  EXPECT_EQ(Why(1001), "too many connections of uid 1001 (4)");
  EXPECT_EQ(Why(1002), "");
}

TEST_F(WhyRefusedTest, ThoseWithoutAnAccountAreOneUser) {
  Open(kWithoutAccount, 4);
  EXPECT_EQ(Why(kWithoutAccount), "too many connections of users without an account (4)");
  EXPECT_EQ(Why(1001), "");
}

TEST_F(WhyRefusedTest, RootAndTheDaemonsAccountHaveAReserve) {
  Open(1001, 4);
  Open(1002, 3);
  EXPECT_EQ(Why(1003), "too many connections (7)");
  EXPECT_EQ(Why(0, true), "");
  Open(0, 3);
  EXPECT_EQ(Why(0, true), "too many connections (10)");
}

TEST_F(WhyRefusedTest, ThoseWhoAreKnownMayHaveMoreThanOneUserMay) {
  Open(0, 9);
  EXPECT_EQ(Why(0, true), "");
}

TEST(LimitsFor, LeaveDescriptorsForAllElse) {
  EXPECT_EQ(LimitsFor(1 << 20).overall, 1000U);
  EXPECT_EQ(LimitsFor(1 << 20).reserve, 64U);
  EXPECT_EQ(LimitsFor(1024).overall, 256U);
  EXPECT_EQ(LimitsFor(400).overall, 48U);
  EXPECT_EQ(LimitsFor(400).reserve, 12U);
  EXPECT_EQ(LimitsFor(10).overall, 16U);
}

}  // namespace
}  // namespace torchlap::rpc
