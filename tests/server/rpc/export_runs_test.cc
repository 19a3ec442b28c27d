#include "server/rpc/export_runs.h"

#include <SQLiteCpp/Database.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "server/rpc/compare_warmups.h"
#include "storage/run_words.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::ElementsAre;

class ExportRunsTest : public storage::StoreTest {
 protected:
  // One run of a launch, with a median, `bad` when it was contaminated and shall be tried again.
  void Run(uint64_t job_id, uint32_t launch, double median_ms, bool bad = false) {
    storage::FinishedRun finished = storage::Ended(Start(job_id, launch));
    finished.run.mutable_step()->set_mean_ns(median_ms * 1e6);
    finished.run.mutable_step()->set_median_ns(median_ms * 1e6);
    finished.run.set_validity(bad ? v1::VALIDITY_CONTAMINATED : v1::VALIDITY_CLEAN);
    Finish(finished, bad ? storage::TryAgain(4, 256) : storage::LaunchDone());
  }
  std::vector<v1::Run> Rows(v1::RowKind kind, bool exclude_contaminated = false) {
    v1::ExportRunsRequest request;
    request.mutable_filter()->set_exclude_contaminated(exclude_contaminated);
    request.set_rows(kind);
    std::vector<v1::Run> rows;
    const absl::Status status = Export(request, [&](const v1::ExportRunsResponse& part) {
      rows.insert(rows.end(), part.rows().begin(), part.rows().end());
      return true;
    });
    EXPECT_TRUE(status.ok()) << status;
    return rows;
  }
  // Messages as their reader sees them.
  absl::Status Export(const v1::ExportRunsRequest& request,
                      const Sink<v1::ExportRunsResponse>& sink) {
    const auto send = [&sink](const v1::ExportRunsResponse& part) {
      v1::ExportRunsResponse received;
      EXPECT_TRUE(received.ParseFromString(part.SerializeAsString()));
      EXPECT_TRUE(received.GetReflection()->GetUnknownFields(received).empty());
      return sink(received);
    };
    return ExportRuns(jobs_.get(), runs_.get()).Stream(ann_, request, send);
  }
  // Of the jobs of all rows.
  std::vector<std::string> States(const v1::ExportRunsRequest& request) {
    std::vector<std::string> states;
    const absl::Status status = Export(request, [&](const v1::ExportRunsResponse& part) {
      for (const v1::Run& row : part.rows()) {
        states.push_back(v1::JobState_Name(row.job_state()).substr(10));
      }
      return true;
    });
    EXPECT_TRUE(status.ok()) << status;
    return states;
  }
  std::vector<std::string> Cells() {
    std::vector<std::string> texts;
    for (const v1::Run& row : Rows(v1::ROW_KIND_CELL)) {
      texts.push_back(std::to_string(row.job_id()) + ": " +
                      std::to_string(std::lround(row.step().mean_ns() / 1e6)) + " ms over " +
                      std::to_string(row.pooled_launches()) + ", " +
                      v1::Validity_Name(row.validity()).substr(9));
    }
    return texts;
  }
};

TEST_F(ExportRunsTest, ContaminatedTriesAreNoLaunchesOfACell) {
  const uint64_t one = SubmitOne(storage::MakeJob());
  for (const double median : {740, 406, 444}) Run(one, 0, median, /*bad=*/true);
  Run(one, 0, 440);
  const uint64_t three = SubmitOne(storage::MakeJob("small", 3));
  Run(three, 0, 900, /*bad=*/true);
  Run(three, 0, 440);
  Run(three, 1, 450);
  Run(three, 2, 460);
  const uint64_t plain = SubmitOne(storage::MakeJob());
  Run(plain, 0, 500);
  EXPECT_THAT(Cells(), ElementsAre("1: 440 ms over 0, CLEAN", "2: 450 ms over 3, CLEAN",
                                   "3: 500 ms over 0, CLEAN"));
  EXPECT_EQ(Rows(v1::ROW_KIND_RUN).size(), 9U) << "no try is hidden";
}

