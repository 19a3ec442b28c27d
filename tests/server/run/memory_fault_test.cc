#include "server/run/memory_fault.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/own_fault.h"

namespace torchlap::run {
namespace {

constexpr uint64_t kMib = 1048576;
constexpr uint64_t kGib = 1024 * kMib;

v1::MemoryUse AtStart(uint64_t total, uint64_t free, std::optional<uint64_t> foreign) {
  v1::MemoryUse memory;
  memory.set_device_total_bytes(total);
  memory.set_device_free_bytes(free);
  if (foreign) memory.set_device_foreign_bytes(*foreign);
  return memory;
}

v1::Failure Lack(uint64_t total, uint64_t free, uint64_t reserved, uint64_t asked = 0) {
  v1::Failure failure;
  failure.set_total_bytes(total);
  failure.set_free_bytes(free);
  failure.set_reserved_bytes(reserved);
  if (asked > 0) failure.set_asked_bytes(asked);
  failure.set_detail("CUDA out of memory. Tried to allocate 20.00 MiB");
  return failure;
}

TEST(ForeignAtFailure, IsWhatNeitherTheWorkerNorItsContextHolds) {
  // Nobody was there at the start, and nobody came.
  EXPECT_EQ(ForeignAtFailure(AtStart(24 * kGib, 23 * kGib, 0), Lack(24 * kGib, kGib, 22 * kGib)),
            0u);
  // A display of 512 MiB beside a context of as much.
  EXPECT_EQ(
      ForeignAtFailure(AtStart(24 * kGib, 23 * kGib, 512 * kMib), Lack(24 * kGib, kGib, 22 * kGib)),
      512 * kMib);
  // A neighbour who came during the run.
  EXPECT_EQ(ForeignAtFailure(AtStart(24 * kGib, 23 * kGib, 0), Lack(24 * kGib, kGib, 14 * kGib)),
            8 * kGib);
  // One who was there and went while it ran.
  EXPECT_EQ(
      ForeignAtFailure(AtStart(24 * kGib, 15 * kGib, 8 * kGib), Lack(24 * kGib, kGib, 22 * kGib)),
      0u);
}

TEST(ForeignAtFailure, TakesAUsualContextWhereNobodyToldOfOthersAtTheStart) {
  EXPECT_EQ(ForeignAtFailure(AtStart(24 * kGib, 15 * kGib, std::nullopt),
                             Lack(24 * kGib, kGib, 14 * kGib)),
            9 * kGib - 512 * kMib);
  EXPECT_EQ(ForeignAtFailure({}, Lack(24 * kGib, kGib, 22 * kGib)), 512 * kMib);
}

// What others hold, by the worker's numbers, of a device of 80 GiB whose first 30 are reserved and
// the rest is held by its context and by others, when the start seemed to take so much.
uint64_t ForeignWhenTheStartTook(uint64_t taken, uint64_t foreign_before) {
  return ForeignAtFailure(AtStart(80 * kGib, 80 * kGib - foreign_before - taken, foreign_before),
                          Lack(80 * kGib, 0, 30 * kGib))
      .value();
}

TEST(ForeignAtFailure, ANeighbourWhoComesWhileTheWorkerStartsIsNoPartOfItsContext) {
  for (const uint64_t before : {uint64_t{0}, 13 * kMib, 512 * kMib, 8 * kGib}) {
    for (const uint64_t context : {uint64_t{0}, 300 * kMib, kGib, 2 * kGib}) {
      EXPECT_EQ(ForeignWhenTheStartTook(context, before), 50 * kGib - context) << context;
    }
    for (const uint64_t taken : {2 * kGib + 1, 3 * kGib, 20 * kGib, 49 * kGib}) {
      EXPECT_EQ(ForeignWhenTheStartTook(taken, before), 50 * kGib - 512 * kMib) << taken;
    }
  }
}

TEST(ForeignAtFailure, ANeighbourWhoGoesWhileTheWorkerStartsLeavesAUsualContext) {
  // 8 GiB were there before the start, and 600 MiB are held after it.
  EXPECT_EQ(ForeignAtFailure(AtStart(24 * kGib, 24 * kGib - 600 * kMib, 8 * kGib),
                             Lack(24 * kGib, kGib, 22 * kGib)),
            512 * kMib);
}

// An out-of-memory of a worker beside 20 GiB that came while it started.
v1::Failure BesideALateNeighbour(std::optional<uint64_t> foreign_before, uint64_t asked) {
  v1::Failure failure = Lack(80 * kGib, 100 * kMib, 80 * kGib - 21 * kGib, asked);
  const v1::MemoryUse at_start = AtStart(80 * kGib, 59 * kGib, foreign_before);
  failure.set_foreign_bytes(ForeignAtFailure(at_start, failure).value());
  return failure;
}

TEST(ForeignAtFailure, WhatALateNeighbourTookIsNotTheWorkersFault) {
  // With what the driver tells of each process, and without.
  const std::vector<std::optional<uint64_t>> told = {0, 13 * kMib, std::nullopt};
  for (const std::optional<uint64_t>& before : told) {
    EXPECT_FALSE(storage::IsOwnFault(BesideALateNeighbour(before, 2 * kGib)));
    EXPECT_FALSE(storage::IsOwnFault(BesideALateNeighbour(before, 20 * kGib)));
    EXPECT_TRUE(storage::IsOwnFault(BesideALateNeighbour(before, 40 * kGib)))
        << "more than it would have had alone";
  }
}

TEST(ForeignAtFailure, IsNotKnownWithoutTheWorkersNumbers) {
  v1::Failure no_reserve = Lack(16 * kGib, kGib, 0);
  no_reserve.clear_reserved_bytes();
  EXPECT_EQ(ForeignAtFailure(AtStart(16 * kGib, 16 * kGib, 0), no_reserve), std::nullopt);
  EXPECT_EQ(ForeignAtFailure({}, {}), std::nullopt);
}

TEST(RoomForOthers, IsWhatTheyHeldLessWhatWasLacked) {
  v1::Failure failure = Lack(24 * kGib, kGib, 10 * kGib, 4 * kGib);
  failure.set_foreign_bytes(12 * kGib);
  EXPECT_EQ(RoomForOthers(failure), 9 * kGib);
  failure.set_asked_bytes(kGib + 2 * kMib);
  EXPECT_EQ(RoomForOthers(failure), 12 * kGib - 512 * kMib) << "the next allocation would fail";
  failure.clear_asked_bytes();
  EXPECT_EQ(RoomForOthers(failure), 12 * kGib - 512 * kMib);
  failure.set_asked_bytes(100 * kGib);
  EXPECT_EQ(RoomForOthers(failure), 0u);
}

std::vector<host::ForeignProcess> Holding() {
  host::ForeignProcess python;
  python.pid = 4211;
  python.who.name = "python3";
  python.who.user = "ann";
  host::ForeignProcess unnamed;
  unnamed.pid = 812;
  return {python, unnamed};
}

TEST(HoldersOf, AreThreeAtMost) {
  EXPECT_EQ(HoldersOf({}), "");
  EXPECT_EQ(HoldersOf(Holding()), "python3 (pid 4211, ann), pid 812");
  std::vector<host::ForeignProcess> many(5, Holding()[1]);
  EXPECT_EQ(HoldersOf(many), "pid 812, pid 812, pid 812");
}

TEST(OutOfMemoryLine, SaysWhoHoldsTheMemoryAndThatASmallerBatchWouldNotHelp) {
  const std::string holders = HoldersOf(Holding());
  v1::Failure failure = Lack(24 * kGib, 10 * kMib, 10 * kGib, 20 * kMib);
  EXPECT_EQ(OutOfMemoryLine(failure, "cuda:0", holders), failure.detail()) << "its own fault";
  failure.set_foreign_bytes(13 * kGib);
  EXPECT_EQ(OutOfMemoryLine(failure, "cuda:0", holders),
            "out of memory: memory of cuda:0 is held by python3 (pid 4211, ann), pid 812");
  EXPECT_EQ(OutOfMemoryLine(failure, "cuda:0", ""),
            "out of memory: memory of cuda:0 is held by others, who are gone by now");
  failure.set_phase(v1::PHASE_BUILD);
  EXPECT_EQ(OutOfMemoryLine(failure, "cuda:0", holders),
            "out of memory while the model was built, which no smaller batch or context cures: "
            "memory of cuda:0 is held by python3 (pid 4211, ann), pid 812");
  failure.set_foreign_bytes(13 * kMib);
  EXPECT_EQ(OutOfMemoryLine(failure, "cuda:0", holders),
            "out of memory while the model was built, which no smaller batch or context cures: "
            "CUDA out of memory. Tried to allocate 20.00 MiB");
}

}  // namespace
}  // namespace torchlap::run
