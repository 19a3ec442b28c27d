// What `trend` asks for, and how it shows series and their steps.
#include <gmock/gmock.h>

#include "client/format/traits.h"
#include "client/format/trend.h"
#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/printed.h"

namespace torchlap::client {
namespace {

using format::Lines;
using format::ShowTrend;
using format::TrendPlot;
using format::TrendView;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr int64_t kFirst = 1'790'856'000'000'000'000;  // 2026-10-01T12:00:00Z
constexpr int64_t kDay = 86'400'000'000'000;

void AddPoint(double median_ms, v1::TrendSeries* series) {
  const int number = series->points_size();
  v1::TrendPoint* point = series->add_points();
  point->set_run_id(std::to_string(17 + number) + ".1");
  point->set_started_at_ns(kFirst + number * kDay);
  point->set_median_ns(median_ms * 1e6);
  point->set_validity(v1::VALIDITY_CLEAN);
}

v1::TrendSeries CalmSeries() {
  v1::TrendSeries series;
  *series.mutable_subject() = SmallRun();
  for (const double median_ms : {10.0, 10.2, 9.8}) AddPoint(median_ms, &series);
  series.set_min_effect(0.01);
  return series;
}

// A driver made it slower from the fourth run on.
v1::TrendSeries SlowedSeries() {
  v1::TrendSeries series = CalmSeries();
  for (const double median_ms : {12.0, 12.2, 11.8}) AddPoint(median_ms, &series);
  v1::TrendStep* step = series.add_steps();
  step->set_point(3);
  step->set_before_ns(10e6);
  step->set_after_ns(12e6);
  v1::EnvironmentChange* change = step->add_changes();
  change->set_name("driver");
  change->set_before("580.1");
  change->set_after("580.9");
  return series;
}

v1::GetTrendResponse Answer(const std::vector<v1::TrendSeries>& all) {
  v1::GetTrendResponse response;
  for (const v1::TrendSeries& series : all) *response.add_series() = series;
  response.set_method_version(1);
  return response;
}

class TrendCommand : public Commands {
 protected:
  TrendCommand() {
    service_.on_get_trend = [this](const v1::GetTrendRequest& request,
                                   v1::GetTrendResponse* response) {
      request_ = request;
      *response = answer_;
      return grpc::Status::OK;
    };
  }

