// `run --file`, `submit --file` and `suite`: the whole commands against a service that the test
// plays.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "client/format/forecast.h"
#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/temporary_folder.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

constexpr char kTwoSweeps[] = R"(
device = "cpu0"
[sweep.main]
model-size = ["small", "medium"]
launches = 3
[sweep.bf16]
model-size = "small"
precision = "bf16"
baseline = "sweep:main"
)";

// Each cell ran in a minute, as one of the same workload; of several the second is too large.
grpc::Status ForetellMinutes(const v1::ForecastJobsRequest& request,
                             v1::ForecastJobsResponse* response) {
  for (int i = 0; i < request.jobs_size(); ++i) {
    v1::JobForecast* job = response->add_jobs();
    *job->mutable_spec()->mutable_workload() = SmallRun().workload();
    job->set_device("cpu0");
    job->set_fit(v1::FIT_RAN);
    job->set_duration_ns(60'000'000'000);
  }
  response->set_queue_ns(0);
  if (request.jobs_size() < 2) return grpc::Status::OK;
  v1::JobForecast* second = response->mutable_jobs(1);
  second->set_fit(v1::FIT_TOO_LARGE);
  second->set_needed_bytes(uint64_t{3} << 30);
  second->set_device_bytes(uint64_t{1} << 30);
  return grpc::Status::OK;
}

std::string SmallCell() {
  v1::JobSpec spec;
  *spec.mutable_workload() = SmallRun().workload();
  return format::CellWords(spec);
}

// Sweeps get the ids 3 and 4, with the jobs 31, 32 ... and 41.
class SuiteCommand : public Commands {
 protected:
  SuiteCommand() {
    service_.on_submit = [this](const v1::SubmitJobsRequest& request,
                                v1::SubmitJobsResponse* response) {
      const std::lock_guard lock(mutex_);
      if (request.sweep_name() == refused_) {
        return grpc::Status(grpc::StatusCode::NOT_FOUND, "device `cpu0` is not there");
      }
      response->set_sweep_id(next_sweep_++);
      for (int i = 1; i <= request.jobs_size(); ++i) {
        response->add_job_ids(response->sweep_id() * 10 + static_cast<uint64_t>(i));
      }
      return grpc::Status::OK;
    };
    service_.on_watch = [](const v1::WatchJobsRequest&, grpc::ServerContext*,
                           FakeService::WatchWriter* writer) {
      writer->Write(
          Snapshot({SmallJob(31, v1::JOB_STATE_SUCCEEDED), SmallJob(32, v1::JOB_STATE_SUCCEEDED),
                    SmallJob(41, v1::JOB_STATE_SUCCEEDED)},
                   5));
      return grpc::Status::OK;
    };
    service_.on_export = [](const v1::ExportRunsRequest&) {
      return std::vector<v1::Run>{SmallRun()};
    };
    service_.on_cancel = [](const v1::CancelJobsRequest&, v1::CancelJobsResponse* response) {
      response->add_cancelled_job_ids(31);
      response->add_cancelled_job_ids(32);
      return grpc::Status::OK;
    };
    service_.on_compare_runs = [this](const v1::CompareRunsRequest& request,
                                      v1::CompareRunsResponse* response) {
      const std::lock_guard lock(mutex_);
      compared_.push_back(request);
      *response = comparison_;
      return grpc::Status::OK;
    };
    service_.on_add_suite = [this](const v1::AddSuiteRequest& request,
                                   v1::AddSuiteResponse* response) {
      const std::lock_guard lock(mutex_);
      added_ = request;
      response->set_replaced(replaces_);
      if (!request.time().has_idle_ns()) {
        response->set_next_at_ns(1'790'856'000'000'000'000);  // 2026-10-01T12:00:00Z
      }
      return grpc::Status::OK;
    };
    service_.on_list_suites = [this](const v1::ListSuitesRequest& request,
                                     v1::ListSuitesResponse* response) {
      const std::lock_guard lock(mutex_);
      listed_user_ = request.user();
      for (const v1::Suite& suite : suites_) *response->add_suites() = suite;
      return grpc::Status::OK;
    };
    service_.on_remove_suite = [this](const v1::RemoveSuiteRequest& request,
                                      v1::RemoveSuiteResponse*) {
      const std::lock_guard lock(mutex_);
      removed_ = request;
      return grpc::Status::OK;
    };
    v1::ComparedCell* cell = comparison_.add_cells();
    *cell->mutable_subject() = SmallRun();
    cell->mutable_a()->set_launches(4);
    cell->mutable_b()->set_launches(4);
    v1::ComparedPhase* phase = cell->add_phases();
    phase->set_a_ns(100e6);
    phase->set_b_ns(50e6);
    phase->set_ratio(0.5);
    phase->set_low(0.49);
    phase->set_high(0.51);
    phase->set_verdict(v1::COMPARE_VERDICT_FASTER);
    phase->set_p(0.001);
    phase->set_p_adjusted(0.001);
    phase->set_min_effect(0.01);
  }

  std::string Write(const std::string& text) {
    const std::string file = (folder_.path() / "night.toml").string();
    std::ofstream(file) << text;
    return file;
  }
  std::string ErrorOf(const std::vector<std::string>& words) {
    EXPECT_EQ(Program(words), 1) << out_.str();
    EXPECT_EQ(out_.str(), "");
    return err_.str();
  }
  std::vector<std::string> SubmittedNames() const {
    std::vector<std::string> names;
    for (const v1::SubmitJobsRequest& request : service_.submits()) {
      names.push_back(request.sweep_name());
    }
    return names;
  }

  const TemporaryFolder folder_;
  std::mutex mutex_;
  uint64_t next_sweep_ = 3;
  std::string refused_ = "-";
  bool replaces_ = false;
  v1::CompareRunsResponse comparison_;
  std::vector<v1::CompareRunsRequest> compared_;
  v1::AddSuiteRequest added_;
  v1::RemoveSuiteRequest removed_;
  std::string listed_user_;
  std::vector<v1::Suite> suites_;
};

TEST_F(SuiteCommand, RunSubmitsAllSweepsAndPrintsATableOfEach) {
  const std::string file = Write(kTwoSweeps);
  EXPECT_EQ(Program({"run", "--file", file}), 0) << err_.str();
  EXPECT_THAT(SubmittedNames(), ElementsAre("main", "bf16"));
  EXPECT_EQ(service_.submits()[0].jobs_size(), 2);
  EXPECT_EQ(service_.submits()[0].jobs(0).labels().at("suite"), "night");
  EXPECT_EQ(service_.submits()[1].jobs(0).labels().at("suite"), "night");
  EXPECT_THAT(err_.str(), HasSubstr("main: sweep:3, jobs 31 to 32: 2 cells\n"));
  EXPECT_THAT(err_.str(), HasSubstr("bf16: sweep:4, job 41: 1 cell\n"));
  ASSERT_THAT(service_.watches(), SizeIs(1));
  EXPECT_THAT(service_.watches()[0].selector().sweep_ids(), ElementsAre(3, 4));
  const std::string out = out_.str();
  EXPECT_THAT(out, StartsWith("main (sweep:3)\n"));
  EXPECT_THAT(out, HasSubstr("\nbf16 (sweep:4)\n"));
  EXPECT_LT(out.find("| small "), out.find("bf16 (sweep:4)"));
}

TEST_F(SuiteCommand, ABaselineOfTheFileIsTheSweepThatJustRan) {
  EXPECT_EQ(Program({"run", "--file", Write(kTwoSweeps)}), 0) << err_.str();
  ASSERT_THAT(compared_, SizeIs(1));
  EXPECT_THAT(compared_[0].a().selector().sweep_ids(), ElementsAre(3));
  EXPECT_THAT(compared_[0].b().selector().sweep_ids(), ElementsAre(4));
  EXPECT_LT(out_.str().find("bf16 (sweep:4)"), out_.str().find("faster by 50 %"));
}

TEST_F(SuiteCommand, AnotherBaselineIsAskedForAsItIsNamed) {
  std::string text = kTwoSweeps;
  text.replace(text.find("sweep:main"), 10, "baseline");
  EXPECT_EQ(Program({"run", "--file", Write(text)}), 0) << err_.str();
  ASSERT_THAT(compared_, SizeIs(1));
  EXPECT_TRUE(compared_[0].a().selector().baseline());
}

TEST_F(SuiteCommand, SweepsThatComputeSomethingElseAreComparedByAnAxis) {
  const std::string file = Write(std::string(kTwoSweeps) + "by = \"precision=fp32\"\n");
  EXPECT_EQ(Program({"run", "--file", file}), 0) << err_.str();
  ASSERT_THAT(compared_, SizeIs(1));
  EXPECT_EQ(compared_[0].by(), "precision");
  EXPECT_EQ(compared_[0].reference(), "fp32");
  EXPECT_THAT(compared_[0].a().selector().sweep_ids(), ElementsAre(3, 4));
  EXPECT_EQ(Program({"run", "--file", file, "--format", "csv"}), 0) << err_.str();
  EXPECT_THAT(err_.str(), HasSubstr("compare bf16: torchlap compare sweep:5 sweep:6 --by "
                                    "precision=fp32\n"));
}

TEST_F(SuiteCommand, AdviceNamesTheCompareCommandAsRunHasNoSuchFlags) {
  comparison_.mutable_cells(0)->mutable_phases(0)->set_verdict(v1::COMPARE_VERDICT_INCONCLUSIVE);
  comparison_.mutable_cells(0)->mutable_a()->set_contaminated_launches(1);
  const std::string file = Write(std::string(kTwoSweeps) + "by = \"precision=fp32\"\n");
  EXPECT_EQ(Program({"run", "--file", file}), 0) << err_.str();
  const std::string said = out_.str() + err_.str();
  EXPECT_THAT(said, HasSubstr("run both sides again until there is a verdict: torchlap compare "
                              "sweep:3 sweep:4 --by precision=fp32 --until-decided\n"));
  EXPECT_THAT(said, HasSubstr("(torchlap compare sweep:3 sweep:4 --by precision=fp32 "
                              "--include-contaminated keeps them)\n"));
}

TEST_F(SuiteCommand, AComparisonThatFailsLeavesNoEmptyLineBehind) {
  comparison_.clear_cells();
  EXPECT_EQ(Program({"run", "--file", Write(kTwoSweeps)}), 4);
  EXPECT_THAT(out_.str(), HasSubstr("\n\nbf16 (sweep:4)\n"));
  EXPECT_THAT(out_.str(), testing::EndsWith("\n"));
  EXPECT_THAT(out_.str(), Not(testing::EndsWith("\n\n")));
}

TEST_F(SuiteCommand, WhatIsNoAxisIsRefusedBeforeAnythingIsSubmitted) {
  const std::string file = Write(std::string(kTwoSweeps) + "by = \"colour\"\n");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"run", "--file", file}, {"suite", "check", file}}) {
    EXPECT_THAT(ErrorOf(words), StartsWith("torchlap: " + file +
                                           ":6: sweep bf16: by is colour, must be precision, "));
  }
  EXPECT_THAT(service_.submits(), IsEmpty());
}

