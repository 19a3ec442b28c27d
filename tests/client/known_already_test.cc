// `run` and `submit` with --reuse and --dry-run.
#include "client/commands/known_already.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "client/time_words.h"
#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

constexpr int64_t kDayNs = int64_t{86'400} * 1'000'000'000;

// Three cells by batch. The first and the last are answered by runs 9.1 and 8.1.
class KnownAlready : public Commands {
 protected:
  KnownAlready() {
    service_.on_forecast_jobs = [this](const v1::ForecastJobsRequest& request,
                                       v1::ForecastJobsResponse* response) {
      asked_ = request;
      for (int i = 0; i < request.jobs_size(); ++i) {
        v1::JobForecast* job = response->add_jobs();
        if (i < static_cast<int>(known_.size())) *job = known_[static_cast<size_t>(i)];
        *job->mutable_spec() = request.jobs(i);
      }
      return grpc::Status::OK;
    };
    service_.on_export = [](const v1::ExportRunsRequest&) {
      return std::vector<v1::Run>{RowOf(8, 4), RowOf(9, 1), RowOf(17, 2)};
    };
    known_ = {Answered("9.1"), Unanswered(v1::NO_REUSE_NONE), Answered("8.1")};
  }
  static v1::Run RowOf(uint64_t job_id, uint32_t batch) {
    v1::Run run = SmallRun();
    run.set_job_id(job_id);
    run.set_run_id(std::to_string(job_id) + ".1");
    run.set_requested_batch_size(batch);
    run.mutable_workload()->mutable_transformer_lm()->set_batch_size(batch);
    return run;
  }
  static v1::JobForecast Answered(const std::string& run_id) {
    v1::JobForecast forecast;
    forecast.add_reusable_run_ids(run_id);
    return forecast;
  }
  static v1::JobForecast Unanswered(v1::NoReuse why) {
    v1::JobForecast forecast;
    forecast.set_no_reuse(why);
    return forecast;
  }
  int Run(std::vector<std::string> more, const std::string& command = "run") {
    std::vector<std::string> words = {command, "--model-sizes", "small", "--batch-size", "1,2,4"};
    words.insert(words.end(), more.begin(), more.end());
    return Program(words);
  }
  // In the order of the rows of CSV.
  std::vector<std::string> RunIds() const {
    std::vector<std::string> ids;
    std::istringstream lines(out_.str());
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) ids.push_back(line.substr(0, line.find(',')));
    return ids;
  }

  v1::ForecastJobsRequest asked_;
  std::vector<v1::JobForecast> known_;
};

TEST_F(KnownAlready, RunSubmitsOnlyWhatNoRunAnswers) {
  const int64_t before_ns = UnixNowNs();
  EXPECT_EQ(Run({"--reuse", "30d"}), 0) << err_.str();
  EXPECT_GE(asked_.reuse_since_ns(), before_ns - 30 * kDayNs);
  EXPECT_LE(asked_.reuse_since_ns(), UnixNowNs() - 30 * kDayNs);
  EXPECT_EQ(asked_.jobs_size(), 3);
  ASSERT_THAT(service_.submits(), SizeIs(1));
  const v1::SubmitJobsRequest submitted = service_.submits()[0];
  ASSERT_EQ(submitted.jobs_size(), 1);
  EXPECT_EQ(submitted.jobs(0).workload().transformer_lm().batch_size(), 2U);
  EXPECT_TRUE(submitted.jobs(0).oom().batch_is_swept()) << "the sweep is still one of batches";
  EXPECT_THAT(err_.str(), StartsWith("reused 9.1, 8.1 (2 of 3 cells); --reuse 30d\n"
                                     "not reused: 1 no clean run\n"));
}

TEST_F(KnownAlready, OneTableHasAllCellsInTheirOrder) {
  EXPECT_EQ(Run({"--reuse", "30d", "--format", "csv"}), 0) << err_.str();
  EXPECT_THAT(RunIds(), ElementsAre("9.1", "17.1", "8.1"));
  ASSERT_THAT(service_.exports(), Not(IsEmpty()));
  const v1::Selector selector = service_.exports().back().filter().selector();
  EXPECT_THAT(selector.sweep_ids(), ElementsAre(3));
  EXPECT_THAT(selector.run_ids(), ElementsAre("9.1", "8.1"));
  EXPECT_EQ(Run({"--reuse", "30d"}), 0) << err_.str();
  const size_t first = out_.str().find("| 1 ");
  const size_t second = out_.str().find("| 2 ");
  const size_t third = out_.str().find("| 4 ");
  EXPECT_LT(first, second) << out_.str();
  EXPECT_LT(second, third) << out_.str();
  EXPECT_NE(third, std::string::npos);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("reused, not run again (--reuse 30d):"),
                                HasSubstr("(9.1)"), HasSubstr("(8.1)"), Not(HasSubstr("(17.1)"))));
}