  v1::GetTrendRequest request_;
  v1::GetTrendResponse answer_ = Answer({SlowedSeries()});
};

TEST(Trend, DrawsRunsMediansStepsAndTheBaseline) {
  v1::TrendSeries series = SlowedSeries();
  series.set_baseline_ns(10.5e6);
  const Lines lines = DrawPlot(TrendPlot(series, {}), {.width = 50, .height = 9, .is_ascii = true});
  std::string text = "\n";
  for (const std::string& line : lines) text += line + "\n";
  EXPECT_EQ(text, R"(
step median (ms)
13 +                       :
   |                       :
12 +                       :   o=======o=======o
   |                       :
11 +                       :
   |  ------------------------------------------
10 +  o=======o=======o    :
   |                       :
 9 +                       :
   +--+-------+-------+--------+---------------+--
    10-01   10-02   10-03    10-04           10-06
           runs in order, since 2026-10-01
o run   = median between steps   - baseline
: step
)");
}

TEST(Trend, OfOneRunIsDrawnToo) {
  v1::TrendSeries series;
  AddPoint(10, &series);
  EXPECT_FALSE(DrawPlot(TrendPlot(series, {}), {}).empty());
  EXPECT_TRUE(DrawPlot(TrendPlot(v1::TrendSeries(), {}), {}).empty());
}

TEST(Trend, SaysWhatChangedAtAStep) {
  v1::TrendStep step;
  EXPECT_EQ(format::ChangeWords(step), "nothing that torchlap knows of");
  *step.add_changes() = SlowedSeries().steps(0).changes(0);
  EXPECT_EQ(format::ChangeWords(step), "driver 580.1 -> 580.9");
  v1::EnvironmentChange* torch = step.add_changes();
  torch->set_name("torch");
  torch->set_after("2.9.1");
  EXPECT_EQ(format::ChangeWords(step), "driver 580.1 -> 580.9, torch unknown -> 2.9.1");
}

TEST(Trend, IsATableOfSteps) {
  v1::TrendSeries series = SlowedSeries();
  series.set_contaminated_runs(2);
  series.set_min_effect(0.013);
  series.set_min_effect_launches(12);
  series.set_baseline_ns(10e6);
  series.add_baseline_run_ids("17.1");
  EXPECT_EQ(Printed(format::kTable, ShowTrend(Answer({series}), {})),
            format::CaptionWithModel({SmallRun()}) + R"(
| step at (UTC)    | before (ms) | after (ms) | change | what changed          | first run |
|------------------|-------------|------------|--------|-----------------------|-----------|
| 2026-10-04 12:00 | 10.00       | 12.00      | +20 %  | driver 580.1 -> 580.9 | 20.1      |
1 step in 6 runs since 2026-10-01, 2 contaminated left out (differences below 1.3 % are not looked for, learned from 12 launches; method 1)
baseline 10.00 ms (1 run); the last run: +18 %
)");
}

TEST(Trend, WithoutAStepIsOneLine) {
  EXPECT_THAT(
      Printed(format::kTable, ShowTrend(Answer({CalmSeries()}), {})),
      HasSubstr("\nno step in 3 runs since 2026-10-01 (differences below 1 % are not looked "
                "for; method 1)\n"));
  v1::TrendSeries series;
  AddPoint(10, &series);
  series.set_min_effect(0.01);
  EXPECT_THAT(Printed(format::kTable, ShowTrend(Answer({series}), {})),
              HasSubstr("no step in 1 run since 2026-10-01 "));
}

v1::TrendSeries WithContext(uint32_t context, v1::TrendSeries series) {
  series.mutable_subject()->set_requested_context_length(context);
  return series;
}

TEST(Trend, OfSeveralSeriesStandsApart) {
  const std::string text = Printed(
      format::kTable,
      ShowTrend(Answer({SlowedSeries(), WithContext(512, SlowedSeries()), CalmSeries()}), {}));
  EXPECT_THAT(text, HasSubstr("; method 1)\n\ncs336-2025, small (128.6M), "));
  EXPECT_THAT(text, HasSubstr("context 512, "));
  EXPECT_THAT(text, Not(HasSubstr("\n\n\n")));
}

// The texts between two tables, in a paper.
TEST(Trend, OfSeveralSeriesHasACaptionForEachTable) {
  const format::Document document = ShowTrend(
      Answer({SlowedSeries(), WithContext(512, SlowedSeries()), WithContext(1024, CalmSeries())}),
      {});
  const std::string latex = Printed(format::kLatex, document);
  const size_t first = latex.find("\\caption{");
  const size_t second = latex.find("\\caption{", first + 1);
  ASSERT_NE(second, std::string::npos);
  EXPECT_THAT(latex.substr(second), HasSubstr("context 512, "));
  EXPECT_THAT(latex.substr(0, second), Not(HasSubstr("context 512, ")));
  const size_t last = latex.rfind("\\end{table}\n");
  EXPECT_THAT(latex.substr(last), HasSubstr("\n% cs336-2025, small (128.6M), "));
  EXPECT_THAT(latex.substr(last), HasSubstr("context 1024, "));
  EXPECT_THAT(latex.substr(last), HasSubstr("\n% no step in 3 runs "));

  const std::string typst = Printed(format::kTypst, document);
  const size_t figure = typst.rfind("#figure(");
  EXPECT_GT(figure, typst.find("#figure("));
  EXPECT_THAT(typst.substr(figure), HasSubstr("context 512, "));
  EXPECT_THAT(typst.substr(typst.rfind("\n)\n")), HasSubstr("\n// no step in 3 runs "));
}

TEST(Trend, KeepsAPlotApartFromMarkdown) {
  TrendView view;
  view.plot = format::PlotArea{.width = 40, .height = 5, .is_ascii = true};
  const std::string text = Printed(format::kMarkdown, ShowTrend(Answer({SlowedSeries()}), view));
  EXPECT_THAT(text, HasSubstr("\n```\nstep median (ms)\n"));
  EXPECT_THAT(text, HasSubstr(": step\n```\n"));
}

TEST_F(TrendCommand, AsksForWhatWasChosen) {
  EXPECT_EQ(Program({"trend", "--model-size", "small", "--phase", "backward", "--min-effect", "2%",
                     "--include-contaminated"}),
            0)
      << err_.str();
  EXPECT_THAT(request_.filter().model_sizes(), ElementsAre("small"));
  EXPECT_FALSE(request_.filter().has_selector());
  EXPECT_EQ(request_.phase(), v1::PHASE_BACKWARD);
  EXPECT_DOUBLE_EQ(request_.min_effect(), 0.02);
  EXPECT_FALSE(request_.learn_min_effect());
  EXPECT_TRUE(request_.include_contaminated());
  EXPECT_THAT(out_.str(), HasSubstr("backward median (ms)"));
  EXPECT_EQ(Program({"trend", "last", "--min-effect", "learned", "--phase", "step"}), 0)
      << err_.str();
  EXPECT_TRUE(request_.filter().selector().last());
  EXPECT_EQ(request_.phase(), v1::PHASE_UNSPECIFIED);
  EXPECT_TRUE(request_.learn_min_effect());
  EXPECT_FALSE(request_.include_contaminated());
}

TEST_F(TrendCommand, WantsAChoice) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"trend"}, {"trend", "--exclude-contaminated"}}) {
    EXPECT_EQ(Program(words), 1);
    EXPECT_EQ(err_.str(),
              "torchlap: trend needs a selection or filters, such as: torchlap trend --model-size "
              "small --since 30d (all: everything)\n");
  }
}

