#include "server/run/fair_order.h"

#include <gtest/gtest.h>

#include <vector>

namespace torchlap::run {
namespace {

storage::QueueHead Head(uint64_t job_id, int32_t priority, double used_ns, uint64_t position) {
  storage::QueueHead head;
  head.job_id = job_id;
  head.priority = priority;
  head.owner_recent_device_ns = used_ns;
  head.position = position;
  return head;
}

uint64_t Chosen(const std::vector<storage::QueueHead>& heads) {
  const storage::QueueHead* next = ChooseNext(heads);
  return next == nullptr ? 0 : next->job_id;
}

TEST(FairOrder, OfNothingNothingIsNext) { EXPECT_EQ(ChooseNext({}), nullptr); }

TEST(FairOrder, PriorityComesFirst) {
  EXPECT_EQ(Chosen({Head(1, 0, 0, 1), Head(2, 5, 1e12, 9)}), 2U);
  EXPECT_EQ(Chosen({Head(1, -1, 0, 1), Head(2, 0, 1e12, 9)}), 2U);
  EXPECT_EQ(Chosen({Head(1, -100, 0, 1), Head(2, -99, 1, 2)}), 2U);
}

TEST(FairOrder, ThenTheOwnerWhoUsedLeast) {
  EXPECT_EQ(Chosen({Head(1, 0, 1e9, 1), Head(2, 0, 1e8, 9)}), 2U);
  EXPECT_EQ(Chosen({Head(1, 0, 0.5, 1), Head(2, 0, 0.25, 9)}), 2U) << "decayed use is a fraction";
}

TEST(FairOrder, ThenTheEarliestPlace) {
  EXPECT_EQ(Chosen({Head(1, 0, 7, 3), Head(2, 0, 7, 2), Head(3, 0, 7, 4)}), 2U);
}

TEST(FairOrder, TheOrderOfTheHeadsDoesNotMatter) {
  const std::vector<storage::QueueHead> heads = {Head(1, 0, 5, 1), Head(2, 1, 9, 2),
                                                 Head(3, 1, 3, 4), Head(4, 1, 3, 3)};
  EXPECT_EQ(Chosen(heads), 4U);
  EXPECT_EQ(Chosen({heads.rbegin(), heads.rend()}), 4U);
}

}  // namespace
}  // namespace torchlap::run
