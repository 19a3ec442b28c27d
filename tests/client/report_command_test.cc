// `report`: what it asks for, and the file that comes of it.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/temporary_folder.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string Content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class ReportCommand : public Commands {
 protected:
  ReportCommand() {
    service_.on_export = [](const v1::ExportRunsRequest&) {
      return std::vector<v1::Run>{SmallRun()};
    };
    v1::SampleBlock block;
    block.set_warmup_steps(1);
    for (const int64_t ns : {900'000'000, 458'000'000, 459'125'000}) block.add_step_ns(ns);
    service_.exported_samples = {block};
  }

  // The page that the words make.
  std::string Page(std::vector<std::string> words = {}) {
    words.insert(words.begin(), "report");
    words.insert(words.end(), {"-o", file_});
    EXPECT_EQ(Program(words), 0) << err_.str();
    return Content(file_);
  }

  const TemporaryFolder folder_;
  const std::string file_ = folder_.path() / "page.html";
};

TEST_F(ReportCommand, WritesAPageOfTheLatestSweep) {
  const std::string page = Page();
  EXPECT_THAT(page, StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(page, HasSubstr("152.3 ± 8.5"));
  EXPECT_THAT(page, HasSubstr("<h1>Sweep 3</h1>"));
  EXPECT_THAT(page, HasSubstr("step 2: 459.125 ms"));
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(err_.str(), "wrote " + file_ + "\n");
  EXPECT_TRUE(service_.exports()[0].filter().selector().last());
  EXPECT_THAT(
      service_.exports()[0].filter().purposes(),
      ElementsAre(v1::PURPOSE_MEASURE, v1::PURPOSE_WARMUP, v1::PURPOSE_FIT, v1::PURPOSE_CALIBRATE));
}

TEST_F(ReportCommand, AsksForCellsAndForStepsOfTheSameRuns) {
  Page({"17", "--precision", "fp32"});
  const auto requests = service_.exports();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].rows(), v1::ROW_KIND_CELL);
  EXPECT_FALSE(requests[0].with_samples());
  EXPECT_EQ(requests[1].rows(), v1::ROW_KIND_RUN);
  EXPECT_TRUE(requests[1].with_samples());
  for (const v1::ExportRunsRequest& request : requests) {
    EXPECT_THAT(request.filter().selector().job_ids(), ElementsAre(17));
    EXPECT_THAT(request.filter().precisions(), ElementsAre(v1::PRECISION_FP32));
  }
}

TEST_F(ReportCommand, OfVeryManyRunsTheRestIsCountedAndNotFetched) {
  service_.samples_behind_each_row = true;
  service_.on_export = [](const v1::ExportRunsRequest& request) {
    v1::Run run = SmallRun();
    run.set_actual_measure_steps(2);
    const bool is_of_cells = request.rows() == v1::ROW_KIND_CELL;
    std::vector<v1::Run> rows(is_of_cells ? 1 : 43, run);
    if (!is_of_cells) rows.push_back(SkippedRun());
    return rows;
  };
  EXPECT_THAT(Page(), HasSubstr("3 more runs with steps"));
  ASSERT_EQ(service_.exports().size(), 3U);
  EXPECT_FALSE(service_.exports()[2].with_samples());
}

TEST_F(ReportCommand, TheTitleIsTheUsersOrTheSweeps) {
  EXPECT_THAT(Page({"--title", "Me & <mine>"}), HasSubstr("<h1>Me &amp; &lt;mine&gt;</h1>"));
  service_.on_export = [](const v1::ExportRunsRequest&) {
    v1::Run run = SmallRun();
    run.set_sweep_name("heads");
    return std::vector<v1::Run>{run};
  };
  EXPECT_THAT(Page(), HasSubstr("<h1>heads</h1>"));
}

TEST_F(ReportCommand, HasWhatTheDaemonTellsOfItselfAndOfTheEnvironment) {
  service_.on_get_status = [] {
    v1::GetDaemonStatusResponse status;
    status.set_version("0.9.9");
    status.set_caller("ann");
    return status;
  };
  service_.on_get_run = [](const v1::GetRunRequest& request) {
    EXPECT_EQ(request.run_id(), "17.1");
    v1::GetRunResponse part;
    part.mutable_detail()->mutable_environment()->set_torch_version("2.11.0");
    return std::vector<v1::GetRunResponse>{part};
  };
  const std::string page = Page();
  EXPECT_THAT(page, HasSubstr("<span>torchlap 0.9.9</span>"));
  EXPECT_THAT(page, HasSubstr("<span>by ann</span>"));
  EXPECT_THAT(page, HasSubstr("<td>2.11.0</td>"));
}

