#include "storage/filter_limits.h"

#include "storage/sqlite_connection.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

v1::RunFilter WithLabels(int count) {
  v1::RunFilter filter;
  for (int i = 0; i < count; ++i) (*filter.mutable_labels())["k" + std::to_string(i)] = "v";
  return filter;
}

// As many ids, names and words as are allowed.
v1::RunFilter Largest(const std::vector<uint64_t>& some_jobs) {
  v1::RunFilter filter = WithLabels(kMostLabels);
  for (int i = 0; i < kMostNames; ++i) {
    filter.add_model_sizes("size" + std::to_string(i));
    filter.add_devices("device" + std::to_string(i));
    filter.add_users("user" + std::to_string(i));
    filter.add_outcomes(v1::OUTCOME_OK);
  }
  for (int i = 0; i < kMostIds; ++i) {
    filter.mutable_selector()->add_run_ids(std::to_string(some_jobs[0]) + ".1");
  }
  return filter;
}

class FilterLimits : public StoreTest {
 protected:
  absl::Status List(const v1::RunFilter& filter, const JobFilter& selected = {}) {
    return runs_->List(filter, selected, false, 10, "").status();
  }
};

TEST_F(FilterLimits, ATooLargeFieldIsRefusedWithItsName) {
  v1::RunFilter names;
  for (int i = 0; i <= kMostNames; ++i) names.add_devices("cpu" + std::to_string(i));
  v1::RunFilter ids;
  for (int i = 0; i <= kMostIds; ++i) ids.mutable_selector()->add_run_ids("1.1");
  v1::RunFilter words;
  for (int i = 0; i <= kMostNames; ++i) words.add_pass_types(v1::PASS_TYPE_FORWARD);
  EXPECT_EQ(List(WithLabels(1100)),
            absl::InvalidArgumentError("labels has 1100 entries, must have at most 20"));
  EXPECT_EQ(List(names),
            absl::InvalidArgumentError("devices has 101 entries, must have at most 100"));
  EXPECT_EQ(List(ids),
            absl::InvalidArgumentError("run_ids has 100001 entries, must have at most 100000"));
  EXPECT_EQ(List(words),
            absl::InvalidArgumentError("pass_types has 101 entries, must have at most 100"));
  EXPECT_EQ(runs_->Export(WithLabels(21), {}, false, nullptr),
            absl::InvalidArgumentError("labels has 21 entries, must have at most 20"));
}

TEST_F(FilterLimits, ATooLargeSelectorIsRefused) {
  v1::Selector jobs;
  for (int i = 0; i <= kMostIds; ++i) jobs.add_job_ids(1);
  EXPECT_EQ(jobs_->Resolve(jobs, ann_).status(),
            absl::InvalidArgumentError("job_ids has 100001 entries, must have at most 100000"));
  v1::Selector names;
  for (int i = 0; i <= kMostNames; ++i) names.add_sweep_names("s");
  EXPECT_EQ(jobs_->Resolve(names, ann_).status(),
            absl::InvalidArgumentError("sweep_names has 101 entries, must have at most 100"));
}

TEST_F(FilterLimits, TheLargestFilterIsAnswered) {
  const uint64_t job = RunToEnd(MakeJob());
  EXPECT_TRUE(List(Largest({job})).ok());
  JobFilter selected;
  for (uint64_t id = 1; id <= kMostIds; ++id) {
    selected.job_ids.push_back(id);
    selected.sweep_ids.push_back(id);
  }
  EXPECT_TRUE(List(Largest({job}), selected).ok());
  EXPECT_EQ(runs_->List({}, selected, false, 10, "")->runs.size(), 1u);
  EXPECT_EQ(jobs_->List(selected)->size(), 1u);
}

// One `runs` with 1,100 labels and then 198 different ones ended the daemon.
TEST_F(FilterLimits, ARefusedFilterAndManyOthersLeaveTheDatabaseUsable) {
  RunToEnd(MakeJob());
  EXPECT_FALSE(List(WithLabels(1100)).ok());
  for (int i = 0; i < 300; ++i) {
    v1::RunFilter since;
    since.set_since_ns(1000 + i);
    EXPECT_EQ(runs_->List(since, {}, false, 10, "")->runs.size(), 1u);
    JobFilter page;
    page.after_job_id = static_cast<uint64_t>(i);
    EXPECT_TRUE(jobs_->List(page).ok());
  }
}

}  // namespace
}  // namespace torchlap::storage