TEST_F(ExportRunsTest, ALadderWithAContaminatedResultIsNotOutOfMemoryWhereThatIsLeftOut) {
  const uint64_t laddered = SubmitOne(storage::MakeJob());
  storage::FinishedRun failed = storage::Ended(Start(laddered, 0), v1::OUTCOME_OUT_OF_MEMORY);
  Finish(failed, storage::TryAgain(2, 256));
  storage::FinishedRun contaminated = storage::Ended(Start(laddered, 0));
  contaminated.run.set_validity(v1::VALIDITY_CONTAMINATED);
  Finish(contaminated, storage::LaunchDone());
  const uint64_t plain = SubmitOne(storage::MakeJob());
  Run(plain, 0, 500);
  const std::vector<v1::Run> all = Rows(v1::ROW_KIND_CELL);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].validity(), v1::VALIDITY_CONTAMINATED);
  const std::vector<v1::Run> quiet = Rows(v1::ROW_KIND_CELL, /*exclude_contaminated=*/true);
  ASSERT_EQ(quiet.size(), 1U);
  EXPECT_EQ(quiet[0].job_id(), plain);
  // An attempt is a row of its own among runs.
  EXPECT_EQ(Rows(v1::ROW_KIND_RUN, /*exclude_contaminated=*/true).size(), 2U);
}

TEST_F(ExportRunsTest, AnInvalidResultLeavesNothingOfItsLaunchInACell) {
  const uint64_t laddered = SubmitOne(storage::MakeJob());
  storage::FinishedRun failed = storage::Ended(Start(laddered, 0), v1::OUTCOME_OUT_OF_MEMORY);
  Finish(failed, storage::TryAgain(2, 256));
  Run(laddered, 0, 500);
  const uint64_t three = SubmitOne(storage::MakeJob("small", 3));
  Run(three, 0, 900, /*bad=*/true);
  for (const uint32_t launch : {0U, 1U, 2U}) Run(three, launch, 440 + 10 * launch);
  const auto declare = [&](const std::string& run_id) {
    v1::RunFilter filter;
    filter.mutable_selector()->add_run_ids(run_id);
    EXPECT_TRUE(storage::RunWords(database_.get()).Invalidate(filter, {}, "fan", ann_).ok());
  };
  declare("1.2");
  declare("2.2");  // the good try of launch 0
  EXPECT_THAT(Cells(), ElementsAre("2: 455 ms over 2, CLEAN"));
  EXPECT_EQ(Rows(v1::ROW_KIND_RUN).size(), 4U) << "each is a row of its own among runs";
  v1::ExportRunsRequest request;
  request.set_rows(v1::ROW_KIND_CELL);
  request.mutable_filter()->set_include_invalid(true);
  EXPECT_EQ(States(request).size(), 2U);
  request.mutable_filter()->set_include_invalid(false);
  request.mutable_filter()->mutable_selector()->add_run_ids("1.2");
  EXPECT_EQ(States(request).size(), 1U) << "by its own name";
}

TEST_F(ExportRunsTest, ACellOfMoreRunsThanABatchIsOneRow) {
  const uint64_t job = SubmitOne(storage::MakeJob("small", 130));
  for (uint32_t launch = 0; launch < 130; ++launch) Run(job, launch, 400 + launch);
  Run(SubmitOne(storage::MakeJob()), 0, 1);
  EXPECT_THAT(Cells(), ElementsAre("1: 465 ms over 130, CLEAN", "2: 1 ms over 0, CLEAN"));
}

TEST_F(ExportRunsTest, EachSizeThatAFitTriedIsARowOfItsOwn) {
  storage::NewJob fit = storage::MakeJob("small", 4);
  fit.spec.set_purpose(v1::PURPOSE_FIT);
  const uint64_t job = SubmitOne(fit);
  for (uint32_t launch = 0; launch < 4; ++launch) {
    storage::FinishedRun finished = storage::Ended(Start(job, launch));
    finished.run.mutable_workload()->mutable_transformer_lm()->set_context_length(
        launch == 3 ? 1024 : 512);
    Finish(finished, storage::LaunchDone());
  }
  const std::vector<v1::Run> rows = Rows(v1::ROW_KIND_CELL);
  ASSERT_EQ(rows.size(), 4U) << "also where sizes came again";
  for (const v1::Run& row : rows) EXPECT_EQ(row.pooled_launches(), 0U) << row.run_id();
}

