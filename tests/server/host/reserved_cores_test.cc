#include "server/host/reserved_cores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace torchlap::host {
namespace {

using testing::ElementsAre;
using Cores = std::vector<int>;
using Pool = std::vector<PhysicalCore>;

constexpr size_t kNoLimit = 1000;

Cores Range(int first, int last) {
  Cores cores;
  for (int core = first; core <= last; ++core) cores.push_back(core);
  return cores;
}

// A machine without hyperthreads.
Pool Alone(const Cores& cores) { return PhysicalCoresOf(cores, {}); }

TEST(ReserveCores, EachGetsItsOwnTheHighestFirst) {
  EXPECT_THAT(ReserveCores(Alone(Range(1, 15)), {{2}}, kNoLimit), ElementsAre(Cores{14, 15}));
  EXPECT_THAT(ReserveCores(Alone(Range(1, 15)), {{2}, {2}}, kNoLimit),
              ElementsAre(Cores{13, 15}, Cores{12, 14}));
  EXPECT_THAT(ReserveCores(Alone(Range(1, 15)), {{1}, {3}}, kNoLimit),
              ElementsAre(Cores{15}, Cores{12, 13, 14}));
}

TEST(ReserveCores, LocalOnesComeFirst) {
  EXPECT_THAT(ReserveCores(Alone(Range(0, 15)), {{2, Range(0, 7)}, {2, Range(8, 15)}}, kNoLimit),
              ElementsAre(Cores{6, 7}, Cores{14, 15}));
  // Nodes need not be in one piece.
  EXPECT_THAT(ReserveCores(Alone(Range(0, 7)), {{2, {1, 3, 5}}}, kNoLimit),
              ElementsAre(Cores{3, 5}));
}

TEST(ReserveCores, WhereTheNodeHasNoMoreOthersServe) {
  EXPECT_THAT(ReserveCores(Alone(Range(0, 7)), {{3, {0, 1}}}, kNoLimit),
              ElementsAre(Cores{0, 1, 7}));
  // The local one of a node is shared out before anybody gets a second.
  EXPECT_THAT(ReserveCores(Alone(Range(0, 3)), {{2, {2}}, {2, {2}}}, kNoLimit),
              ElementsAre(Cores{1, 2}, Cores{0, 3}));
}

TEST(ReserveCores, NoMoreThanTheLimitAreTakenAndAllAlike) {
  EXPECT_THAT(ReserveCores(Alone(Range(1, 3)), {{2}}, 1), ElementsAre(Cores{3}));
  EXPECT_THAT(ReserveCores(Alone(Range(1, 8)), {{2}, {2}}, 3), ElementsAre(Cores{8}, Cores{7}));
  EXPECT_THAT(ReserveCores(Alone(Range(1, 8)), {{2}, {2}}, 1), ElementsAre(Cores{}, Cores{}))
      << "not one for each";
  EXPECT_THAT(ReserveCores(Alone({4}), {{2}}, kNoLimit), ElementsAre(Cores{4}));
}

TEST(ReserveCores, WhoWantsNoneGetsNone) {
  EXPECT_THAT(ReserveCores(Alone(Range(1, 4)), {{0}, {1}}, kNoLimit),
              ElementsAre(Cores{}, Cores{4}));
  EXPECT_THAT(ReserveCores(Alone(Range(1, 4)), {}, kNoLimit), ElementsAre());
  EXPECT_THAT(ReserveCores({}, {{2}}, kNoLimit), ElementsAre(Cores{}));
}

// Of a machine whose core N has the hyperthreads N and N + 8.
Pool Halves() {
  Pool pool;
  for (int core = 0; core < 8; ++core) pool.push_back({{core, core + 8}});
  return pool;
}

TEST(ReserveCores, HyperthreadsOfACoreGoTogether) {
  EXPECT_THAT(ReserveCores(Halves(), {{2}}, kNoLimit), ElementsAre(Cores{6, 7, 14, 15}));
  EXPECT_THAT(ReserveCores(Halves(), {{2}, {1}}, kNoLimit),
              ElementsAre(Cores{5, 7, 13, 15}, Cores{6, 14}));
  EXPECT_THAT(ReserveCores({{{0, 1}}, {{2, 3}}, {{4, 5}}}, {{2}}, kNoLimit),
              ElementsAre(Cores{2, 3, 4, 5}));
  EXPECT_THAT(ReserveCores(Halves(), {{1, {2, 3, 10, 11}}}, kNoLimit), ElementsAre(Cores{3, 11}));
}

TEST(ReserveCores, TheLimitIsOfLogicalCores) {
  EXPECT_THAT(ReserveCores(Halves(), {{2}}, 4), ElementsAre(Cores{6, 7, 14, 15}));
  EXPECT_THAT(ReserveCores(Halves(), {{2}}, 3), ElementsAre(Cores{7, 15}));
  EXPECT_THAT(ReserveCores(Halves(), {{2}}, 1), ElementsAre(Cores{}));
  EXPECT_THAT(ReserveCores(Halves(), {{1}, {1}}, 3), ElementsAre(Cores{}, Cores{}));
  // Some cores of a machine have hyperthreads, and others do not.
  EXPECT_THAT(ReserveCores({{{0}}, {{1, 2}}, {{3, 4}}}, {{2}}, 3), ElementsAre(Cores{0, 3, 4}));
}

TEST(ReserveCores, WholeCoresComeBeforeThoseWithASiblingElsewhere) {
  const Pool pool = {{{1, 5}}, {{2, 6}}, {{4}, false}, {{7}, false}};
  EXPECT_THAT(ReserveCores(pool, {{1}}, kNoLimit), ElementsAre(Cores{2, 6}));
  EXPECT_THAT(ReserveCores(pool, {{3}}, kNoLimit), ElementsAre(Cores{1, 2, 5, 6, 7}));
  EXPECT_THAT(ReserveCores(pool, {{1, {4, 7}}}, kNoLimit), ElementsAre(Cores{7})) << "local";
  EXPECT_THAT(ReserveCores(pool, {{1}}, 1), ElementsAre(Cores{7})) << "there is room for no other";
}

}  // namespace
}  // namespace torchlap::host
