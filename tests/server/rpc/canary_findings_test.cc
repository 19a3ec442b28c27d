#include "server/rpc/canary_findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/rpc/doctor.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

constexpr int64_t kHourNs = int64_t{3600} * 1'000'000'000;
constexpr int64_t kDayNs = 24 * kHourNs;

// One every six hours; runs 1.1, 2.1, ...
std::vector<storage::SeriesPoint> Points(const std::vector<double>& times) {
  std::vector<storage::SeriesPoint> points;
  for (const double time : times) {
    storage::SeriesPoint& point = points.emplace_back();
    point.series = 1;
    point.run = static_cast<int64_t>(points.size());
    point.run_id = std::to_string(points.size()) + ".1";
    point.started_at_ns = static_cast<int64_t>(points.size()) * 6 * kHourNs;
    point.median_ns = time;
    point.validity = v1::VALIDITY_CLEAN;
  }
  return points;
}

// 1 % to and fro around the level.
std::vector<double> Level(double level, int count) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) times.push_back(level * (i % 2 == 0 ? 0.995 : 1.005));
  return times;
}

std::vector<double> Joined(std::vector<double> a, const std::vector<double>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::optional<v1::Finding> Judge(const std::vector<storage::SeriesPoint>& points) {
  return JudgeCanaries(points,
                       [](const std::set<std::string>&) { return storage::EnvironmentsByHash(); });
}

TEST(JudgeCanaries, OfFewRunsItIsSaidHowManyThereAre) {
  EXPECT_FALSE(Judge({}));
  std::vector<storage::SeriesPoint> points = Points(Level(100, 4));
  points[1].validity = v1::VALIDITY_CONTAMINATED;
  const auto finding = Judge(points);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->code(), v1::FINDING_CANARY);
  EXPECT_EQ(finding->severity(), v1::SEVERITY_NOTE);
  EXPECT_EQ(finding->runs(), 3U);
  EXPECT_EQ(finding->detail(), "1");
  EXPECT_EQ(finding->expected(), "5");
  EXPECT_EQ(finding->at_ns(), 4 * 6 * kHourNs);
  EXPECT_EQ(Judge(Points(Level(100, 4)))->detail(), "") << "none was disturbed";
  EXPECT_EQ(Judge(Points(Level(100, 5)))->severity(), v1::SEVERITY_OK);
}

TEST(JudgeCanaries, OneThatKeepsItsLevelIsSteady) {
  const auto finding = Judge(Points(Level(100, 20)));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->code(), v1::FINDING_CANARY);
  EXPECT_EQ(finding->severity(), v1::SEVERITY_OK);
  EXPECT_EQ(finding->runs(), 20U);
  EXPECT_EQ(finding->at_ns(), 6 * kHourNs);
  EXPECT_FALSE(finding->has_ratio());
}

TEST(JudgeCanaries, AStepIsANoteWithWhatChanged) {
  std::vector<storage::SeriesPoint> points = Points(Joined(Level(100, 10), Level(120, 10)));
  for (size_t i = 0; i < points.size(); ++i) points[i].environment_hash = i < 10 ? "old" : "new";
  const auto finding = JudgeCanaries(points, [](const std::set<std::string>& hashes) {
    EXPECT_EQ(hashes, (std::set<std::string>{"old", "new"}));
    storage::EnvironmentsByHash environments;
    environments["old"].set_driver_version("580.65");
    environments["new"].set_driver_version("580.82");
    return environments;
  });
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->code(), v1::FINDING_CANARY_STEP);
  EXPECT_EQ(finding->severity(), v1::SEVERITY_NOTE);
  EXPECT_NEAR(finding->ratio(), 1.2, 0.02);
  EXPECT_EQ(finding->run_id(), "11.1");
  EXPECT_EQ(finding->at_ns(), 11 * 6 * kHourNs);
  EXPECT_EQ(finding->detail(), "driver 580.65 -> 580.82");
  EXPECT_FALSE(finding->has_runs());
}

TEST(JudgeCanaries, OfSeveralStepsTheNewestIsTold) {
  const auto finding =
      Judge(Points(Joined(Joined(Level(100, 10), Level(120, 10)), Level(100, 10))));
  ASSERT_TRUE(finding);
  EXPECT_NEAR(finding->ratio(), 100.0 / 120, 0.02);
  EXPECT_EQ(finding->run_id(), "21.1");
  EXPECT_EQ(finding->detail(), "");
}

