#include "server/rpc/forecast_jobs.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/measure/identity.h"
#include "server/measure/workload_kind.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kGiB = uint64_t{1} << 30;

// One CPU device with 16 GiB, of a machine whose kernel can be changed.
class ForecastJobsTest : public storage::StoreTest {
 protected:
  using Ending = std::function<void(storage::FinishedRun*)>;

  ForecastJobsTest() { devices_ = {Device(cpu0_)}; }

  static host::HostDevice Device(const storage::DeviceIdentity& identity) {
    host::HostDevice device;
    device.name = identity.name;
    device.uuid = identity.uuid;
    device.model = identity.model;
    device.kind = v1::DEVICE_KIND_CPU;
    device.memory_bytes = 16 * kGiB;
    device.threads = 4;
    return device;
  }
  static v1::JobSpec Spec(uint32_t batch = 4, uint32_t launches = 1) {
    v1::JobSpec spec;
    v1::TransformerLm* model = spec.mutable_workload()->mutable_transformer_lm();
    model->set_preset("small");
    model->set_batch_size(batch);
    spec.mutable_plan()->set_launches(launches);
    return spec;
  }
  // What a worker and the daemon tell of a run.
  v1::Environment Environment() const {
    v1::Environment environment;
    environment.set_torch_version("2.11.0");
    environment.set_threads(4);
    environment.set_kernel(kernel_);
    environment.set_environment_hash(measure::EnvironmentHash(environment));
    return environment;
  }
  // 15 steps of 20 ms in 1.3 s, clean. Returns the run.
  std::string Run(
      const v1::JobSpec& spec = Spec(), const Ending& ending = [](storage::FinishedRun*) {}) {
    const auto job = Admit(spec, devices_, ann_);
    EXPECT_TRUE(job.ok()) << job.status();
    storage::FinishedRun finished = storage::Ended(Start(SubmitOne(*job)));
    v1::Run& run = finished.run;
    run.set_duration_ns(1'300'000'000);
    run.mutable_step()->set_mean_ns(20e6);
    run.set_actual_warmup_steps(run.plan().warmup_steps());
    run.set_actual_measure_steps(run.plan().measure_steps());
    run.set_validity(v1::VALIDITY_CLEAN);
    run.set_threads(4);
    run.mutable_memory()->set_peak_reserved_bytes(3 * kGiB);
    finished.environment = Environment();
    run.set_environment_hash(finished.environment->environment_hash());
    ending(&finished);
    run.set_workload_hash(measure::WorkloadHash(run.workload()));
    finished.workload_canonical = measure::CanonicalWorkload(run.workload());
    run.set_series_key(measure::SeriesKey(run));
    Finish(finished,
           run.outcome() == v1::OUTCOME_OK ? storage::LaunchDone() : storage::JobFailed("it did"));
    return run.run_id();
  }
  static Ending RanOut(uint64_t total_bytes = 16 * kGiB) {
    return [total_bytes](storage::FinishedRun* finished) {
      finished->run.set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
      finished->run.mutable_failure()->set_total_bytes(total_bytes);
    };
  }

  absl::Status Answer(const storage::Caller& caller, const v1::ForecastJobsRequest& request,
                      v1::ForecastJobsResponse* response) const {
    const ForecastJobs call(
        database_.get(), jobs_.get(), &devices_,
        [this](const host::HostDevice&) {
          v1::Environment told;
          told.set_kernel(kernel_);
          return told;
        },
        kAnyTimeLimit, [this](const host::HostDevice&) { return foreign_bytes_; });
    return call.Answer(caller, request, response);
  }
  v1::JobForecast Ask(const v1::JobSpec& spec, int64_t since_ns = 1) const {
    return Ask(ann_, spec, since_ns);
  }
  v1::JobForecast Ask(const storage::Caller& caller, const v1::JobSpec& spec,
                      int64_t since_ns = 1) const {
    v1::ForecastJobsRequest request;
    *request.add_jobs() = spec;
    request.set_reuse_since_ns(since_ns);
    v1::ForecastJobsResponse response;
    const absl::Status status = Answer(caller, request, &response);
    EXPECT_TRUE(status.ok()) << status;
    return response.jobs_size() == 1 ? response.jobs(0) : v1::JobForecast();
  }
  std::vector<std::string> Reused(const v1::JobSpec& spec, int64_t since_ns = 1) const {
    const v1::JobForecast forecast = Ask(spec, since_ns);
    EXPECT_EQ(forecast.reusable_run_ids().empty(), forecast.no_reuse() != v1::NO_REUSE_UNSPECIFIED);
    return {forecast.reusable_run_ids().begin(), forecast.reusable_run_ids().end()};
  }

  std::vector<host::HostDevice> devices_;
  std::string kernel_ = "6.1";
  std::optional<uint64_t> foreign_bytes_;
};

TEST_F(ForecastJobsTest, AnswersInTheOrderOfTheJobsFilledAsSubmitWould) {
  v1::ForecastJobsRequest request;
  *request.add_jobs() = Spec(8);
  *request.add_jobs() = Spec(4);
  v1::ForecastJobsResponse response;
  ASSERT_TRUE(Answer(ann_, request, &response).ok());
  ASSERT_EQ(response.jobs_size(), 2);
  EXPECT_EQ(response.jobs(0).spec().workload().transformer_lm().batch_size(), 8U);
  EXPECT_EQ(response.jobs(1).spec().workload().transformer_lm().batch_size(), 4U);
  EXPECT_EQ(response.jobs(1).spec().plan().measure_steps(), 10U);
  EXPECT_EQ(response.jobs(1).parameters(), 128'625'408U);
  EXPECT_EQ(response.jobs(1).device(), "cpu0");
  EXPECT_EQ(response.queue_ns(), 0);
  SubmitOne(storage::MakeJob());
  response.Clear();
  ASSERT_TRUE(Answer(ann_, request, &response).ok());
  EXPECT_FALSE(response.has_queue_ns()) << "what waits is not estimated";
}

TEST_F(ForecastJobsTest, RefusesWhatSubmitRefuses) {
  v1::ForecastJobsRequest request;
  v1::ForecastJobsResponse response;
  EXPECT_EQ(Answer(ann_, request, &response),
            absl::InvalidArgumentError("jobs has 0 entries, must have 1 to 10000"));
  *request.add_jobs() = Spec(0);
  EXPECT_THAT(std::string(Answer(ann_, request, &response).message()),
              HasSubstr("batch_size is 0"));
  *request.mutable_jobs(0) = Spec();
  request.set_reuse_since_ns(-1);
  EXPECT_EQ(Answer(ann_, request, &response),
            absl::InvalidArgumentError("reuse_since_ns is -1, must be 0 or more"));
}

TEST_F(ForecastJobsTest, OfAnEmptyHistoryArithmeticAloneIsKnown) {
  const v1::JobForecast forecast = Ask(Spec());
  EXPECT_GE(forecast.needed_bytes(), measure::ResidentBytes(forecast.spec().workload()));
  EXPECT_EQ(forecast.device_bytes(), 16 * kGiB);
  EXPECT_EQ(forecast.fit(), v1::FIT_BY_ARITHMETIC);
  EXPECT_FALSE(forecast.has_peak_bytes());
  EXPECT_FALSE(forecast.has_duration_ns());
  EXPECT_EQ(forecast.time_basis(), v1::TIME_BASIS_UNSPECIFIED);
  EXPECT_EQ(forecast.no_reuse(), v1::NO_REUSE_NONE);
  EXPECT_EQ(Ask(Spec(), 0).no_reuse(), v1::NO_REUSE_UNSPECIFIED) << "nobody asked";
}

TEST_F(ForecastJobsTest, WhatMustBeHeldAndExceedsTheDeviceCannotFit) {
  devices_[0].memory_bytes = kGiB / 2;
  EXPECT_EQ(Ask(Spec()).fit(), v1::FIT_TOO_LARGE);
  devices_[0].memory_bytes = 0;
  EXPECT_EQ(Ask(Spec()).fit(), v1::FIT_UNSPECIFIED);
  EXPECT_FALSE(Ask(Spec()).has_device_bytes());
}

TEST_F(ForecastJobsTest, WhatIdleHoldersHaveIsNotThere) {
  devices_[0].kind = v1::DEVICE_KIND_CUDA;
  const uint64_t needed = Ask(Spec()).needed_bytes();
  devices_[0].memory_bytes = needed + kGiB / 16;
  EXPECT_EQ(Ask(Spec()).fit(), v1::FIT_BY_ARITHMETIC);
  foreign_bytes_ = kGiB / 8;
  EXPECT_EQ(Ask(Spec()).fit(), v1::FIT_TOO_LARGE);
  EXPECT_EQ(Ask(Spec()).device_bytes(), needed - kGiB / 16);
  // A fraction is one of the whole device.
  v1::JobSpec half = Spec();
  half.mutable_plan()->set_memory_fraction(0.5);
  EXPECT_EQ(Ask(half).device_bytes(), devices_[0].memory_bytes / 2);
  half.mutable_plan()->set_memory_fraction(0.999);
  EXPECT_EQ(Ask(half).device_bytes(), needed - kGiB / 16);
  foreign_bytes_ = kGiB;
  EXPECT_EQ(Ask(Spec()).device_bytes(), devices_[0].memory_bytes) << "a neighbour is waited for";
}

TEST_F(ForecastJobsTest, ASizeThatRanThereFits) {
  Run();
  const std::string largest = Run(Spec(), [](storage::FinishedRun* finished) {
    finished->run.mutable_memory()->set_peak_reserved_bytes(4 * kGiB);
  });
  const v1::JobForecast forecast = Ask(Spec());
  EXPECT_EQ(forecast.fit(), v1::FIT_RAN);
  EXPECT_EQ(forecast.peak_bytes(), 4 * kGiB);
  EXPECT_EQ(forecast.memory_run_id(), largest);
  EXPECT_EQ(Ask(Spec(8)).fit(), v1::FIT_BY_ARITHMETIC) << "of another size nothing is known";
  devices_[0] = Device(cpu1_);
  EXPECT_EQ(Ask(Spec()).fit(), v1::FIT_BY_ARITHMETIC) << "nor of another device";
}

TEST_F(ForecastJobsTest, ASizeNoSmallerThanOneThatRanOutDoesNotFit) {
  const std::string run = Run(Spec(8), RanOut());
  for (const uint32_t batch : {8U, 16U}) {
    const v1::JobForecast forecast = Ask(Spec(batch));
    EXPECT_EQ(forecast.fit(), v1::FIT_RAN_OUT);
    EXPECT_EQ(forecast.memory_run_id(), run);
  }
  EXPECT_EQ(Ask(Spec(4)).fit(), v1::FIT_BY_ARITHMETIC);
  v1::JobSpec half = Spec(16);
  half.mutable_workload()->mutable_transformer_lm()->set_precision(v1::PRECISION_BF16);
  EXPECT_EQ(Ask(half).fit(), v1::FIT_BY_ARITHMETIC) << "it computes something else";
  Run(Spec(8));
  EXPECT_EQ(Ask(Spec(8)).fit(), v1::FIT_RAN) << "the newer is believed";
}

TEST_F(ForecastJobsTest, WhatRanOutOfLessMemorySaysNothing) {
  Run(Spec(8), RanOut(8 * kGiB));
  EXPECT_EQ(Ask(Spec(8)).fit(), v1::FIT_BY_ARITHMETIC);
}

TEST_F(ForecastJobsTest, TheTimeOfRunsOfTheSeriesIsCorrectedForTheSteps) {
  Run();
  Run();
  v1::JobSpec spec = Spec(4, 3);
  spec.mutable_plan()->set_measure_steps(95);
  const v1::JobForecast forecast = Ask(spec);
  // 1 s beside 100 steps of 20 ms, three times.
  EXPECT_EQ(forecast.duration_ns(), 3 * (1'000'000'000 + int64_t{100} * 20'000'000));
  EXPECT_EQ(forecast.time_basis(), v1::TIME_BASIS_SERIES);
  EXPECT_EQ(forecast.time_runs(), 2U);
  spec.mutable_plan()->set_trace(true);
  EXPECT_EQ(Ask(spec).duration_ns(), 4 * (1'000'000'000 + int64_t{100} * 20'000'000));
}

TEST_F(ForecastJobsTest, RunsWithOtherWarmUpAreOfTheSameWorkload) {
  Run();
  v1::JobSpec warm = Spec();
  warm.mutable_plan()->set_warmup_steps(90);
  const v1::JobForecast forecast = Ask(warm);
  EXPECT_EQ(forecast.duration_ns(), 1'000'000'000 + int64_t{100} * 20'000'000);
  EXPECT_EQ(forecast.time_basis(), v1::TIME_BASIS_SERIES);
  EXPECT_EQ(forecast.time_runs(), 1U);
}

TEST_F(ForecastJobsTest, HowLongAJobTakesThatEndsByItselfIsKnownFromSuchRunsAlone) {
  Run();
  v1::JobSpec target = Spec();
  target.mutable_plan()->set_target_precision(0.01);
  EXPECT_EQ(Ask(target).time_basis(), v1::TIME_BASIS_SCALED) << "as many steps as at the least";
  Run(target, [](storage::FinishedRun* finished) {
    finished->run.set_actual_measure_steps(95);
    finished->run.set_duration_ns(3'000'000'000);
  });
  const v1::JobForecast forecast = Ask(target);
  EXPECT_EQ(forecast.time_basis(), v1::TIME_BASIS_SERIES);
  EXPECT_GT(forecast.duration_ns(), 2'000'000'000);
}

TEST_F(ForecastJobsTest, OtherSizesOnTheDeviceAreScaledByFlops) {
  Run();
  const v1::JobForecast forecast = Ask(Spec(8));
  EXPECT_EQ(forecast.time_basis(), v1::TIME_BASIS_SCALED);
  EXPECT_EQ(forecast.time_runs(), 1U);
  EXPECT_NEAR(static_cast<double>(forecast.duration_ns()), 1e9 + 15 * 40e6, 1e3);
  v1::JobSpec fit = Spec(8);
  fit.set_purpose(v1::PURPOSE_FIT);
  EXPECT_FALSE(Ask(fit).has_duration_ns()) << "nobody knows how many sizes it tries";
}

TEST_F(ForecastJobsTest, NoRunIsThoughtToTakeLongerThanItMay) {
  Run();
  v1::JobSpec spec = Spec();
  spec.mutable_plan()->set_measure_steps(1'000'000);
  spec.mutable_plan()->set_time_limit_ns(60'000'000'000);
  EXPECT_EQ(Ask(spec).duration_ns(), 60'000'000'000);
}

TEST_F(ForecastJobsTest, TheNewestCleanRunsOfTheSeriesAnswerAJobOneForEachLaunch) {
  Run();
  const std::string second = Run();
  const std::string third = Run();
  EXPECT_THAT(Reused(Spec()), ElementsAre(third));
  EXPECT_THAT(Reused(Spec(4, 2)), ElementsAre(third, second));
  EXPECT_THAT(Reused(Spec(4, 4)), IsEmpty());
  EXPECT_EQ(Ask(Spec(4, 4)).no_reuse(), v1::NO_REUSE_LAUNCHES);
  EXPECT_EQ(Ask(Spec(), now_ns_ + 1).no_reuse(), v1::NO_REUSE_NONE) << "too old";
}

TEST_F(ForecastJobsTest, RunsThatAreNotCleanOrShorterOrOfAnotherSeriesAnswerNothing) {
  Run(Spec(),
      [](storage::FinishedRun* finished) { finished->run.set_validity(v1::VALIDITY_UNVERIFIED); });
  Run(Spec(), [](storage::FinishedRun* finished) { finished->run.set_actual_measure_steps(9); });
  Run(Spec(), [](storage::FinishedRun* finished) { finished->run.set_threads(2); });
  v1::JobSpec warm = Spec();
  warm.mutable_plan()->set_warmup_steps(50);
  Run(warm);
  Run(Spec(), RanOut());
  EXPECT_THAT(Reused(Spec()), IsEmpty());
  EXPECT_EQ(Ask(Spec()).no_reuse(), v1::NO_REUSE_NONE);
  const std::string longer = Run(
      Spec(), [](storage::FinishedRun* finished) { finished->run.set_actual_measure_steps(20); });
  EXPECT_THAT(Reused(Spec()), ElementsAre(longer));
  Break("UPDATE run SET invalid_reason = 'the fan' WHERE outcome = 1");
  EXPECT_THAT(Reused(Spec()), IsEmpty());
}

TEST_F(ForecastJobsTest, AJobWithATargetIsAnsweredByRunsThatHadAsNarrowAOne) {
  v1::JobSpec wide = Spec();
  wide.mutable_plan()->set_target_precision(0.02);
  v1::JobSpec narrow = Spec();
  narrow.mutable_plan()->set_target_precision(0.01);
  Run();
  const std::string run = Run(wide);
  EXPECT_THAT(Reused(wide), ElementsAre(run));
  EXPECT_THAT(Reused(narrow), IsEmpty());
  EXPECT_THAT(Reused(Spec()), ElementsAre(run));
}

TEST_F(ForecastJobsTest, OnlyMeasurementsWithoutATraceAreReused) {
  Run();
  v1::JobSpec traced = Spec();
  traced.mutable_plan()->set_trace(true);
  EXPECT_EQ(Ask(traced).no_reuse(), v1::NO_REUSE_PURPOSE);
  v1::JobSpec warmup = Spec();
  warmup.set_purpose(v1::PURPOSE_WARMUP);
  EXPECT_EQ(Ask(warmup).no_reuse(), v1::NO_REUSE_PURPOSE);
}

TEST_F(ForecastJobsTest, ARunOfAnotherEnvironmentIsNotReusedAndItIsSaidWhatChanged) {
  const std::string old = Run();
  kernel_ = "6.2";
  v1::JobForecast forecast = Ask(Spec());
  EXPECT_THAT(forecast.reusable_run_ids(), IsEmpty());
  EXPECT_EQ(forecast.no_reuse(), v1::NO_REUSE_ENVIRONMENT);
  ASSERT_EQ(forecast.environment_changes_size(), 1);
  EXPECT_EQ(forecast.environment_changes(0).name(), "kernel");
  EXPECT_EQ(forecast.environment_changes(0).before(), "6.1");
  EXPECT_EQ(forecast.environment_changes(0).after(), "6.2");
  const std::string newest = Run();
  EXPECT_THAT(Reused(Spec()), ElementsAre(newest));
  EXPECT_EQ(Ask(Spec(4, 2)).no_reuse(), v1::NO_REUSE_LAUNCHES);
  kernel_ = "6.1";
  EXPECT_THAT(Reused(Spec()), ElementsAre(old)) << "it is as it was";
}

// What a worker tells is known from the newest run alone.
TEST_F(ForecastJobsTest, ANewerWorkerMakesEarlierRunsThoseOfAnotherEnvironment) {
  Run();
  Run(Spec(8), [](storage::FinishedRun* finished) {
    finished->environment->set_torch_version("2.12.0");
    finished->environment->set_environment_hash(measure::EnvironmentHash(*finished->environment));
    finished->run.set_environment_hash(finished->environment->environment_hash());
  });
  const v1::JobForecast forecast = Ask(Spec());
  EXPECT_EQ(forecast.no_reuse(), v1::NO_REUSE_ENVIRONMENT);
  ASSERT_EQ(forecast.environment_changes_size(), 1);
  EXPECT_EQ(forecast.environment_changes(0).name(), "torch");
}

TEST_F(ForecastJobsTest, ImportedRunsAreOfAnotherMachine) {
  Run();
  Break("UPDATE job SET host = 'other'");
  const v1::JobForecast forecast = Ask(Spec());
  EXPECT_EQ(forecast.no_reuse(), v1::NO_REUSE_NONE);
  EXPECT_EQ(forecast.fit(), v1::FIT_BY_ARITHMETIC);
  EXPECT_FALSE(forecast.has_duration_ns());
}

TEST_F(ForecastJobsTest, OfSeveralDevicesThatIsMeantWhoseRunsAnswer) {
  const std::string run = Run();
  devices_ = {Device(cpu1_), Device(cpu0_)};
  const v1::JobForecast answered = Ask(Spec());
  EXPECT_THAT(answered.reusable_run_ids(), ElementsAre(run));
  EXPECT_EQ(answered.device(), "cpu0");
  EXPECT_EQ(Ask(Spec(8)).device(), "") << "either may take it";
  v1::JobSpec named = Spec();
  named.set_device("cpu1");
  EXPECT_EQ(Ask(named).no_reuse(), v1::NO_REUSE_NONE);
  EXPECT_EQ(Ask(named).device(), "cpu1");
}

TEST_F(ForecastJobsTest, InAPrivateDaemonOnlyOnesOwnRunsAreHistory) {
  Run();
  Run(Spec(8), RanOut());
  storage::Caller stranger = bob_;
  stranger.sees_all = false;
  const v1::JobForecast forecast = Ask(stranger, Spec());
  EXPECT_EQ(forecast.no_reuse(), v1::NO_REUSE_NONE);
  EXPECT_EQ(forecast.memory_run_id(), "");
  EXPECT_FALSE(forecast.has_duration_ns());
  EXPECT_EQ(Ask(stranger, Spec(8)).fit(), v1::FIT_BY_ARITHMETIC);
  storage::Caller owner = ann_;
  owner.sees_all = false;
  EXPECT_EQ(Ask(owner, Spec()).reusable_run_ids_size(), 1);
  EXPECT_EQ(Ask(bob_, Spec()).reusable_run_ids_size(), 1) << "everywhere else all is everyone's";
}

// Many more than are asked for in one transaction.
TEST_F(ForecastJobsTest, EachOfManyWorkloadsFindsItsOwnRun) {
  v1::ForecastJobsRequest request;
  request.set_reuse_since_ns(1);
  std::vector<std::string> runs;
  for (uint32_t batch = 1; batch <= 220; ++batch) {
    *request.add_jobs() = Spec(batch);
    runs.push_back(batch % 10 == 0 ? Run(Spec(batch)) : "");
  }
  v1::ForecastJobsResponse response;
  ASSERT_TRUE(Answer(ann_, request, &response).ok());
  ASSERT_EQ(response.jobs_size(), 220);
  for (int i = 0; i < response.jobs_size(); ++i) {
    const auto& ids = response.jobs(i).reusable_run_ids();
    EXPECT_EQ(ids.empty() ? "" : ids[0], runs[static_cast<size_t>(i)]);
  }
}

}  // namespace
}  // namespace torchlap::rpc