TEST_F(TrendCommand, RefusesWrongWords) {
  EXPECT_EQ(Program({"trend", "all", "--phase", "build"}), 1);
  EXPECT_EQ(
      err_.str(),
      "torchlap: --phase is build, must be one of step, forward, loss, backward, optimizer\n");
  EXPECT_EQ(Program({"trend", "all", "--fail-on", "slower"}), 1);
  EXPECT_EQ(err_.str(), "torchlap: --fail-on is slower, must be step\n");
  EXPECT_EQ(Program({"trend", "all", "--min-effect", "2"}), 1);
  EXPECT_THAT(err_.str(), StartsWith("torchlap: --min-effect is 2, must be a share"));
  EXPECT_EQ(Program({"trend", "all", "--include-contaminated", "--exclude-contaminated"}), 1);
  EXPECT_EQ(err_.str(),
            "torchlap: --include-contaminated and --exclude-contaminated are both given, must be "
            "one of them\n");
}

TEST_F(TrendCommand, FailsOnAStepOnlyWhereItIsAsked) {
  EXPECT_EQ(Program({"trend", "all"}), 0);
  EXPECT_EQ(Program({"trend", "all", "--fail-on", "step"}), 5);
  EXPECT_THAT(out_.str(), HasSubstr("driver 580.1 -> 580.9")) << "it is shown all the same";
  answer_ = Answer({CalmSeries()});
  EXPECT_EQ(Program({"trend", "all", "--fail-on", "step"}), 0);
}

TEST_F(TrendCommand, OfNothingIsAnError) {
  answer_ = Answer({});
  EXPECT_EQ(Program({"trend", "all", "--fail-on", "step"}), 4);
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(err_.str(), "torchlap: no run that ended OK and was made to measure matches\n");
  EXPECT_EQ(Program({"trend", "--purpose", "canary"}), 4);
  EXPECT_EQ(err_.str(), "torchlap: no run that ended OK matches\n");
}