TEST_F(ExportRunsTest, ACellThatHasNotEndedIsARowInBothKinds) {
  const storage::Submitted sweep =
      Submit({storage::MakeJob(), storage::MakeJob(), storage::MakeJob()});
  Run(sweep.job_ids[1], 0, 440);
  ASSERT_TRUE(jobs_->Cancel({sweep.job_ids[2]}, ann_, ++now_ns_).ok());
  for (const v1::RowKind kind : {v1::ROW_KIND_RUN, v1::ROW_KIND_CELL}) {
    v1::ExportRunsRequest request;
    request.set_rows(kind);
    request.mutable_filter()->mutable_selector()->set_last(true);
    EXPECT_THAT(States(request), ElementsAre("SUCCEEDED"));
    request.set_with_unfinished(true);
    EXPECT_THAT(States(request), ElementsAre("QUEUED", "SUCCEEDED", "CANCELLED"));
    request.mutable_filter()->mutable_selector()->Clear();
    request.mutable_filter()->mutable_selector()->set_all(true);
    EXPECT_THAT(States(request), ElementsAre("SUCCEEDED")) << "all names no jobs";
  }
}

TEST_F(ExportRunsTest, SamplesFollowTheRowOfTheirRunInSmallMessages) {
  Run(SubmitOne(storage::MakeJob()), 0, 1);
  const uint64_t second = SubmitOne(storage::MakeJob());
  storage::FinishedRun longer = storage::Ended(Start(second));
  longer.samples.Clear();
  for (int64_t step = 0; step < 25'000; ++step) {
    longer.samples.add_start_ns(step);
    longer.samples.add_step_ns(step);
  }
  Finish(longer, storage::LaunchDone());
  v1::ExportRunsRequest request;
  request.set_with_samples(true);
  std::vector<std::string> messages;
  ASSERT_TRUE(Export(request, [&](const v1::ExportRunsResponse& part) {
                messages.push_back((part.rows_size() > 0 ? part.rows(0).run_id() : "-") + " " +
                                   std::to_string(part.samples().first_step()) + "+" +
                                   std::to_string(part.samples().step_ns_size()));
                return true;
              }).ok());
  EXPECT_THAT(messages, ElementsAre("1.1 0+2", "2.1 0+10000", "- 10000+10000", "- 20000+5000"));
  request.set_rows(v1::ROW_KIND_CELL);
  EXPECT_TRUE(
      absl::IsInvalidArgument(Export(request, [](const v1::ExportRunsResponse&) { return true; })));
}

TEST_F(ExportRunsTest, AReaderThatIsGoneEndsTheStream) {
  Run(SubmitOne(storage::MakeJob()), 0, 1);
  v1::ExportRunsRequest request;
  const auto gone = [](const v1::ExportRunsResponse&) { return false; };
  EXPECT_TRUE(absl::IsCancelled(Export(request, gone)));
  request.set_with_samples(true);
  EXPECT_TRUE(absl::IsCancelled(Export(request, gone)));
  request.Clear();
  request.set_rows(v1::ROW_KIND_CELL);
  EXPECT_TRUE(absl::IsCancelled(Export(request, gone)));
}

