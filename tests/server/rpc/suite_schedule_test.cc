#include "server/rpc/suite_schedule.h"

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/run/run_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kMinuteNs = 60 * kSecondNs;
constexpr int64_t kHourNs = 60 * kMinuteNs;
constexpr int64_t kDayNs = 24 * kHourNs;
constexpr uint32_t kTwo = 120;
// 2023-11-15, UTC, and two o'clock of that day.
constexpr int64_t kMidnightNs = 1'700'006'400 * kSecondNs;
constexpr int64_t kTwoNs = kMidnightNs + 2 * kHourNs;

v1::SuiteTime Daily(uint32_t minute) {
  v1::SuiteTime time;
  time.set_minute_of_day(minute);
  return time;
}

v1::SuiteTime WhenIdle(int64_t idle_ns) {
  v1::SuiteTime time;
  time.set_idle_ns(idle_ns);
  return time;
}

// A daemon with the device cpu0, which runs nothing by itself. The clock says 00:16:40 of its first
// day, UTC.
class SuiteScheduleTest : public run::RunTest {
 protected:
  void SetUp() override {
    RunTest::SetUp();
    AdvanceTo(kMidnightNs + 1000 * kSecondNs);
    std::vector<std::unique_ptr<run::Place>> places;
    places.push_back(Place("cpu0"));
    fleet_.emplace(std::move(places), Setting());
    files_.emplace(std::vector<std::filesystem::path>{file_});
    health_.emplace(&*files_, &*fleet_);
    suites_.emplace(database_.get());
    Restart();
  }
  void TearDown() override {
    schedule_.reset();
    submit_.reset();
    admitting_.reset();
    health_.reset();
    fleet_.reset();
    RunTest::TearDown();
  }

  // As a daemon that starts.
  void Restart() {
    schedule_.reset();
    submit_.reset();
    admitting_.emplace(database_.get(), "boot-1", 2, limits_);
    submit_.emplace(&*admitting_, &*fleet_, &hub_, &*health_, &clock_);
    ScheduleSetting setting;
    setting.database = database_.get();
    setting.submit = &*submit_;
    setting.fleet = &*fleet_;
    setting.clock = &clock_;
    setting.owner_of =
        [this](const storage::StoredSuite& suite) -> absl::StatusOr<storage::Caller> {
      if (!owner_.ok()) return owner_;
      return UnchangedOwner(suite);
    };
    setting.utc_offset = [](int64_t) { return int64_t{0}; };
    schedule_.emplace(std::move(setting));
  }

  // Sweeps `a`, `b` ... on these devices, of a job each.
  void Add(const v1::SuiteTime& time, const std::vector<std::string>& devices = {"cpu0"},
           const std::string& name = "night") {
    v1::AddSuiteRequest asked;
    asked.set_name(name);
    *asked.mutable_time() = time;
    for (const std::string& device : devices) {
      v1::SuiteSweep* sweep = asked.add_sweeps();
      sweep->set_name(std::string(1, static_cast<char>('a' + asked.sweeps_size() - 1)));
      v1::JobSpec* job = sweep->add_jobs();
      job->mutable_workload()->mutable_transformer_lm()->set_preset("small");
      job->set_device(device);
      job->set_priority(-100);
      (*job->mutable_labels())["suite"] = name;
    }
    ASSERT_TRUE(suites_->Put(ann_, asked, clock_.WallNs()).ok());
  }
  storage::StoredSuite Only() {
    const auto suites = suites_->List();
    EXPECT_TRUE(suites.ok() && suites->size() == 1);
    return suites.ok() && !suites->empty() ? suites->front() : storage::StoredSuite();
  }
  void AdvanceTo(int64_t wall_ns) { clock_.Advance(wall_ns - clock_.WallNs()); }
  int64_t MonotonicAt(int64_t wall_ns) const {
    return wall_ns - clock_.WallNs() + clock_.MonotonicNs();
  }
  int64_t Sweeps() { return SelectInt("SELECT count(*) FROM sweep"); }
  // All that waits is run to its end, now.
  void RunAll() {
    now_ns_ = clock_.WallNs();
    for (const storage::QueueHead& head : Heads()) {
      Finish(storage::Ended(Start(head.job_id)), storage::LaunchDone());
    }
    if (!Heads().empty()) RunAll();
  }

