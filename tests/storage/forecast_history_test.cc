#include "storage/forecast_history.h"

#include <functional>
#include <string>
#include <vector>

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class ForecastHistoryTest : public StoreTest {
 protected:
  using Ending = std::function<void(FinishedRun*)>;

  void Run(
      const NewJob& job = MakeJob(), const Ending& ending = [](FinishedRun*) {}) {
    FinishedRun finished = Ended(Start(SubmitOne(job)));
    finished.run.set_actual_warmup_steps(5);
    finished.run.set_actual_measure_steps(10);
    finished.run.set_validity(v1::VALIDITY_CLEAN);
    ending(&finished);
    Finish(finished, finished.run.outcome() == v1::OUTCOME_OK ? LaunchDone() : JobFailed("it did"));
  }
  void RunOut(uint32_t batch, uint64_t foreign_bytes = 0) {
    Run(MakeJob("small", batch, 256), [foreign_bytes](FinishedRun* finished) {
      finished->run.set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
      finished->run.mutable_failure()->set_foreign_bytes(foreign_bytes);
      finished->run.mutable_failure()->set_total_bytes(uint64_t{16} << 30);
    });
  }
  std::vector<PastLaunch> Past(const NewJob& job = MakeJob(), const std::string& only_owner = "") {
    auto past = ReadPastLaunches(*database_, {job.workload_hash}, only_owner);
    EXPECT_TRUE(past.ok()) << past.status();
    return past.ok() ? (*past)[job.workload_hash] : std::vector<PastLaunch>();
  }
  std::vector<std::string> PastIds(const NewJob& job = MakeJob(),
                                   const std::string& only_owner = "") {
    std::vector<std::string> ids;
    for (const PastLaunch& launch : Past(job, only_owner)) ids.push_back(launch.run_id);
    return ids;
  }
  std::vector<PastShortage> Shortages(const std::string& only_owner = "") {
    const auto shortages = ReadPastShortages(*database_, cpu0_.uuid, only_owner);
    EXPECT_TRUE(shortages.ok()) << shortages.status();
    return shortages.ok() ? *shortages : std::vector<PastShortage>();
  }
};