TEST_F(KnownAlready, WhereAllIsReusedNothingIsSubmitted) {
  known_[1] = Answered("17.1");
  EXPECT_EQ(Run({"--reuse", "30d", "--format", "csv"}), 0) << err_.str();
  EXPECT_THAT(service_.submits(), IsEmpty());
  EXPECT_THAT(service_.watches(), IsEmpty());
  EXPECT_EQ(err_.str(), "reused 9.1, 17.1, 8.1 (3 of 3 cells); --reuse 30d\n");
  EXPECT_THAT(RunIds(), ElementsAre("9.1", "17.1", "8.1"));
  EXPECT_EQ(service_.exports().back().filter().selector().sweep_ids_size(), 0);
}

TEST_F(KnownAlready, ANameThatNothingGetsIsSaid) {
  known_[1] = Answered("17.1");
  for (const char* command : {"run", "submit"}) {
    EXPECT_EQ(Run({"--reuse", "30d", "--name", "x", "--label", "a=b"}, command), 0) << err_.str();
    EXPECT_THAT(err_.str(), HasSubstr("nothing is run, so nothing is named x or labelled a=b\n"));
    EXPECT_EQ(Run({"--reuse", "30d", "--label", "a=b"}, command), 0) << err_.str();
    EXPECT_THAT(err_.str(), HasSubstr("nothing is run, so nothing is labelled a=b\n"));
  }
  EXPECT_THAT(service_.submits(), IsEmpty());
}

TEST_F(KnownAlready, WhatIsReusedHasBegunBefore) {
  EXPECT_EQ(Run({"--reuse", "2130-01-01"}), 1);
  EXPECT_EQ(err_.str(), "torchlap: --reuse is 2130-01-01, must not be to come\n");
  EXPECT_EQ(Run({"--reuse", "0d"}), 1);
  EXPECT_EQ(err_.str(), "torchlap: --reuse is 0d, must be before now\n");
  EXPECT_THAT(service_.submits(), IsEmpty());
}

TEST_F(KnownAlready, WhatIsNotReusedIsSaidWithItsReason) {
  v1::EnvironmentChange change;
  change.set_name("driver");
  change.set_before("580.1");
  change.set_after("580.9");
  known_ = {Unanswered(v1::NO_REUSE_ENVIRONMENT), Unanswered(v1::NO_REUSE_LAUNCHES),
            Unanswered(v1::NO_REUSE_ENVIRONMENT)};
  for (const size_t i : {0, 2}) *known_[i].add_environment_changes() = change;
  EXPECT_EQ(Run({"--reuse", "7d"}), 0) << err_.str();
  EXPECT_EQ(service_.submits()[0].jobs_size(), 3);
  EXPECT_THAT(err_.str(), StartsWith("reused nothing (0 of 3 cells); --reuse 7d\n"
                                     "not reused: 2 driver 580.1 -> 580.9, 1 too few launches\n"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("reused")));
}

TEST_F(KnownAlready, SubmitLeavesOutWhatIsAnsweredToo) {
  EXPECT_EQ(Run({"--reuse", "30d"}, "submit"), 0) << err_.str();
  EXPECT_EQ(service_.submits()[0].jobs_size(), 1);
  EXPECT_THAT(err_.str(), StartsWith("reused 9.1, 8.1 (2 of 3 cells); --reuse 30d\n"));
  EXPECT_EQ(out_.str(), "sweep:3 job 17\n");
  known_[1] = Answered("17.1");
  EXPECT_EQ(Run({"--reuse", "30d"}, "submit"), 0) << err_.str();
  EXPECT_THAT(service_.submits(), SizeIs(1)) << "nothing was left to submit";
  EXPECT_EQ(out_.str(), "");
}

TEST_F(KnownAlready, WithoutReuseNobodyIsAsked) {
  EXPECT_EQ(Run({}), 0) << err_.str();
  EXPECT_EQ(asked_.jobs_size(), 0);
  EXPECT_EQ(service_.submits()[0].jobs_size(), 3);
}