TEST_F(SuiteCommand, WhatCannotBeComparedIsSaidBehindAllTables) {
  std::string text = kTwoSweeps;
  text += "[sweep.third]\nmodel-size = \"small\"\n";
  comparison_.clear_cells();
  const std::string file = Write(text);
  EXPECT_EQ(Program({"run", "--file", file}), 4);
  EXPECT_THAT(out_.str(), HasSubstr("third (sweep:5)"));
  EXPECT_THAT(err_.str(), HasSubstr(file + ":6: sweep bf16: no run of sweep:3 and sweep:4 matches; "
                                           "all sweeps have ended all the same, print them again: "
                                           "torchlap export sweep:3 sweep:4 sweep:5\n"));
}

TEST_F(SuiteCommand, ForProgramsAllRunsAreOneDocument) {
  EXPECT_EQ(Program({"run", "--file", Write(kTwoSweeps), "--format", "csv"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), StartsWith("run_id,"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("(sweep:3)")));
  ASSERT_FALSE(service_.exports().empty());
  EXPECT_THAT(service_.exports().back().filter().selector().sweep_ids(), ElementsAre(3, 4));
  EXPECT_THAT(compared_, IsEmpty());
  EXPECT_THAT(err_.str(), HasSubstr("compare bf16: torchlap compare sweep:3 sweep:4\n"));
}

TEST_F(SuiteCommand, AFailedJobIsTheExitCode) {
  service_.on_watch = [](const v1::WatchJobsRequest&, grpc::ServerContext*,
                         FakeService::WatchWriter* writer) {
    writer->Write(
        Snapshot({SmallJob(31, v1::JOB_STATE_FAILED), SmallJob(41, v1::JOB_STATE_SUCCEEDED)}, 5));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"run", "--file", Write(kTwoSweeps)}), 2) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("bf16 (sweep:4)"));
}

