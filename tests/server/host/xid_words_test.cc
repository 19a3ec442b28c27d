#include "server/host/xid_words.h"

#include <gtest/gtest.h>

namespace torchlap::host {
namespace {

TEST(XidWords, NameTheErrorsThatABenchmarkMayMeet) {
  EXPECT_EQ(XidWords({31}), "XID 31 (GPU memory page fault)");
  EXPECT_EQ(XidWords({79}), "XID 79 (GPU has fallen off the bus)");
  EXPECT_EQ(XidWords({13, 43}),
            "XID 13 (graphics engine exception), XID 43 (GPU stopped processing)");
}

TEST(XidWords, HaveTheNumberAloneOfOthers) {
  EXPECT_EQ(XidWords({0}), "XID 0");
  EXPECT_EQ(XidWords({9999, 48}), "XID 9999, XID 48 (double bit ECC error)");
}

TEST(XidWords, SayEachErrorOnceAndCountBeyondFour) {
  EXPECT_EQ(XidWords({200, 201, 200, 201, 200}), "XID 200, XID 201");
  EXPECT_EQ(XidWords({200, 201, 202, 203}), "XID 200, XID 201, XID 202, XID 203");
  EXPECT_EQ(XidWords({200, 201, 202, 200, 203, 204, 205}),
            "XID 200, XID 201, XID 202, XID 203 and 2 more");
}

TEST(XidWords, AreNoneOfNone) { EXPECT_EQ(XidWords({}), ""); }

}  // namespace
}  // namespace torchlap::host