  absl::Status owner_;
  std::optional<run::DeviceFleet> fleet_;
  std::optional<host::StateFiles> files_;
  std::optional<StorageHealth> health_;
  storage::QueueLimits limits_;
  std::optional<storage::JobStore> admitting_;
  std::optional<SubmitJobs> submit_;
  std::optional<storage::SuiteStore> suites_;
  std::optional<SuiteSchedule> schedule_;
};

TEST_F(SuiteScheduleTest, WithoutASuiteThereIsNothingToLookAt) {
  EXPECT_EQ(schedule_->LookOnce(), Clock::kNever);
}

TEST_F(SuiteScheduleTest, ADailySuiteIsSubmittedAtItsTimeAsItsOwner) {
  Add(Daily(kTwo), {"cpu0", ""});
  EXPECT_EQ(schedule_->LookOnce(), kTwoNs);
  EXPECT_EQ(schedule_->NextTimeOf(Only()), kTwoNs);
  EXPECT_EQ(Sweeps(), 0);
  AdvanceTo(kTwoNs);
  EXPECT_EQ(schedule_->LookOnce(), kTwoNs + kDayNs);
  EXPECT_EQ(Sweeps(), 2);
  EXPECT_EQ(Only().last_at_ns, kTwoNs);
  ASSERT_THAT(Only().last_sweep_ids, SizeIs(2));
  EXPECT_EQ(Only().problem, "");
  const v1::Job first = Get(1);
  EXPECT_EQ(first.sweep_name(), "a");
  EXPECT_EQ(first.user(), "ann");
  EXPECT_EQ(first.sweep_id(), Only().last_sweep_ids[0]);
  EXPECT_EQ(first.spec().priority(), -100);
  EXPECT_EQ(first.spec().labels().at("suite"), "night");
  EXPECT_EQ(Get(2).sweep_name(), "b");
  EXPECT_EQ(schedule_->LookOnce(), kTwoNs + kDayNs);
  EXPECT_EQ(Sweeps(), 2) << "once";
}

TEST_F(SuiteScheduleTest, WhatWasMissedIsMadeUpOnce) {
  Add(Daily(kTwo));
  AdvanceTo(kMidnightNs + 5 * kDayNs + 9 * kHourNs);
  Restart();
  EXPECT_EQ(schedule_->LookOnce(), kTwoNs + 6 * kDayNs);
  EXPECT_EQ(Sweeps(), 1);
}

TEST_F(SuiteScheduleTest, ItDoesNotStartAgainBeforeItsSweepsHaveEnded) {
  Add(Daily(kTwo), {"cpu0", "cpu0"});
  AdvanceTo(kTwoNs);
  schedule_->LookOnce();
  const std::vector<uint64_t> sweeps = Only().last_sweep_ids;
  AdvanceTo(kTwoNs + kDayNs);
  EXPECT_EQ(schedule_->LookOnce(), kTwoNs + 2 * kDayNs);
  EXPECT_EQ(Sweeps(), 2);
  EXPECT_EQ(Only().problem, "sweep:1, sweep:2 of the time before are not finished");
  EXPECT_EQ(Only().last_sweep_ids, sweeps);
  RunAll();
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 2) << "that day is over";
  AdvanceTo(kTwoNs + 2 * kDayNs);
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 4);
  EXPECT_EQ(Only().problem, "");
}

TEST_F(SuiteScheduleTest, ACrashBeforeItsNoteSubmitsNothingTwice) {
  Add(Daily(kTwo), {"cpu0", "cpu0"});
  AdvanceTo(kTwoNs);
  schedule_->LookOnce();
  const std::vector<uint64_t> sweeps = Only().last_sweep_ids;
  // As it was before the note.
  ExecuteSql("UPDATE suite SET last_at_ns = NULL, last_sweeps = NULL");
  Restart();
  clock_.Advance(kHourNs);
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 2);
  EXPECT_EQ(Only().last_sweep_ids, sweeps);
  EXPECT_EQ(Only().last_at_ns, kMidnightNs + 3 * kHourNs);
  EXPECT_EQ(Only().problem, "");
}