TEST_F(SuiteCommand, ASweepThatIsRefusedTakesTheOthersBack) {
  refused_ = "bf16";
  const std::string file = Write(kTwoSweeps);
  for (const char* command : {"run", "submit"}) {
    next_sweep_ = 3;
    EXPECT_EQ(Program({command, "--file", file}), 4);
    EXPECT_EQ(out_.str(), "");
    EXPECT_EQ(err_.str(), "cancelled sweep:3 (2 queued, 0 running)\ntorchlap: " + file +
                              ":6: sweep bf16: device `cpu0` is not there\n");
  }
  EXPECT_THAT(service_.cancels(), SizeIs(2));
  EXPECT_THAT(service_.cancels()[0].selector().sweep_ids(), ElementsAre(3));
  EXPECT_THAT(service_.watches(), IsEmpty());
}

TEST_F(SuiteCommand, SubmitPrintsTheIdsOfAll) {
  const std::string file = Write(kTwoSweeps);
  EXPECT_EQ(Program({"submit", "--file", file}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "sweep:3 jobs 31 32\nsweep:4 job 41\n");
  EXPECT_EQ(Program({"submit", "--file", file, "--format", "csv"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "sweep_id,job_id\n5,51\n5,52\n6,61\n");
  EXPECT_THAT(service_.watches(), IsEmpty());
}

TEST_F(SuiteCommand, AFileStandsAlone) {
  const std::string file = Write(kTwoSweeps);
  EXPECT_EQ(ErrorOf({"run", "--file", file, "--precision", "bf16"}),
            "torchlap: --file is " + file +
                " beside other flags of sweeps, must be alone: they are keys of the file\n");
  EXPECT_THAT(ErrorOf({"submit", "--file", file, "--cuda-graph"}), HasSubstr("must be alone"));
  EXPECT_THAT(service_.submits(), IsEmpty());
}

TEST_F(SuiteCommand, WhatIsWrongInAFileIsSaidBeforeAnythingIsSubmitted) {
  const std::string file = Write("[sweep.a]\nmodel-size = \"small\"\npresicion = \"bf16\"\n");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"run", "--file", file},
                                                {"submit", "--file", file},
                                                {"suite", "check", file},
                                                {"suite", "add", file, "--when", "idle"}}) {
    EXPECT_EQ(
        ErrorOf(words),
        "torchlap: " + file + ":3: unknown key presicion, the nearest known one is precision\n");
  }
  EXPECT_THAT(service_.submits(), IsEmpty());
  EXPECT_EQ(added_.name(), "");
}

