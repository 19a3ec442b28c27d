#include "storage/past_medians.h"

#include <limits>
#include <string>
#include <vector>

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kEver = std::numeric_limits<int64_t>::max();

class PastMediansTest : public StoreTest {
 protected:
  // Returns the run's start.
  int64_t Measure(double step_ns, const NewJob& job = MakeJob(),
                  v1::Validity validity = v1::VALIDITY_CLEAN, const std::string& series = "s") {
    FinishedRun finished = Ended(Start(SubmitOne(job)));
    finished.run.mutable_step()->set_median_ns(step_ns);
    finished.run.mutable_forward()->set_median_ns(step_ns / 2);
    finished.run.set_validity(validity);
    finished.run.set_series_key(series);
    Finish(finished, LaunchDone());
    return finished.run.started_at_ns();
  }
  PastMedians Past(const std::string& run_id, int64_t before_ns = kEver,
                   const std::string& only_owner = "") {
    const auto past = ReadPastMedians(*database_, run_id, before_ns, only_owner);
    EXPECT_TRUE(past.ok()) << past.status();
    return past.ok() ? *past : PastMedians();
  }
  std::vector<double> Steps(const std::string& run_id, int64_t before_ns = kEver,
                            const std::string& only_owner = "") {
    return Past(run_id, before_ns, only_owner)[v1::PHASE_UNSPECIFIED];
  }
};

TEST_F(PastMediansTest, AreThoseOfTheSeriesBeforeATimeNewestFirst) {
  Measure(1);
  Measure(2);
  const int64_t third = Measure(3);
  EXPECT_THAT(Steps("1.1"), ElementsAre(3, 2, 1));
  EXPECT_THAT(Steps("3.1", third), ElementsAre(2, 1));
  EXPECT_THAT(Steps("2.1", third + 1), ElementsAre(3, 2, 1));
}

TEST_F(PastMediansTest, LeaveOutWhatIsNoMeasurementOfTheSeries) {
  Measure(1);
  Measure(2, MakeJob(), v1::VALIDITY_CONTAMINATED);
  Measure(3, MakeJob(), v1::VALIDITY_CLEAN, "another series");
  Measure(4, MakeJob("small", 8, 256));
  NewJob fit = MakeJob();
  fit.spec.set_purpose(v1::PURPOSE_FIT);
  Measure(5, fit);
  RunToEnd(MakeJob(), v1::OUTCOME_CRASHED);
  Measure(6, MakeJob(), v1::VALIDITY_SUSPECT);
  EXPECT_THAT(Steps("1.1"), ElementsAre(6, 1));
}

TEST_F(PastMediansTest, AreOfEachPhaseThatWasTimed) {
  Measure(7);
  const PastMedians past = Past("1.1");
  EXPECT_THAT(past[v1::PHASE_UNSPECIFIED], ElementsAre(7));
  EXPECT_THAT(past[v1::PHASE_FORWARD], ElementsAre(3.5));
  EXPECT_THAT(past[v1::PHASE_BACKWARD], IsEmpty());
  EXPECT_THAT(past[v1::PHASE_OPTIMIZER], IsEmpty());
}

TEST_F(PastMediansTest, AreOfTheOwnerAloneWhereOneIsNamed) {
  Measure(1);
  EXPECT_THAT(Steps("1.1", kEver, ann_.principal), ElementsAre(1));
  EXPECT_THAT(Steps("1.1", kEver, bob_.principal), IsEmpty());
}

TEST_F(PastMediansTest, AreTheNewestTwoHundred) {
  for (int i = 0; i < 203; ++i) Measure(i + 1);
  const std::vector<double> steps = Steps("1.1");
  ASSERT_THAT(steps, SizeIs(200));
  EXPECT_EQ(steps.front(), 203);
  EXPECT_EQ(steps.back(), 4);
}

TEST_F(PastMediansTest, OfARunThatIsNotThereAreNone) {
  Measure(1);
  EXPECT_THAT(Steps("9.9"), IsEmpty());
  EXPECT_THAT(Steps("nonsense"), IsEmpty());
}

}  // namespace
}  // namespace torchlap::storage