TEST(JudgeCanaries, ContaminatedRunsDoNotCount) {
  std::vector<storage::SeriesPoint> points = Points(Joined(Level(100, 10), Level(120, 10)));
  for (size_t i = 10; i < points.size(); ++i) points[i].validity = v1::VALIDITY_CONTAMINATED;
  const auto finding = Judge(points);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->code(), v1::FINDING_CANARY);
  EXPECT_EQ(finding->runs(), 10U);
}

TEST(JudgeCanaries, AnotherVersionBeginsAnew) {
  std::vector<storage::SeriesPoint> points = Points(Joined(Level(100, 10), Level(300, 6)));
  for (size_t i = 10; i < points.size(); ++i) points[i].series = 2;
  const auto finding = Judge(points);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->code(), v1::FINDING_CANARY);
  EXPECT_EQ(finding->runs(), 6U);
  EXPECT_EQ(finding->at_ns(), 11 * 6 * kHourNs);
}

class CanaryFindingTest : public storage::StoreTest {
 protected:
  void Run(v1::Purpose purpose, double median_ns, v1::Outcome outcome = v1::OUTCOME_OK) {
    storage::NewJob job = storage::MakeJob();
    job.spec.set_purpose(purpose);
    storage::FinishedRun finished = storage::Ended(Start(SubmitOne(job)), outcome);
    finished.run.mutable_step()->set_median_ns(median_ns);
    finished.run.set_validity(v1::VALIDITY_CLEAN);
    Finish(finished, storage::LaunchDone());
  }
  std::optional<v1::Finding> Ask(const std::string& uuid, int64_t now_ns) {
    const auto finding = CanaryFinding(*database_, *runs_, uuid, now_ns);
    EXPECT_TRUE(finding.ok()) << finding.status();
    return finding.ok() ? *finding : std::nullopt;
  }
};

TEST_F(CanaryFindingTest, IsOfTheCanariesOfTheDeviceAlone) {
  for (int i = 0; i < 8; ++i) Run(v1::PURPOSE_CANARY, 100e6);
  for (int i = 0; i < 8; ++i) Run(v1::PURPOSE_MEASURE, 200e6);
  const auto finding = Ask("CPU-0", now_ns_);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->code(), v1::FINDING_CANARY);
  EXPECT_EQ(finding->runs(), 8U);
  EXPECT_FALSE(Ask("CPU-1", now_ns_));
}

TEST_F(CanaryFindingTest, ThatNoneEndedWellIsSaid) {
  EXPECT_FALSE(Ask("CPU-0", now_ns_)) << "none ran";
  for (int i = 0; i < 3; ++i) Run(v1::PURPOSE_CANARY, 100e6, v1::OUTCOME_CRASHED);
  const auto finding = Ask("CPU-0", now_ns_);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->code(), v1::FINDING_CANARY);
  EXPECT_EQ(finding->severity(), v1::SEVERITY_NOTE);
  EXPECT_EQ(finding->runs(), 0U);
  EXPECT_GT(finding->at_ns(), 0);
  EXPECT_FALSE(Ask("CPU-1", now_ns_));
  EXPECT_FALSE(Ask("CPU-0", now_ns_ + 91 * kDayNs)) << "what is old is no news";
}

TEST_F(CanaryFindingTest, WhatIsOldIsNoNews) {
  for (int i = 0; i < 8; ++i) Run(v1::PURPOSE_CANARY, 100e6);
  EXPECT_TRUE(Ask("CPU-0", now_ns_ + 89 * kDayNs));
  EXPECT_FALSE(Ask("CPU-0", now_ns_ + 91 * kDayNs));
}

TEST(DoctorOfCanaries, NamesTheDevice) {
  MachineFacts facts;
  v1::Device& device = facts.devices.emplace_back();
  device.set_name("cpu0");
  device.set_uuid("CPU-0");
  device.set_kind(v1::DEVICE_KIND_CPU);
  facts.canaries["CPU-0"].set_code(v1::FINDING_CANARY_STEP);
  facts.canaries["CPU-9"].set_code(v1::FINDING_CANARY);
  std::vector<std::string> devices;
  for (const v1::Finding& finding : Examine(facts)) {
    EXPECT_NE(finding.code(), v1::FINDING_CANARY) << "of a device that is not there";
    if (finding.code() == v1::FINDING_CANARY_STEP) devices.push_back(finding.device());
  }
  EXPECT_THAT(devices, testing::ElementsAre("cpu0"));
}

}  // namespace
}  // namespace torchlap::rpc