TEST_F(ForecastHistoryTest, LaunchesOfAWorkloadComeNewestFirstWithWhatTheyWere) {
  Run(MakeJob(), [](FinishedRun* finished) {
    finished->run.set_series_key("series");
    finished->run.set_environment_hash("old");
    finished->environment.emplace().set_kernel("6.1");
    finished->run.mutable_memory()->set_peak_reserved_bytes(500);
    finished->run.mutable_memory()->set_first_step_peak_reserved_bytes(700);
  });
  Run();
  Run(MakeJob("medium"));
  EXPECT_THAT(PastIds(), ElementsAre("2.1", "1.1"));
  const PastLaunch launch = Past().back();
  EXPECT_EQ(launch.series_key, "series");
  EXPECT_EQ(launch.environment_hash, "old");
  EXPECT_EQ(launch.device_uuid, cpu0_.uuid);
  EXPECT_EQ(launch.purpose, v1::PURPOSE_MEASURE);
  EXPECT_EQ(launch.validity, v1::VALIDITY_CLEAN);
  EXPECT_EQ(launch.duration_ns, 1'000'000'000);
  EXPECT_EQ(launch.step_mean_ns, 31e6);
  EXPECT_EQ(launch.warmup_steps, 5U);
  EXPECT_EQ(launch.measure_steps, 10U);
  EXPECT_FALSE(launch.target_precision.has_value());
  EXPECT_EQ(launch.peak_bytes, 700U);
  EXPECT_EQ(Past().front().environment_hash, "");
  EXPECT_EQ(Past().front().peak_bytes, 0U);
}

TEST_F(ForecastHistoryTest, InvalidAndImportedAndFailedRunsAndThoseOfAnotherAreNoLaunches) {
  Run();
  Run();
  Run();
  RunToEnd(MakeJob(), v1::OUTCOME_CRASHED);
  Break("UPDATE run SET invalid_reason = 'the fan' WHERE job_id = 1");
  Break("UPDATE job SET host = 'other' WHERE id = 2");
  EXPECT_THAT(PastIds(), ElementsAre("3.1"));
  EXPECT_THAT(PastIds(MakeJob(), ann_.principal), ElementsAre("3.1"));
  EXPECT_THAT(PastIds(MakeJob(), bob_.principal), IsEmpty());
}

// Its series is that of the smaller size, which nobody asked for.
TEST_F(ForecastHistoryTest, ARunThatShrankIsNoneOfTheSizeThatWasAskedFor) {
  Run(MakeJob("small", 8, 256), [](FinishedRun* finished) {
    v1::Workload* workload = finished->run.mutable_workload();
    workload->mutable_transformer_lm()->set_batch_size(4);
    finished->run.set_workload_hash(HashOf(*workload));
    finished->workload_canonical = "canonical " + finished->run.workload_hash();
  });
  EXPECT_THAT(PastIds(MakeJob("small", 8, 256)), IsEmpty());
  EXPECT_THAT(PastIds(MakeJob("small", 4, 256)), IsEmpty());
}

TEST_F(ForecastHistoryTest, TimesOfADeviceAreThoseOfAllItsModels) {
  Run();
  Run(MakeJob("medium"));
  const auto times = ReadPastTimes(*database_, cpu0_.uuid, "");
  ASSERT_TRUE(times.ok()) << times.status();
  ASSERT_THAT(*times, SizeIs(2));
  EXPECT_EQ(times->front().model.d_model(), 1024U);
  EXPECT_EQ(times->back().model.d_model(), 768U);
  EXPECT_EQ(times->front().model.batch_size(), 4U);
  EXPECT_EQ(times->front().model.precision(), v1::PRECISION_FP32);
  EXPECT_EQ(times->front().steps, 15U);
  EXPECT_EQ(times->front().step_mean_ns, 31e6);
  EXPECT_EQ(times->front().duration_ns, 1'000'000'000);
  EXPECT_THAT(*ReadPastTimes(*database_, cpu1_.uuid, ""), IsEmpty());
  EXPECT_THAT(*ReadPastTimes(*database_, cpu0_.uuid, bob_.principal), IsEmpty());
}

TEST_F(ForecastHistoryTest, ShortagesAreThoseByOnesOwnFault) {
  RunOut(8);
  RunOut(16, uint64_t{15} << 30);  // others had the memory
  RunOut(32);
  const std::vector<PastShortage> shortages = Shortages();
  ASSERT_THAT(shortages, SizeIs(2));
  EXPECT_EQ(shortages[0].run_id, "3.1");
  EXPECT_EQ(shortages[0].model.batch_size(), 32U);
  EXPECT_EQ(shortages[1].model.batch_size(), 8U);
  EXPECT_EQ(shortages[1].model.context_length(), 256U);
  EXPECT_EQ(shortages[1].total_bytes, uint64_t{16} << 30);
  EXPECT_EQ(shortages[1].memory_fraction, 1);
  EXPECT_THAT(Shortages(bob_.principal), IsEmpty());
}

TEST_F(ForecastHistoryTest, TheNewestEnvironmentIsThatOfTheNewestRunThatToldOne) {
  const auto newest = [&] {
    const auto environment = ReadNewestEnvironment(*database_, cpu0_);
    EXPECT_TRUE(environment.ok()) << environment.status();
    return environment.ok() && *environment ? (*environment)->kernel() : "none";
  };
  EXPECT_EQ(newest(), "none");
  for (const char* kernel : {"6.1", "6.2", "6.3"}) {
    Run(MakeJob(), [kernel](FinishedRun* finished) {
      finished->run.set_environment_hash(kernel);
      finished->environment.emplace().set_kernel(kernel);
    });
  }
  Run();
  EXPECT_EQ(newest(), "6.3");
  Break("UPDATE job SET host = 'other' WHERE id = 3");
  EXPECT_EQ(newest(), "6.2");
  EXPECT_FALSE(ReadNewestEnvironment(*database_, cpu1_)->has_value());
}

}  // namespace
}  // namespace torchlap::storage