TEST_F(SuiteCommand, CheckAsksTheDaemonWhatItWouldSay) {
  std::vector<v1::ForecastJobsRequest> asked;
  service_.on_forecast_jobs = [&](const v1::ForecastJobsRequest& request,
                                  v1::ForecastJobsResponse* response) {
    const std::lock_guard lock(mutex_);
    asked.push_back(request);
    return ForetellMinutes(request, response);
  };
  const std::string file = Write(kTwoSweeps);
  EXPECT_EQ(Program({"suite", "check", file}), 0) << err_.str();
  EXPECT_THAT(asked, SizeIs(2));
  EXPECT_EQ(out_.str(),
            "| sweep | cells | launches | device | baseline   | fits             | time  |\n"
            "|-------|-------|----------|--------|------------|------------------|-------|\n"
            "| main  | 2     | 6        | cpu0   | -          | 1 cell too large | 1 min |\n"
            "| bf16  | 1     | 1        | cpu0   | sweep:main | not ruled out    | 1 min |\n"
            "3 cells: 2 to run in about 2 min; the queue is empty; 1 cannot fit as asked\n"
            "main: " +
                SmallCell() +
                " cannot fit: needs 3.00 GiB, cpu0 has 1.00 GiB\n"
                "all cells: torchlap run --file " +
                file +
                " --dry-run\n"
                "suite night: the daemon would take it\n");
  EXPECT_EQ(Program({"suite", "check", file, "--format", "csv"}), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "sweep,cells,launches,device,baseline,cells_too_large,duration_s\n"
            "main,2,6,cpu0,,1,60\nbf16,1,1,cpu0,sweep:main,0,60\n");
  EXPECT_THAT(service_.submits(), IsEmpty());
}