TEST_F(SuiteScheduleTest, ACrashBetweenTwoSubmitsLeavesTheRestToTheNextDaemon) {
  Add(Daily(kTwo), {"cpu0", "cpu0"});
  AdvanceTo(kTwoNs);
  schedule_->LookOnce();
  const uint64_t first = Only().last_sweep_ids.at(0);
  // As it was when the first alone was there.
  Break("DELETE FROM launch WHERE sweep_id > " + std::to_string(first));
  Break("DELETE FROM label WHERE job_id IN (SELECT id FROM job WHERE sweep_id > " +
        std::to_string(first) + ")");
  for (const char* table :
       {"job WHERE sweep_id", "sweep WHERE id", "sweep_to_judge WHERE sweep_id"}) {
    Break(std::string("DELETE FROM ") + table + " > " + std::to_string(first));
  }
  ExecuteSql("UPDATE suite SET last_at_ns = NULL, last_sweeps = NULL");
  Restart();
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 2);
  EXPECT_EQ(Only().last_sweep_ids.at(0), first);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job"), 2);
}

TEST_F(SuiteScheduleTest, EachTimeIsAnother) {
  Add(Daily(kTwo));
  for (int day = 0; day < 3; ++day) {
    AdvanceTo(kTwoNs + day * kDayNs);
    schedule_->LookOnce();
    EXPECT_EQ(Sweeps(), day + 1);
    RunAll();
  }
  // Replaced within the same minute: it begins anew.
  Add(Daily(kTwo + 1));
  clock_.Advance(kMinuteNs);
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 4);
}

TEST_F(SuiteScheduleTest, WhatIsRefusedIsItsProblem) {
  Add(Daily(kTwo), {"cpu0", "cuda", "cpu0"});
  AdvanceTo(kTwoNs);
  EXPECT_EQ(schedule_->LookOnce(), kTwoNs + kDayNs);
  EXPECT_EQ(Only().problem,
            "1 of 3 sweeps submitted; b: device `cuda`: no CUDA device was found; this "
            "daemon has: cpu0");
  EXPECT_EQ(Sweeps(), 1);
  EXPECT_EQ(Only().last_at_ns, kTwoNs);
}

TEST_F(SuiteScheduleTest, AnOwnerWhoIsGoneIsItsProblem) {
  Add(Daily(kTwo));
  AdvanceTo(kTwoNs);
  owner_ = absl::FailedPreconditionError("uid:1000 is no account now");
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 0);
  EXPECT_EQ(Only().problem, "uid:1000 is no account now");
  EXPECT_EQ(Only().last_at_ns, kTwoNs);
}

TEST_F(SuiteScheduleTest, WhatMayPassIsTriedAgain) {
  Add(Daily(kTwo));
  AdvanceTo(kTwoNs);
  owner_ = absl::UnavailableError("the server of names does not answer");
  EXPECT_EQ(schedule_->LookOnce(), kTwoNs + SuiteSchedule::kAskAgainNs);
  EXPECT_EQ(Only().last_at_ns, 0);
  owner_ = absl::OkStatus();
  clock_.Advance(SuiteSchedule::kAskAgainNs);
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 1);
}

// A job of another user fills all but one place.
TEST_F(SuiteScheduleTest, AFullQueueIsWaitedForAndNothingIsSubmittedTwice) {
  limits_.launches = 2;
  Restart();
  SubmitOne(storage::MakeJob());
  Add(Daily(kTwo), {"cpu0", "cpu0"});
  AdvanceTo(kTwoNs);
  EXPECT_EQ(schedule_->LookOnce(), kTwoNs + SuiteSchedule::kAskAgainNs);
  EXPECT_EQ(Sweeps(), 2);
  EXPECT_THAT(Only().problem, HasSubstr("waits: 2 launches are queued"));
  EXPECT_EQ(Only().last_at_ns, 0);
  clock_.Advance(kDayNs);
  Restart();
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 2);
  RunAll();
  clock_.Advance(SuiteSchedule::kAskAgainNs);
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 3);
  EXPECT_EQ(Only().problem, "");
  EXPECT_EQ(Only().last_sweep_ids, (std::vector<uint64_t>{2, 3}));
}