TEST_F(KnownAlready, ReuseIsATimeAndGoesWithoutATrace) {
  EXPECT_EQ(Run({"--reuse", "soon"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("--reuse is soon"));
  EXPECT_EQ(Run({"--reuse", "30d", "--trace", "traces"}), 1);
  EXPECT_EQ(err_.str(),
            "torchlap: --reuse is 30d, must not be given with --trace, which needs runs of its "
            "own\n");
  EXPECT_THAT(service_.submits(), IsEmpty());
}

TEST_F(KnownAlready, ADryRunSaysWhatCellsNeedAndTakeAndSubmitsNothing) {
  known_[0].set_duration_ns(100'000'000'000);
  known_[1].set_device("cpu0");
  known_[1].set_needed_bytes(uint64_t{1} << 30);
  known_[1].set_peak_bytes(uint64_t{3} << 30);
  known_[1].set_memory_run_id("5.1");
  known_[1].set_device_bytes(uint64_t{16} << 30);
  known_[1].set_fit(v1::FIT_RAN);
  known_[1].set_duration_ns(90'000'000'000);
  known_[1].set_time_basis(v1::TIME_BASIS_SERIES);
  known_[1].set_time_runs(6);
  known_[2] = v1::JobForecast();
  known_[2].set_fit(v1::FIT_TOO_LARGE);
  known_[2].set_duration_ns(1);
  EXPECT_EQ(Run({"--reuse", "30d", "--dry-run"}), 0) << err_.str();
  EXPECT_THAT(service_.submits(), IsEmpty());
  EXPECT_EQ(err_.str(), "");
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("3.00 GiB (5.1)"), HasSubstr("16.0 GiB"), HasSubstr("1 min 30 s"),
                    HasSubstr("6 runs of it"), HasSubstr("9.1"), HasSubstr("no clean run")));
  EXPECT_THAT(out_.str(),
              HasSubstr("3 cells: 1 reused, 1 to run in about 1 min 30 s; 1 cannot fit as asked"));
}

TEST_F(KnownAlready, ATimeThatIsTheLimitIsSaidToBeOne) {
  known_ = {v1::JobForecast(), v1::JobForecast(), v1::JobForecast()};
  known_[0].set_duration_ns(900'000'000'000);
  known_[1].set_duration_ns(899'000'000'000);
  EXPECT_EQ(Run({"--dry-run", "--time-limit", "15m"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("over 15 min (limit)"));
  EXPECT_THAT(out_.str(), HasSubstr("\n1 cell would reach its time limit: --time-limit\n"));
}

TEST_F(KnownAlready, WhatCannotFitHasNoTime) {
  known_ = {v1::JobForecast(), v1::JobForecast(), v1::JobForecast()};
  for (v1::JobForecast& job : known_) {
    job.set_fit(v1::FIT_TOO_LARGE);
    job.set_duration_ns(90'000'000'000);
    job.set_time_basis(v1::TIME_BASIS_SCALED);
  }
  EXPECT_EQ(Run({"--dry-run"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("3 cells: 0 to run; 3 cannot fit as asked"),
                                Not(HasSubstr("1 min 30 s")), Not(HasSubstr("based on"))));
}

TEST_F(KnownAlready, APlanThatEndsByItselfHasNoNumberOfSteps) {
  known_ = {v1::JobForecast(), v1::JobForecast(), v1::JobForecast()};
  for (v1::JobForecast& job : known_) {
    job.set_duration_ns(90'000'000'000);
    job.set_time_basis(v1::TIME_BASIS_SCALED);
    job.set_time_runs(1);
  }
  EXPECT_EQ(Run({"--plan", "paper", "--measure-steps", "10", "--dry-run"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("warm-up until settled"), HasSubstr("steps at least 10"),
                                HasSubstr("at least 1 min 30 s")));
  for (v1::JobForecast& job : known_) job.set_time_basis(v1::TIME_BASIS_SERIES);
  EXPECT_EQ(Run({"--plan", "paper", "--measure-steps", "10", "--dry-run"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), Not(HasSubstr("at least 1 min 30 s"))) << "such runs were";
}

TEST_F(KnownAlready, ADeclaredShapeHasNoModelSizeInCsvAsOfRuns) {
  known_ = {};
  EXPECT_EQ(Program({"run", "--layers", "2", "--heads", "2", "--d-model", "64", "--d-ff", "128",
                     "--dry-run", "--format", "csv"}),
            0)
      << err_.str();
  EXPECT_THAT(out_.str(), Not(HasSubstr("L2 h2")));
}

TEST_F(KnownAlready, ADryRunIsAListInEveryFormat) {
  known_ = {};
  for (const char* format : {"table", "markdown", "csv", "json", "jsonl"}) {
    EXPECT_EQ(Run({"--dry-run", "--format", format}), 0) << format << err_.str();
    EXPECT_THAT(out_.str(), HasSubstr("small")) << format;
  }
  EXPECT_EQ(asked_.reuse_since_ns(), 0);
  EXPECT_EQ(Run({"--dry-run", "--format", "csv"}, "submit"), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("needed_bytes,peak_bytes,memory_run_id,device_bytes,fit,"));
  EXPECT_EQ(Run({"--dry-run"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("3 cells: 3 to run, in a time that is not known"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("reuse")));
}

TEST_F(KnownAlready, WithoutADaemonADryRunStillListsTheCells) {
  service_.Stop();
  EXPECT_EQ(Run({"--dry-run", "--format", "jsonl"}), 0) << err_.str();
  EXPECT_THAT(err_.str(), StartsWith("nothing is known of memory, time and history: "));
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("\"batch_size\":1"), HasSubstr("\"batch_size\":4"),
                                HasSubstr("\"context_length\":256"), HasSubstr("\"fit\":null")));
}

TEST_F(KnownAlready, WhatTheDaemonRefusesEndsIt) {
  service_.on_forecast_jobs = [](const v1::ForecastJobsRequest&, v1::ForecastJobsResponse*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "device `cuda:7` is not there");
  };
  EXPECT_EQ(Run({"--dry-run"}), 4);
  EXPECT_EQ(err_.str(), "torchlap: device `cuda:7` is not there\n");
  EXPECT_EQ(Run({"--reuse", "30d"}), 4);
  EXPECT_THAT(service_.submits(), IsEmpty());
}

}  // namespace
}  // namespace torchlap::client