TEST_F(SuiteCommand, CheckNamesTenOfTheCellsThatCannotFit) {
  service_.on_forecast_jobs = [](const v1::ForecastJobsRequest& request,
                                 v1::ForecastJobsResponse* response) {
    for (int i = 0; i < request.jobs_size(); ++i) {
      v1::JobForecast* job = response->add_jobs();
      *job->mutable_spec()->mutable_workload() = SmallRun().workload();
      job->set_fit(v1::FIT_RAN_OUT);
      job->set_memory_run_id(std::to_string(i + 1) + ".1");
    }
    return grpc::Status::OK;
  };
  const std::string file = Write("[sweep.a]\nmodel-size = \"small\"\nbatch-size = \"1..12\"\n");
  EXPECT_EQ(Program({"suite", "check", file}), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              HasSubstr("a: " + SmallCell() + " cannot fit: 10.1 ran out of memory\nand 2 more\n"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("11.1")));
}

TEST_F(SuiteCommand, CheckOfWhatFitsNamesNoCell) {
  service_.on_forecast_jobs = ForetellMinutes;
  EXPECT_EQ(Program({"suite", "check", Write("[sweep.a]\nmodel-size = \"small\"\n")}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\n1 cell: 1 to run in about 1 min; the queue is empty\n"
                                    "suite night: the daemon would take it\n"));
}

