#include "server/host/reserved_cores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace torchlap::host {
namespace {

using testing::ElementsAre;
using Cores = std::vector<int>;

constexpr size_t kNoLimit = 1000;

Cores Range(int first, int last) {
  Cores cores;
  for (int core = first; core <= last; ++core) cores.push_back(core);
  return cores;
}

TEST(ReserveCores, EachGetsItsOwnTheHighestFirst) {
  EXPECT_THAT(ReserveCores(Range(1, 15), {{2}}, kNoLimit), ElementsAre(Cores{14, 15}));
  EXPECT_THAT(ReserveCores(Range(1, 15), {{2}, {2}}, kNoLimit),
              ElementsAre(Cores{13, 15}, Cores{12, 14}));
  EXPECT_THAT(ReserveCores(Range(1, 15), {{1}, {3}}, kNoLimit),
              ElementsAre(Cores{15}, Cores{12, 13, 14}));
}

TEST(ReserveCores, LocalOnesComeFirst) {
  EXPECT_THAT(ReserveCores(Range(0, 15), {{2, Range(0, 7)}, {2, Range(8, 15)}}, kNoLimit),
              ElementsAre(Cores{6, 7}, Cores{14, 15}));
  // Nodes need not be in one piece.
  EXPECT_THAT(ReserveCores(Range(0, 7), {{2, {1, 3, 5}}}, kNoLimit), ElementsAre(Cores{3, 5}));
}

TEST(ReserveCores, WhereTheNodeHasNoMoreOthersServe) {
  EXPECT_THAT(ReserveCores(Range(0, 7), {{3, {0, 1}}}, kNoLimit), ElementsAre(Cores{0, 1, 7}));
  // The local one of a node is shared out before anybody gets a second.
  EXPECT_THAT(ReserveCores(Range(0, 3), {{2, {2}}, {2, {2}}}, kNoLimit),
              ElementsAre(Cores{1, 2}, Cores{0, 3}));
}

TEST(ReserveCores, NoMoreThanTheLimitAreTakenAndAllAlike) {
  EXPECT_THAT(ReserveCores(Range(1, 3), {{2}}, 1), ElementsAre(Cores{3}));
  EXPECT_THAT(ReserveCores(Range(1, 8), {{2}, {2}}, 3), ElementsAre(Cores{8}, Cores{7}));
  EXPECT_THAT(ReserveCores(Range(1, 8), {{2}, {2}}, 1), ElementsAre(Cores{}, Cores{}))
      << "not one for each";
  EXPECT_THAT(ReserveCores({4}, {{2}}, kNoLimit), ElementsAre(Cores{4}));
}

TEST(ReserveCores, WhoWantsNoneGetsNone) {
  EXPECT_THAT(ReserveCores(Range(1, 4), {{0}, {1}}, kNoLimit), ElementsAre(Cores{}, Cores{4}));
  EXPECT_THAT(ReserveCores(Range(1, 4), {}, kNoLimit), ElementsAre());
  EXPECT_THAT(ReserveCores({}, {{2}}, kNoLimit), ElementsAre(Cores{}));
}

}  // namespace
}  // namespace torchlap::host
