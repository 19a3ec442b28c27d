// Columns of runs as tables for people have them.
#include "client/format/column_cells.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/column_list.h"
#include "client/format/format.h"
#include "client/format/runs.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/printed.h"

namespace torchlap::client {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::vector<RunColumn> Columns(const std::string& names) {
  const auto columns = ParseColumns(names);
  EXPECT_TRUE(columns.ok()) << columns.status();
  return columns.ok() ? *columns : std::vector<RunColumn>();
}

std::string Listed(const std::vector<v1::Run>& runs, const std::string& names,
                   const format::Format& format = format::kTable) {
  return Printed(format, format::ListRuns(runs, Columns(names)));
}

std::string Exported(const std::vector<v1::Run>& cells, const std::string& names) {
  return Printed(format::kTable, format::ShowColumns(cells, Columns(names), nullptr));
}

// Its median is known to half a per cent.
v1::Run PreciseRun() {
  v1::Run run = SmallRun();
  run.mutable_step()->set_median_ns(482'303'125);
  run.mutable_step()->set_median_low_ns(480'300'000);
  run.mutable_step()->set_median_high_ns(484'300'000);
  return run;
}

TEST(ChosenColumns, EndWhereTheirNoiseBegins) {
  const std::string names = "model_size,step_median_ms,step_mean_ms,step_std_ms,tokens_per_s";
  EXPECT_EQ(Listed({PreciseRun()}, names),
            "| model size | step median (ms) | step mean (ms) | step std (ms) | tokens/s |\n"
            "|------------|------------------|----------------|---------------|----------|\n"
            "| small      | 482.3            | 458            | 16            | 2235     |\n");
  EXPECT_THAT(Listed({PreciseRun()}, names, format::kCsv),
              HasSubstr("\nsmall,482.303125,458.25,15.5,"));
}

TEST(ChosenColumns, SayWhyThereIsNoNumber) {
  v1::Run queued = SmallRun();
  queued.clear_outcome();
  queued.clear_threads();
  queued.set_job_state(v1::JOB_STATE_QUEUED);
  const std::string table =
      Listed({SmallRun(), OutOfMemoryRun(), SkippedRun(), queued},
             "model_size,step_median_ms,peak_allocated_bytes,device_total_bytes,threads");
  for (const char* row :
       {"| model size | step median (ms) | peak allocated (MiB) | device total (MiB) | threads |\n",
        "| small      | 458              | 1781                 | -                  | 2       |\n",
        "| large      | OOM              | OOM                  | 15259              | -       |\n",
        "| 2.7B       | skipped          | skipped              | 15259              | -       |\n",
        "| small      | queued           | queued               | -                  | -       "
        "|\n"}) {
    EXPECT_THAT(table, HasSubstr(row));
  }
}

TEST(ChosenColumns, OfAFailureAreItsOwn) {
  EXPECT_THAT(Listed({OutOfMemoryRun(), SmallRun()}, "outcome,failure_phase,failure_free_bytes"),
              AllOf(HasSubstr("| OUT_OF_MEMORY | backward      | 410 "),
                    HasSubstr("| OK            | -             | - ")));
}

TEST(ChosenColumns, ThatAreNotMeasuredKeepAllTheirDigits) {
  v1::Run run = SmallRun();
  run.mutable_plan()->set_seed(12'345'678'901'234'567'890U);
  run.set_job_id(9'007'199'254'740'993);
  EXPECT_THAT(Listed({run}, "seed,job_id,started_at,labels"),
              HasSubstr("| 12345678901234567890 | 9007199254740993 | "
                        "2026-01-31T12:00:00.123456Z | card=A,B;why=say \"hi\" |\n"));
  run.clear_labels();
  EXPECT_THAT(Listed({run}, "labels"), HasSubstr("| -      |\n"));
}

TEST(ChosenColumns, MarkWhatIsNotAsAskedForAndExplainItBelow) {
  v1::Run clean = PreciseRun();
  clean.set_validity(v1::VALIDITY_CLEAN);
  v1::Run disturbed = DisturbedRun();
  disturbed.set_run_id("30.1");
  const std::vector<v1::Run> runs = {clean, ShrunkRun(), disturbed, OutOfMemoryRun()};
  const std::string table = Listed(runs, "run_id,batch_size,step_median_ms");
  EXPECT_THAT(table, HasSubstr("| 17.1   | 4          | 482.3            |\n"));
  EXPECT_THAT(table, HasSubstr("| 19.2   | 2          | 4810 (a)         |\n"));
  EXPECT_THAT(table, HasSubstr("| 30.1   | 4          | 458 (b)          |\n"));
  EXPECT_THAT(table, HasSubstr("| 20.3   | 4          | OOM              |\n"
                               "(a) batch 4 -> 2 (OOM)\n(b) contaminated: foreign-cpu\n"
                               "with 1 contaminated run (--exclude-contaminated leaves it out)\n"));
  EXPECT_THAT(Listed(runs, "run_id,batch_size"),
              AllOf(Not(HasSubstr("(a)")), Not(HasSubstr("contaminated"))));
}

TEST(ChosenColumns, OfATextSayWhatIsSoOfAllCellsAndWhatRanThem) {
  const std::string one = Exported({PreciseRun()}, "step_median_ms");
  EXPECT_THAT(one, StartsWith("cs336-2025, small (128.6M), "));
  EXPECT_THAT(one, HasSubstr("\ncpu0: Example CPU, 4 cores"));
  EXPECT_THAT(Exported({PreciseRun(), OutOfMemoryRun()}, "step_median_ms"),
              AllOf(StartsWith("cs336-2025, "), Not(HasSubstr("128.6M"))));
}

TEST(ChosenColumns, OfNoRunsAreNothing) { EXPECT_EQ(Listed({}, "run_id,step_median_ms"), ""); }

}  // namespace
}  // namespace torchlap::client