TEST_F(SuiteScheduleTest, WhatNeverFitsIsNotWaitedFor) {
  limits_.launches = 2;
  Restart();
  v1::AddSuiteRequest asked;
  asked.set_name("night");
  *asked.mutable_time() = Daily(kTwo);
  for (const int jobs : {1, 3}) {
    v1::SuiteSweep* sweep = asked.add_sweeps();
    sweep->set_name(absl::StrCat("of", jobs));
    for (int i = 0; i < jobs; ++i) *sweep->add_jobs() = storage::MakeJob().spec;
  }
  ASSERT_TRUE(suites_->Put(ann_, asked, clock_.WallNs()).ok());
  AdvanceTo(kTwoNs);
  EXPECT_EQ(schedule_->LookOnce(), kTwoNs + kDayNs);
  EXPECT_EQ(Sweeps(), 1);
  EXPECT_EQ(Only().last_at_ns, kTwoNs);
  EXPECT_THAT(Only().problem, HasSubstr("1 of 2 sweeps submitted; of3: 0 launches are queued and "
                                        "3 launches (3 jobs) are asked for, must be at most 2"));
}

TEST_F(SuiteScheduleTest, ADaemonThatStopsNotesNothing) {
  Add(Daily(kTwo));
  AdvanceTo(kTwoNs);
  submit_->Refuse();
  schedule_->LookOnce();
  EXPECT_EQ(Only().last_at_ns, 0);
  EXPECT_EQ(Only().problem, "");
  Restart();
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 1);
}

TEST_F(SuiteScheduleTest, ADamagedOneIsItsProblemAndKeepsNoOtherFromRunning) {
  Add(Daily(kTwo), {"cpu0"}, "a");
  Add(Daily(kTwo), {"cpu0"}, "b");
  ExecuteSql("UPDATE suite SET asked = x'ffff' WHERE name = 'a'");
  AdvanceTo(kTwoNs);
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 1);
  EXPECT_THAT(SelectText("SELECT problem FROM suite WHERE name = 'a'"),
              HasSubstr("cannot be read"));
}

TEST_F(SuiteScheduleTest, AnIdleSuiteWaitsUntilItsDeviceHasRested) {
  SubmitOne(storage::MakeJob());
  Add(WhenIdle(10 * kMinuteNs));
  const int64_t begin_ns = clock_.WallNs();
  EXPECT_EQ(schedule_->LookOnce(), begin_ns + 10 * kMinuteNs) << "not earlier than it can be";
  clock_.Advance(10 * kMinuteNs);
  RunAll();
  const int64_t end_ns = SelectInt("SELECT max(started_at_ns + duration_ns) FROM run");
  AdvanceTo(end_ns);
  EXPECT_EQ(schedule_->LookOnce(), end_ns + 10 * kMinuteNs);
  AdvanceTo(end_ns + 10 * kMinuteNs);
  const int64_t again_ns = schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 2);
  EXPECT_EQ(again_ns, end_ns + 10 * kMinuteNs + kDayNs) << "once a day, unless told otherwise";
  RunAll();
  clock_.Advance(kHourNs);
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 2);
  AdvanceTo(again_ns);
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 3);
}

TEST_F(SuiteScheduleTest, TwoIdleSuitesDoNotStartAtOnce) {
  Add(WhenIdle(kMinuteNs), {"cpu0"}, "a");
  Add(WhenIdle(kMinuteNs), {"cpu0"}, "b");
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 1);
  RunAll();
  clock_.Advance(2 * kMinuteNs);
  schedule_->LookOnce();
  EXPECT_EQ(Sweeps(), 2);
}

TEST_F(SuiteScheduleTest, TheThreadSleepsUntilASuiteIsDue) {
  schedule_->Start();
  ASSERT_TRUE(clock_.AwaitSleepUntil(Clock::kNever));
  // At 00:17:00, 20 s from now.
  Add(Daily(17));
  schedule_->Wake();
  const int64_t due_ns = kMidnightNs + 17 * kMinuteNs;
  ASSERT_TRUE(clock_.AwaitSleepUntil(MonotonicAt(due_ns)));
  EXPECT_EQ(Sweeps(), 0);
  AdvanceTo(due_ns);
  ASSERT_TRUE(clock_.AwaitSleepUntil(MonotonicAt(due_ns + SuiteSchedule::kLongestSleepNs)));
  EXPECT_EQ(Sweeps(), 1);
  ASSERT_TRUE(suites_->Remove(ann_, "ann", "night").ok());
  schedule_->Wake();
  ASSERT_TRUE(clock_.AwaitSleepUntil(Clock::kNever));
}

}  // namespace
}  // namespace torchlap::rpc