TEST_F(ReportCommand, ComparesWithTheBaselineWhereThereIsOne) {
  service_.on_compare_runs = [](const v1::CompareRunsRequest& request,
                                v1::CompareRunsResponse* answer) {
    EXPECT_TRUE(request.a().selector().baseline());
    EXPECT_TRUE(request.b().selector().last());
    EXPECT_THAT(request.b().purposes(), ElementsAre(v1::PURPOSE_MEASURE));
    v1::ComparedCell* cell = answer->add_cells();
    *cell->mutable_subject() = SmallRun();
    v1::ComparedPhase* step = cell->add_phases();
    step->set_ratio(1.25);
    step->set_verdict(v1::COMPARE_VERDICT_SLOWER);
    return grpc::Status::OK;
  };
  EXPECT_THAT(Page(), HasSubstr("+25 % slower"));
  service_.on_compare_runs = [](const v1::CompareRunsRequest&, v1::CompareRunsResponse*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no baseline");
  };
  EXPECT_THAT(Page(), Not(HasSubstr("Against your baseline")));
  EXPECT_EQ(err_.str(), "wrote " + file_ + "\n");
  service_.on_compare_runs = [](const v1::CompareRunsRequest&, v1::CompareRunsResponse*) {
    return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "1001 cells, at most 1000");
  };
  EXPECT_THAT(Page(), Not(HasSubstr("Against your baseline")));
  EXPECT_EQ(err_.str(),
            "left out, the comparison with the baseline: 1001 cells, at most 1000\nwrote " + file_ +
                "\n");
}

TEST_F(ReportCommand, SaysThatSeriesAreLeftOut) {
  const auto answer_with = [this](grpc::StatusCode code) {
    service_.on_get_trend = [code](const v1::GetTrendRequest&, v1::GetTrendResponse*) {
      return grpc::Status(code, "201 series match, must be at most 200");
    };
  };
  for (const grpc::StatusCode code :
       {grpc::StatusCode::NOT_FOUND, grpc::StatusCode::UNIMPLEMENTED}) {
    answer_with(code);
    Page();
    EXPECT_EQ(err_.str(), "wrote " + file_ + "\n");
  }
  answer_with(grpc::StatusCode::RESOURCE_EXHAUSTED);
  Page();
  EXPECT_EQ(err_.str(),
            "left out, the series over time: 201 series match, must be at most 200\nwrote " +
                file_ + "\n");
}

TEST_F(ReportCommand, TheBaselineIsNotHeldAgainstItself) {
  service_.on_compare_runs = [](const v1::CompareRunsRequest&, v1::CompareRunsResponse* answer) {
    v1::ComparedCell* cell = answer->add_cells();
    *cell->mutable_subject() = SmallRun();
    cell->mutable_a()->add_run_ids("17.1");
    cell->mutable_b()->add_run_ids("17.1");
    cell->add_phases()->set_ratio(1);
    return grpc::Status::OK;
  };
  EXPECT_THAT(Page(), Not(HasSubstr("Against your baseline")));
}

// Warm-up comparisons and searches are on the page, but are no launches of a series.
TEST_F(ReportCommand, OnlyMeasurementsAreHeldAgainstTheBaselineAndDrawnOverTime) {
  std::vector<v1::RunFilter> asked;
  service_.on_compare_runs = [&asked](const v1::CompareRunsRequest& request,
                                      v1::CompareRunsResponse*) {
    asked.push_back(request.b());
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no baseline");
  };
  service_.on_get_trend = [&asked](const v1::GetTrendRequest& request, v1::GetTrendResponse*) {
    asked.push_back(request.filter());
    return grpc::Status::OK;
  };
  Page();
  ASSERT_EQ(asked.size(), 2U);
  for (const v1::RunFilter& filter : asked) {
    EXPECT_TRUE(filter.selector().last());
    EXPECT_THAT(filter.purposes(), ElementsAre(v1::PURPOSE_MEASURE));
  }
  asked.clear();
  Page({"--purpose", "warmup"});
  ASSERT_EQ(asked.size(), 2U);
  for (const v1::RunFilter& filter : asked) {
    EXPECT_THAT(filter.purposes(), ElementsAre(v1::PURPOSE_WARMUP));
  }
}

TEST_F(ReportCommand, WithoutRunsThereIsNoPage) {
  service_.on_export = [](const v1::ExportRunsRequest&) { return std::vector<v1::Run>(); };
  service_.exported_samples.clear();
  EXPECT_EQ(Program({"report", "all", "-o", file_}), 4);
  EXPECT_EQ(err_.str(), "torchlap: no run matches: there is none yet\n");
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(ReportCommand, AnErrorLeavesAnOlderPageAsItWas) {
  std::ofstream(file_) << "older";
  service_.on_export = nullptr;
  EXPECT_NE(Program({"report", "-o", file_}), 0);
  EXPECT_EQ(Content(file_), "older");
}

TEST_F(ReportCommand, AFileThatIsNoPageIsRefusedBeforeAnythingIsAsked) {
  EXPECT_EQ(Program({"report", "-o", "-"}), 1);
  EXPECT_EQ(err_.str(), "torchlap: -o is -, must be a file: report.html\n");
  EXPECT_EQ(Program({"report", "-o", "page.csv"}), 1);
  EXPECT_EQ(err_.str(), "torchlap: -o page.csv ends in .csv, must end in .html\n");
  EXPECT_EQ(Program({"report", "-o", folder_.path()}), 6);
  EXPECT_TRUE(service_.exports().empty());
}

}  // namespace
}  // namespace torchlap::client