TEST_F(TrendCommand, DrawsSeveralSeriesForATerminalOnly) {
  constexpr char kTitle[] = "step median (ms)\n";
  answer_ = Answer({SlowedSeries(), CalmSeries()});
  EXPECT_EQ(Program({"trend", "all"}), 0);
  EXPECT_THAT(out_.str(), Not(HasSubstr(kTitle)));
  console_.out_is_terminal = true;
  EXPECT_EQ(Program({"trend", "all"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr(kTitle));
  answer_ = Answer(std::vector<v1::TrendSeries>(5, CalmSeries()));
  EXPECT_EQ(Program({"trend", "all"}), 0);
  EXPECT_THAT(out_.str(), Not(HasSubstr(kTitle)));
}

TEST_F(TrendCommand, IsNotDrawnInAPaper) {
  EXPECT_EQ(Program({"trend", "all", "--format", "latex"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), Not(HasSubstr("median between steps")));
  EXPECT_THAT(out_.str(), HasSubstr("\\caption{cs336-2025, small (128.6M), "));
}

TEST_F(TrendCommand, IsARowAPointForPrograms) {
  EXPECT_EQ(Program({"trend", "all", "--format", "csv"}), 0) << err_.str();
  const std::string key = SmallRun().series_key();
  EXPECT_EQ(out_.str(),
            "series_key,run_id,started_at,median_ms,segment,is_step,phase,method_version,"
            "what_changed\n" +  //
                key +
                ",17.1,2026-10-01T12:00:00.000000Z,10,1,false,step,1,\n" + key +
                ",18.1,2026-10-02T12:00:00.000000Z,10.2,1,false,step,1,\n" + key +
                ",19.1,2026-10-03T12:00:00.000000Z,9.8,1,false,step,1,\n" + key +
                ",20.1,2026-10-04T12:00:00.000000Z,12,2,true,step,1,driver 580.1 -> 580.9\n" + key +
                ",21.1,2026-10-05T12:00:00.000000Z,12.2,2,false,step,1,\n" + key +
                ",22.1,2026-10-06T12:00:00.000000Z,11.8,2,false,step,1,\n");
  EXPECT_EQ(Program({"trend", "all", "--format", "jsonl"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\"median_ms\":12.0,\"segment\":2,\"is_step\":true,"
                                    "\"phase\":\"step\",\"method_version\":1,"
                                    "\"what_changed\":\"driver 580.1 -> 580.9\"}\n"));
  EXPECT_THAT(out_.str(), HasSubstr("\"segment\":1,\"is_step\":false,\"phase\":\"step\","
                                    "\"method_version\":1,\"what_changed\":null}\n"));
}

TEST_F(TrendCommand, SaysToProgramsOfWhichPhaseAndMethodItIs) {
  answer_.set_method_version(7);
  answer_.mutable_series(0)->mutable_steps(0)->clear_changes();
  EXPECT_EQ(Program({"trend", "all", "--phase", "backward", "--format", "csv"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr(",12,2,true,backward,7,\n"));
}

TEST_F(TrendCommand, IsAnArrayOfSeriesInJson) {
  answer_.mutable_series(0)->set_baseline_ns(10e6);
  EXPECT_EQ(Program({"trend", "all", "--format", "json"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), StartsWith("[\n"));
  for (const char* part :
       {"\"series_key\": \"ffeeddccbbaa99887766554433221100\"", "\"phase\": \"step\"",
        "\"method_version\": 1", "\"min_effect\": 0.01", "\"baseline_ms\": 10.0",
        "\"run_id\": \"20.1\"", "\"validity\": \"clean\"", "\"before_ms\": 10.0",
        "\"after_ms\": 12.0", "\"name\": \"driver\"", "\"before\": \"580.1\"",
        "\"after\": \"580.9\"", "\"subject\": {"}) {
    EXPECT_THAT(out_.str(), HasSubstr(part));
  }
}

TEST_F(TrendCommand, OutlivesAStepOfAPointThatIsNotThere) {
  answer_.mutable_series(0)->mutable_steps(0)->set_point(99);
  for (const char* format : {"table", "markdown", "csv", "json", "jsonl"}) {
    EXPECT_EQ(Program({"trend", "all", "--format", format}), 0) << err_.str();
  }
}

TEST_F(TrendCommand, SaysWhatCouldNotBeRead) {
  answer_.set_unreadable_runs(3);
  EXPECT_EQ(Program({"trend", "all"}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("3 rows could not be read"));
}

}  // namespace
}  // namespace torchlap::client