TEST_F(SuiteCommand, ADryRunOfAFileForetellsEachSweepAndSubmitsNothing) {
  service_.on_forecast_jobs = ForetellMinutes;
  const std::string file = Write(kTwoSweeps);
  for (const char* command : {"run", "submit"}) {
    EXPECT_EQ(Program({command, "--file", file, "--dry-run"}), 0) << err_.str();
    EXPECT_EQ(err_.str(), "");
    EXPECT_THAT(out_.str(), StartsWith("sweep main\n"));
    EXPECT_THAT(
        out_.str(),
        HasSubstr("\n2 cells: 1 to run in about 1 min; 1 cannot fit as asked\n\nsweep bf16\n"))
        << "the queue is before all of them";
    EXPECT_THAT(out_.str(),
                testing::EndsWith("\n1 cell: 1 to run in about 1 min\n\nall: 3 cells: 2 to run in "
                                  "about 2 min; the queue is empty; 1 cannot fit as asked\n"));
  }
  EXPECT_EQ(Program({"run", "--file", file, "--dry-run", "--format", "csv"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), StartsWith("sweep,edition,model_size,"));
  EXPECT_THAT(out_.str(), HasSubstr("\nmain,"));
  EXPECT_THAT(out_.str(), HasSubstr("\nbf16,"));
  EXPECT_EQ(Program({"run", "--file", file, "--dry-run", "--format", "jsonl"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), StartsWith("{\"sweep\":\"main\","));
  EXPECT_THAT(service_.submits(), IsEmpty());
}

TEST_F(SuiteCommand, ADryRunOfOneSweepHasOneTotal) {
  service_.on_forecast_jobs = ForetellMinutes;
  const std::string file = Write("[sweep.a]\nmodel-size = \"small\"\n");
  EXPECT_EQ(Program({"run", "--file", file, "--dry-run"}), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              testing::EndsWith("\n1 cell: 1 to run in about 1 min; the queue is empty\n"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("all: ")));
}

TEST_F(SuiteCommand, ADryRunOfAFileSaysWhichSweepIsRefused) {
  service_.on_forecast_jobs = [](const v1::ForecastJobsRequest& request,
                                 v1::ForecastJobsResponse* response) {
    if (request.jobs_size() > 1) return ForetellMinutes(request, response);
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "device `cpu0` is not there");
  };
  const std::string file = Write(kTwoSweeps);
  EXPECT_EQ(Program({"run", "--file", file, "--dry-run"}), 4);
  EXPECT_EQ(err_.str(), "torchlap: " + file + ":6: sweep bf16: device `cpu0` is not there\n");
  EXPECT_EQ(ErrorOf({"run", "--file", file, "--reuse", "30d"}),
            "torchlap: --reuse is 30d beside --file, must be without it: a suite runs all of its "
            "cells\n");
}

TEST_F(SuiteCommand, ADryRunOfAFileWithoutADaemonListsTheCells) {
  const std::string file = Write(kTwoSweeps);
  service_.Stop();
  EXPECT_EQ(Program({"run", "--file", file, "--dry-run", "--format", "jsonl"}), 0) << err_.str();
  EXPECT_THAT(err_.str(), StartsWith("nothing is known of memory, time and history: "));
  EXPECT_THAT(out_.str(), HasSubstr("\"sweep\":\"bf16\""));
  EXPECT_THAT(out_.str(), HasSubstr("\"fit\":null"));
}

TEST_F(SuiteCommand, ABaselineThatIsNowhereIsRefusedBeforeAnythingRuns) {
  std::vector<v1::ListRunsRequest> looked_up;
  service_.on_list_runs = [&](const v1::ListRunsRequest& request, v1::ListRunsResponse*) {
    const std::lock_guard lock(mutex_);
    looked_up.push_back(request);
    const v1::Selector& selector = request.filter().selector();
    const bool is_stored = selector.sweep_names_size() == 1 && selector.sweep_names(0) == "stored";
    return is_stored ? grpc::Status::OK : grpc::Status(grpc::StatusCode::NOT_FOUND, "no such");
  };
  service_.on_list_sweeps = [](const v1::ListSweepsRequest&, v1::ListSweepsResponse* response) {
    response->add_sweeps()->set_name("stored");
    return grpc::Status::OK;
  };
  const auto with = [this](const std::string& baseline) {
    std::string text = kTwoSweeps;
    return Write(text.replace(text.find("sweep:main"), 10, baseline));
  };
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"sweep:mian", "; close to it: sweep:main"},
      {"sweep:stroed", "; close to it: sweep:stored"},
      {"sweep:nothing-like-it", ""},
      {"sweep:77", ""}};
  for (const auto& [baseline, close] : wrong) {
    const std::string file = with(baseline);
    for (const std::vector<std::string>& words : {std::vector<std::string>{"run", "--file", file},
                                                  {"suite", "check", file},
                                                  {"suite", "add", file, "--when", "idle"}}) {
      EXPECT_EQ(ErrorOf(words), "torchlap: " + file + ":9: sweep bf16: baseline is " + baseline +
                                    ", which is neither in this file nor stored" + close + "\n");
    }
  }
  EXPECT_THAT(service_.submits(), IsEmpty());
  EXPECT_EQ(added_.name(), "");
  looked_up.clear();
  EXPECT_EQ(Program({"run", "--file", with("sweep:stored")}), 0) << err_.str();
  EXPECT_THAT(looked_up, SizeIs(1));
  EXPECT_EQ(Program({"run", "--file", with("baseline")}), 0) << err_.str();
  EXPECT_THAT(looked_up, SizeIs(1)) << "of sweeps alone";
}

TEST_F(SuiteCommand, AddSaysWhatKeysAreNotForTheDaemon) {
  EXPECT_EQ(Program({"suite", "add", Write(kTwoSweeps), "--when", "idle"}), 0) << err_.str();
  EXPECT_EQ(err_.str(),
            "baseline and by are for run --file; what the daemon runs is held against your "
            "baseline (torchlap baseline set), else against its own past, once three earlier "
            "sweeps are known: torchlap findings\n");
  const std::string file = Write("[sweep.a]\nmodel-size = \"small\"\n");
  EXPECT_EQ(Program({"suite", "add", file, "--when", "idle"}), 0) << err_.str();
  EXPECT_EQ(err_.str(), "");
}