TEST_F(ExportRunsTest, WhatCannotBeReadIsCountedInEveryFormAndTheRestIsSent) {
  const char* losses[] = {"UPDATE run SET asked_workload_id = 99 WHERE id = 2",
                          "UPDATE job SET spec = x'ff' WHERE id = 2",
                          "UPDATE sample SET steps = x'ff' WHERE run_id = 2"};
  for (const char* loss : losses) {
    SCOPED_TRACE(loss);
    for (int i = 0; i < 3; ++i) Run(SubmitOne(storage::MakeJob()), 0, 1);
    {
      SQLite::Database raw(file_.string(), SQLite::OPEN_READWRITE, 10'000);
      raw.exec("PRAGMA foreign_keys = OFF");
      raw.exec(loss);
    }
    const bool of_samples = std::string(loss).find("sample") != std::string::npos;
    v1::ExportRunsRequest runs;
    v1::ExportRunsRequest samples;
    samples.set_with_samples(true);
    v1::ExportRunsRequest cells;
    cells.set_rows(v1::ROW_KIND_CELL);
    for (const v1::ExportRunsRequest& request : {runs, samples, cells}) {
      int rows = 0;
      uint64_t unreadable = 0;
      const absl::Status status = Export(request, [&](const v1::ExportRunsResponse& part) {
        rows += part.rows_size();
        unreadable += part.unreadable_rows();
        return true;
      });
      EXPECT_TRUE(status.ok()) << status;
      const bool is_lost = !of_samples || request.with_samples();
      EXPECT_EQ(rows, is_lost ? 2 : 3);
      EXPECT_EQ(unreadable, is_lost ? 1U : 0U);
    }
    std::filesystem::remove(file_);
    for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(file_.string() + suffix);
    Reopen();
  }
}

TEST_F(ExportRunsTest, AWarmupSweepComparesTheLastTryOfEachCell) {
  storage::NewJob cell = storage::MakeJob();
  cell.spec.set_purpose(v1::PURPOSE_WARMUP);
  const storage::Submitted sweep = Submit({cell, cell});
  Run(sweep.job_ids[0], 0, 740, /*bad=*/true);
  Run(sweep.job_ids[0], 0, 440);
  Run(sweep.job_ids[1], 0, 450);
  v1::CompareWarmupsRequest request;
  request.set_sweep_id(sweep.sweep_id);
  v1::CompareWarmupsResponse response;
  ASSERT_TRUE(CompareWarmups(jobs_.get(), runs_.get()).Answer(ann_, request, &response).ok());
  ASSERT_EQ(response.runs_size(), 2);
  EXPECT_EQ(response.runs(0).run_id(), "1.2");
  EXPECT_EQ(response.runs(1).run_id(), "2.1");
  const auto declare = [&](uint64_t job_id) {
    storage::JobFilter job;
    job.job_ids = {job_id};
    EXPECT_TRUE(storage::RunWords(database_.get()).Invalidate({}, job, "fan", ann_).ok());
  };
  declare(sweep.job_ids[0]);
  ASSERT_TRUE(CompareWarmups(jobs_.get(), runs_.get()).Answer(ann_, request, &response).ok());
  ASSERT_EQ(response.runs_size(), 1);
  EXPECT_EQ(response.runs(0).run_id(), "2.1");
  declare(sweep.job_ids[1]);
  EXPECT_EQ(CompareWarmups(jobs_.get(), runs_.get()).Answer(ann_, request, &response).message(),
            "all finished runs of sweep 1 were declared invalid, must have a valid one");
}

TEST_F(ExportRunsTest, AWarmupSweepIsNotComparedWithoutTheRunsThatCannotBeRead) {
  storage::NewJob cell = storage::MakeJob();
  cell.spec.set_purpose(v1::PURPOSE_WARMUP);
  const storage::Submitted sweep = Submit({cell, cell, cell});
  for (const uint64_t job : sweep.job_ids) Run(job, 0, 440);
  v1::CompareWarmupsRequest request;
  request.set_sweep_id(sweep.sweep_id);
  for (const int lost : {1, 2, 3}) {
    {
      SQLite::Database raw(file_.string(), SQLite::OPEN_READWRITE, 10'000);
      raw.exec("UPDATE job SET spec = x'ff' WHERE id = " + std::to_string(lost));
    }
    v1::CompareWarmupsResponse response;
    EXPECT_EQ(CompareWarmups(jobs_.get(), runs_.get()).Answer(ann_, request, &response),
              absl::DataLossError("sweep 1: " + std::to_string(lost) +
                                  " of its 3 runs of purpose warmup cannot be read, as the "
                                  "database is damaged; torchlapd --check tells more"));
    EXPECT_EQ(response.runs_size(), 0);
  }
}

}  // namespace
}  // namespace torchlap::rpc
