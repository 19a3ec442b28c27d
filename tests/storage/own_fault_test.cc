#include "storage/own_fault.h"

#include <gmock/gmock.h>

#include <optional>

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

constexpr uint64_t kMib = 1048576;
constexpr uint64_t kGib = 1024 * kMib;

struct Case {
  const char* what;
  std::optional<uint64_t> total;
  std::optional<uint64_t> foreign;
  std::optional<uint64_t> free;
  std::optional<uint64_t> asked;
  bool is_own;
};

const Case kCases[] = {
    {"nobody else is known of", 80 * kGib, std::nullopt, 10 * kMib, 20 * kMib, true},
    {"nobody else", 80 * kGib, 0, 10 * kMib, 20 * kMib, true},
    {"a MIG instance's own", 10 * kGib, 13 * kMib, 10 * kMib, 20 * kMib, true},
    {"a display", 24 * kGib, 512 * kMib, 10 * kMib, 20 * kMib, true},
    {"more than the whole device would have had", 24 * kGib, 8 * kGib, kGib, 10 * kGib, true},
    {"as much as they hold, and what was free", 24 * kGib, 8 * kGib, kGib, 9 * kGib, false},
    {"a neighbour has it", 24 * kGib, 8 * kGib, 10 * kMib, 20 * kMib, false},
    {"a limit of the run itself", 24 * kGib, 8 * kGib, 4 * kGib, 2 * kGib, true},
    {"a small device's neighbour", 4 * kGib, 600 * kMib, 10 * kMib, 20 * kMib, false},
    {"a small device's display", 4 * kGib, 500 * kMib, 10 * kMib, 20 * kMib, true},
    {"a handle that says no size", 24 * kGib, 8 * kGib, 10 * kMib, std::nullopt, false},
    {"nothing but a neighbour is known", std::nullopt, 8 * kGib, std::nullopt, std::nullopt, false},
    {"a CPU device", 16 * kGib, std::nullopt, kGib, 2 * kGib, true}};

v1::Failure FailureOf(const Case& each) {
  v1::Failure failure;
  if (each.total) failure.set_total_bytes(*each.total);
  if (each.foreign) failure.set_foreign_bytes(*each.foreign);
  if (each.free) failure.set_free_bytes(*each.free);
  if (each.asked) failure.set_asked_bytes(*each.asked);
  return failure;
}

class OwnFaultTest : public StoreTest {};

TEST_F(OwnFaultTest, IsWhatTheDeviceWouldNotHaveHadWithoutOthers) {
  for (const Case& each : kCases) EXPECT_EQ(IsOwnFault(FailureOf(each)), each.is_own) << each.what;
}

TEST_F(OwnFaultTest, IsTheSameInTheDatabase) {
  for (const Case& each : kCases) {
    FinishedRun finished =
        Ended(Start(SubmitOne(MakeJob("small", 8, 256))), v1::OUTCOME_OUT_OF_MEMORY);
    *finished.run.mutable_failure() = FailureOf(each);
    Finish(finished, JobFailed("no memory"));
    const std::string where =
        " FROM run WHERE job_id = " + std::to_string(finished.run.job_id()) + " AND ";
    EXPECT_EQ(SelectInt("SELECT count(*)" + where + kOwnFaultSql), each.is_own ? 1 : 0)
        << each.what;
  }
}

TEST_F(OwnFaultTest, AloneRulesOutSizesOfASweep) {
  for (const Case& each : kCases) {
    const Submitted sweep = Submit({MakeJob("small", 8, 256), MakeJob("small", 16, 256)});
    FinishedRun finished = Ended(Start(sweep.job_ids[0]), v1::OUTCOME_OUT_OF_MEMORY);
    *finished.run.mutable_failure() = FailureOf(each);
    Finish(finished, JobFailed("no memory"));
    const auto found = jobs_->OutOfMemoryInSweep(sweep.job_ids[1], cpu0_.uuid, 16, 256);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->has_value(), each.is_own) << each.what;
  }
}

TEST_F(OwnFaultTest, AloneIsTheFrontierOfAFit) {
  const auto fit = [&](uint32_t batch, v1::Outcome outcome, const v1::Failure& failure) {
    NewJob job = MakeJob("small", batch, 256);
    job.spec.set_purpose(v1::PURPOSE_FIT);
    FinishedRun finished = Ended(Start(SubmitOne(job)), outcome);
    *finished.run.mutable_failure() = failure;
    Finish(finished, LaunchDone());
  };
  const v1::Run asked = Start(SubmitOne(MakeJob("small", 32, 256))).run;
  fit(8, v1::OUTCOME_OK, {});
  const Case neighbour = {"", 24 * kGib, 8 * kGib, 10 * kMib, 20 * kMib, false};
  fit(16, v1::OUTCOME_OUT_OF_MEMORY, FailureOf(neighbour));
  EXPECT_FALSE(runs_->FindFrontier(asked)->has_value());
  const Case display = {"", 24 * kGib, 512 * kMib, 10 * kMib, 20 * kMib, true};
  fit(24, v1::OUTCOME_OUT_OF_MEMORY, FailureOf(display));
  const auto frontier = *runs_->FindFrontier(asked);
  ASSERT_TRUE(frontier.has_value());
  EXPECT_EQ(frontier->too_big_batch_size, 24u);
  EXPECT_EQ(frontier->batch_size, 8u);
}

}  // namespace
}  // namespace torchlap::storage