TEST_F(SuiteCommand, CheckSaysWhatTheDaemonRefuses) {
  service_.on_forecast_jobs = [](const v1::ForecastJobsRequest& request,
                                 v1::ForecastJobsResponse*) {
    if (request.jobs_size() > 1) return grpc::Status::OK;
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "device `cpu0` is not there");
  };
  const std::string file = Write(kTwoSweeps);
  EXPECT_EQ(Program({"suite", "check", file}), 4);
  EXPECT_EQ(err_.str(), "torchlap: " + file + ":6: sweep bf16: device `cpu0` is not there\n");
}

TEST_F(SuiteCommand, CheckWithoutADaemonIsOfTheFileAlone) {
  const std::string file = Write(kTwoSweeps);
  EXPECT_EQ(Program({"suite", "check", file}), 0) << "a daemon that forecasts nothing";
  EXPECT_THAT(out_.str(), HasSubstr("| not asked | not known |\n"));
  EXPECT_THAT(out_.str(),
              HasSubstr("\nsuite night: only the file was checked: the daemon is older\n"));
  service_.Stop();
  EXPECT_EQ(Program({"suite", "check", file}), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              HasSubstr("\nsuite night: only the file was checked, as no daemon answers\n"));
}

TEST_F(SuiteCommand, AddHandsTheSweepsToTheDaemon) {
  const std::string file = Write(kTwoSweeps);
  EXPECT_EQ(Program({"suite", "add", file, "--when", "02:05"}), 0) << err_.str();
  EXPECT_EQ(added_.name(), "night");
  EXPECT_TRUE(added_.time().has_minute_of_day());
  EXPECT_EQ(added_.time().minute_of_day(), 125U);
  ASSERT_EQ(added_.sweeps_size(), 2);
  EXPECT_EQ(added_.sweeps(0).name(), "main");
  EXPECT_EQ(added_.sweeps(0).jobs_size(), 2);
  EXPECT_EQ(added_.sweeps(1).jobs(0).workload().transformer_lm().precision(), v1::PRECISION_BF16);
  EXPECT_EQ(out_.str(), "suite night added: 2 sweeps, 3 jobs; next 2026-10-01 12:00 UTC\n");
  EXPECT_THAT(service_.submits(), IsEmpty());
  replaces_ = true;
  EXPECT_EQ(Program({"suite", "add", file, "--when", "idle", "--name", "spare"}), 0) << err_.str();
  EXPECT_EQ(added_.name(), "spare");
  EXPECT_EQ(added_.time().idle_ns(), 600'000'000'000);
  EXPECT_EQ(added_.sweeps(0).jobs(0).labels().at("suite"), "spare");
  EXPECT_EQ(out_.str(),
            "suite spare replaced: 2 sweeps, 3 jobs; runs when its devices have been idle for 10 "
            "min, at most once a day\n");
  EXPECT_EQ(Program({"suite", "add", file, "--when", "idle=90s"}), 0) << err_.str();
  EXPECT_EQ(added_.time().idle_ns(), 90'000'000'000);
}

TEST_F(SuiteCommand, WhenIsATimeOfTheDayOrIdle) {
  const std::string file = Write(kTwoSweeps);
  EXPECT_EQ(ErrorOf({"suite", "add", file}),
            "torchlap: suite add needs --when, must be a time of the day (02:00), idle, or "
            "idle=30m\n");
  for (const std::string when : {"24:00", "02:60", "2", "2:5", "-1:00", "02:00:00", "Idle"}) {
    EXPECT_EQ(
        ErrorOf({"suite", "add", file, "--when=" + when}),
        "torchlap: --when is " + when + ", must be a time of the day (02:00), idle, or idle=30m\n");
  }
  EXPECT_THAT(ErrorOf({"suite", "add", file, "--when", "idle=soon"}), HasSubstr("--when idle is"));
  EXPECT_EQ(ErrorOf({"suite", "add", file, "--when", "idle=8d"}),
            "torchlap: --when idle is 8d, must be 1s to 7d\n");
  EXPECT_EQ(Program({"suite", "add", file, "--when", "idle=7d"}), 0) << err_.str();
  EXPECT_EQ(Program({"suite", "add", file, "--when", "0:00"}), 0) << err_.str();
  EXPECT_EQ(added_.time().minute_of_day(), 0U);
}

TEST_F(SuiteCommand, ListIsARowASuite) {
  v1::Suite suite;
  suite.set_name("night");
  suite.set_user("ann");
  suite.mutable_time()->set_minute_of_day(125);
  suite.set_sweeps(2);
  suite.set_jobs(3);
  suite.set_added_at_ns(1'790'856'000'000'000'000);
  suite.set_last_at_ns(1'790'856'000'000'000'000);
  suite.add_last_sweep_ids(3);
  suite.add_last_sweep_ids(4);
  suite.set_next_at_ns(1'790'942'400'000'000'000);
  suites_.push_back(suite);
  suite.set_name("spare");
  suite.mutable_time()->set_idle_ns(600'000'000'000);
  suite.set_last_at_ns(0);
  suite.clear_last_sweep_ids();
  suite.clear_next_at_ns();
  suite.set_problem("too much");
  suites_.push_back(suite);
  EXPECT_EQ(Program({"suite", "list", "--user", "ann"}), 0) << err_.str();
  EXPECT_EQ(listed_user_, "ann");
  EXPECT_THAT(out_.str(), HasSubstr("user ann\n"));
  EXPECT_THAT(out_.str(), HasSubstr("| night | daily 02:05 | 2      | 3    | 2026-10-01 12:00 | 3 4"
                                    "         | 2026-10-02 12:00 | -        |\n"));
  EXPECT_THAT(out_.str(), HasSubstr("| spare | idle 10 min | 2      | 3    | -                | -"
                                    "           | when idle        | too much |\n"));
  EXPECT_EQ(Program({"suite", "list", "--format", "csv"}), 0) << err_.str();
  EXPECT_THAT(
      out_.str(),
      HasSubstr("name,user,when,sweeps,jobs,added_at,last_at,last_sweep_ids,next_at,problem\n"
                "night,ann,daily 02:05,2,3,2026-10-01T12:00:00.000000Z,"
                "2026-10-01T12:00:00.000000Z,3 4,2026-10-02T12:00:00.000000Z,\n"
                "spare,ann,idle 10 min,2,3,2026-10-01T12:00:00.000000Z,,,,too much\n"));
}

TEST_F(SuiteCommand, ListOfNothingSaysHowToAddOne) {
  EXPECT_EQ(Program({"suite", "list"}), 0);
  EXPECT_EQ(err_.str(), "there is no suite; add one: torchlap suite add SUITE.toml --when 02:00\n");
  EXPECT_EQ(Program({"suite", "list", "--user", "nosuch"}), 0);
  EXPECT_EQ(err_.str(), "nosuch has no suite\n");
}

TEST_F(SuiteCommand, RemoveNamesOne) {
  EXPECT_EQ(Program({"suite", "remove", "night", "--user", "bob"}), 0) << err_.str();
  EXPECT_EQ(removed_.name(), "night");
  EXPECT_EQ(removed_.user(), "bob");
  EXPECT_EQ(out_.str(), "suite night removed; what it submitted stays\n");
}

TEST_F(SuiteCommand, ActionsAndTheirWordsAreChecked) {
  EXPECT_EQ(ErrorOf({"suite"}),
            "torchlap: suite without an action, must be suite check FILE, add FILE, list or remove "
            "NAME\n");
  EXPECT_EQ(ErrorOf({"suite", "start"}),
            "torchlap: suite start: must be suite check FILE, add FILE, list or remove NAME\n");
  EXPECT_EQ(ErrorOf({"suite", "remove"}),
            "torchlap: suite remove takes one NAME behind it, got 0\n");
  EXPECT_EQ(ErrorOf({"suite", "check", "a", "b"}),
            "torchlap: suite check takes one FILE behind it, got 2\n");
  EXPECT_EQ(ErrorOf({"suite", "list", "a"}),
            "torchlap: suite list takes no word behind it, got 1\n");
  EXPECT_EQ(ErrorOf({"suite", "list", "--when", "02:00"}),
            "torchlap: suite list takes no --when, which is of suite add\n");
  EXPECT_EQ(ErrorOf({"suite", "remove", "a", "--name", "b"}),
            "torchlap: suite remove takes no --name, which is of suite add\n");
  EXPECT_EQ(ErrorOf({"suite", "check", "a", "--user", "b"}),
            "torchlap: suite check takes no --user: it is yours\n");
}

}  // namespace
}  // namespace torchlap::client
