// `torchlap compare`: the whole command against a service that the test plays.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "client/commands/until_decided.h"
#include "tests/client/child_process.h"
#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

v1::ComparedSide SideOf(uint64_t job_id, uint32_t launches) {
  v1::ComparedSide side;
  side.set_launches(launches);
  for (uint32_t i = 1; i <= launches; ++i) {
    side.add_run_ids(std::to_string(job_id) + "." + std::to_string(i));
  }
  return side;
}

v1::ComparedCell CellOf(uint64_t a_job, uint64_t b_job, uint32_t launches,
                        v1::CompareVerdict verdict) {
  v1::ComparedCell cell;
  *cell.mutable_subject() = SmallRun();
  cell.mutable_subject()->set_run_id(std::to_string(a_job) + ".1");
  *cell.mutable_a() = SideOf(a_job, launches);
  *cell.mutable_b() = SideOf(b_job, launches);
  v1::ComparedPhase* phase = cell.add_phases();
  phase->set_a_ns(100e6);
  phase->set_b_ns(104e6);
  phase->set_ratio(1.04);
  phase->set_low(1.02);
  phase->set_high(1.06);
  phase->set_verdict(verdict);
  phase->set_p(0.001);
  phase->set_p_adjusted(0.002);
  phase->set_min_effect(0.01);
  return cell;
}

class CompareCommand : public Commands {
 protected:
  using Answer = std::function<std::vector<v1::ComparedCell>(const v1::CompareRunsRequest&)>;

  CompareCommand() {
    service_.on_get_job = [](const v1::GetJobRequest& request, v1::GetJobResponse* response) {
      *response->mutable_job() = SmallJob(request.job_id(), v1::JOB_STATE_SUCCEEDED);
      // Devices tell the sides apart.
      response->mutable_job()->set_device(request.job_id() == 17 ? "cpu0" : "cpu1");
      return grpc::Status::OK;
    };
    // Sweep 1 has jobs 101 on, sweep 2 jobs 201 on.
    service_.on_submit = [this](const v1::SubmitJobsRequest& request,
                                v1::SubmitJobsResponse* response) {
      const std::lock_guard lock(mutex_);
      response->set_sweep_id(++sweeps_);
      for (int i = 1; i <= request.jobs_size(); ++i) {
        response->add_job_ids(sweeps_ * 100 + static_cast<uint64_t>(i));
      }
      return grpc::Status::OK;
    };
    service_.on_watch = [this](const v1::WatchJobsRequest&, grpc::ServerContext*,
                               FakeService::WatchWriter* writer) {
      writer->Write(Snapshot({SmallJob(101, end_)}, 5));
      return grpc::Status::OK;
    };
  }

  void AnswerWith(const Answer& answer) {
    service_.on_compare_runs = [this, answer](const v1::CompareRunsRequest& request,
                                              v1::CompareRunsResponse* response) {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
      for (const v1::ComparedCell& cell : answer(request)) *response->add_cells() = cell;
      return grpc::Status::OK;
    };
  }

  void AnswerWith(const v1::ComparedCell& cell) {
    AnswerWith([cell](const v1::CompareRunsRequest&) { return std::vector{cell}; });
  }

  // The first comparison has `before`; those of new runs have the jobs of sweep 1, and from the
  // look on whose number it is the verdict.
  void DecideAtLook(size_t look, const v1::ComparedCell& before, v1::CompareVerdict verdict) {
    AnswerWith([this, look, before, verdict](const v1::CompareRunsRequest&) {
      const size_t looks = requests_.size() - 1;
      if (looks == 0) return std::vector{before};
      const auto launches = static_cast<uint32_t>(2u << looks);
      return std::vector{
          CellOf(101, 102, launches, looks < look ? v1::COMPARE_VERDICT_INCONCLUSIVE : verdict)};
    });
  }

  std::mutex mutex_;
  std::vector<v1::CompareRunsRequest> requests_;
  uint64_t sweeps_ = 0;
  v1::JobState end_ = v1::JOB_STATE_SUCCEEDED;
};

TEST_F(CompareCommand, AsksForBothSidesWithTheSameFilters) {
  AnswerWith(CellOf(17, 18, 7, v1::COMPARE_VERDICT_SLOWER));
  EXPECT_EQ(Program({"compare", "baseline", "sweep:4", "--precision", "fp32", "--min-effect", "2%",
                     "--include-contaminated"}),
            0)
      << err_.str();
  ASSERT_EQ(requests_.size(), 1u);
  const v1::CompareRunsRequest& request = requests_.front();
  EXPECT_TRUE(request.a().selector().baseline());
  EXPECT_THAT(request.b().selector().sweep_ids(), ElementsAre(4));
  EXPECT_THAT(request.a().precisions(), ElementsAre(v1::PRECISION_FP32));
  EXPECT_THAT(request.b().precisions(), ElementsAre(v1::PRECISION_FP32));
  EXPECT_DOUBLE_EQ(request.min_effect(), 0.02);
  EXPECT_FALSE(request.learn_min_effect());
  EXPECT_TRUE(request.include_contaminated());
  EXPECT_THAT(out_.str(), StartsWith("A: baseline, B: sweep:4\n"));
  EXPECT_THAT(out_.str(), HasSubstr("slower by 4 %"));
  EXPECT_EQ(err_.str(), "");
  EXPECT_TRUE(service_.submits().empty());
}

TEST_F(CompareCommand, SidesHaveFiltersOfTheirOwnInQuotes) {
  AnswerWith(CellOf(17, 18, 7, v1::COMPARE_VERDICT_SLOWER));
  EXPECT_EQ(Program({"compare", "sweep:3 precision=fp32", "label:card=A label=day=1", "--device",
                     "cpu0"}),
            0)
      << err_.str();
  ASSERT_EQ(requests_.size(), 1u);
  const v1::RunFilter& a = requests_[0].a();
  EXPECT_THAT(a.selector().sweep_ids(), ElementsAre(3));
  EXPECT_THAT(a.precisions(), ElementsAre(v1::PRECISION_FP32));
  EXPECT_THAT(a.devices(), ElementsAre("cpu0"));
  const v1::RunFilter& b = requests_[0].b();
  EXPECT_FALSE(b.has_selector());
  EXPECT_THAT(b.labels(),
              testing::UnorderedElementsAre(testing::Pair("card", "A"), testing::Pair("day", "1")));
  EXPECT_THAT(b.precisions(), IsEmpty());
  EXPECT_THAT(b.devices(), ElementsAre("cpu0"));
  EXPECT_THAT(out_.str(), StartsWith("A: sweep:3 precision=fp32, B: label:card=A label=day=1\n"));
}

TEST_F(CompareCommand, SidesAreTimesWithoutASelector) {
  AnswerWith(CellOf(17, 18, 7, v1::COMPARE_VERDICT_SLOWER));
  EXPECT_EQ(Program({"compare", "since=14d until=7d", "since=7d"}), 0) << err_.str();
  constexpr int64_t kWeekNs = int64_t{7} * 24 * 3600 * 1'000'000'000;
  const v1::RunFilter& a = requests_[0].a();
  EXPECT_FALSE(a.has_selector());
  EXPECT_EQ(a.until_ns() - a.since_ns(), kWeekNs);
  EXPECT_EQ(requests_[0].b().since_ns(), a.until_ns());
  EXPECT_EQ(requests_[0].b().until_ns(), 0);
}

TEST_F(CompareCommand, WithinOneSelectionFiltersMayBeWords) {
  AnswerWith(CellOf(17, 18, 7, v1::COMPARE_VERDICT_SAME));
  EXPECT_EQ(Program({"compare", "17 18", "precision=fp32", "--by", "attention"}), 0) << err_.str();
  EXPECT_THAT(requests_[0].a().selector().job_ids(), ElementsAre(17, 18));
  EXPECT_THAT(requests_[0].a().precisions(), ElementsAre(v1::PRECISION_FP32));
  EXPECT_EQ(Program({"compare", "since=7d", "--by", "attention"}), 0) << err_.str();
  EXPECT_FALSE(requests_[1].a().has_selector()) << "not the latest sweep";
}

TEST_F(CompareCommand, WithinOneSelectionByAnAxis) {
  v1::ComparedCell cell = CellOf(17, 18, 7, v1::COMPARE_VERDICT_SAME);
  cell.mutable_a()->set_value("fp32");
  cell.mutable_b()->set_value("bf16");
  AnswerWith(cell);
  EXPECT_EQ(Program({"compare", "--by", "precision=fp32", "--min-effect", "learned"}), 0)
      << err_.str();
  EXPECT_TRUE(requests_[0].a().selector().last());
  EXPECT_FALSE(requests_[0].has_b());
  EXPECT_EQ(requests_[0].by(), "precision");
  EXPECT_EQ(requests_[0].reference(), "fp32");
  EXPECT_TRUE(requests_[0].learn_min_effect());
  EXPECT_THAT(out_.str(), StartsWith("A: precision fp32, B: the others, in last\n"));

  EXPECT_EQ(Program({"compare", "17", "18", "19", "--by", "label:card"}), 0) << err_.str();
  EXPECT_THAT(requests_[1].a().selector().job_ids(), ElementsAre(17, 18, 19));
  EXPECT_EQ(requests_[1].by(), "label:card");
  EXPECT_EQ(requests_[1].reference(), "");
}

TEST_F(CompareCommand, WrongWordsAreRefusedBeforeItConnects) {
  service_.Stop();
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{}, "compare needs two selectors, A and B (torchlap compare sweep:3 sweep:4), or --by AXIS"},
      {{"17"}, "within one selection, got 1 selector\n"},
      {{"1", "2", "3"}, "got 3 selectors\n"},
      {{"17", "foo"},
       "selector is foo, must be a job (17), a run (17.2), sweep:3, sweep:NAME, "
       "last, baseline, all or label:k=v\n"},
      {{"--by", "colour"},
       "--by is colour, must be precision, attention, optimizer, device, "
       "device-model, batch, context, size, threads, timing, torchlap, torch, "
       "driver, host or label:KEY\n"},
      {{"--by", "label:"}, "--by is label:, must be"},
      {{"--by", "precision="}, "--by is precision=, must have a value behind the =, or no =\n"},
      {{"1", "2", "--phase", "build"},
       "--phase is build, must be step, forward, loss, backward, "
       "optimizer, or all alone\n"},
      {{"1", "2", "--phase", "all,step"}, "--phase is all, must be"},
      {{"1", "2", "--min-effect", "0"},
       "--min-effect is 0, must be a share above 0 and at most 1 (1%, "
       "0.01), or learned\n"},
      {{"1", "2", "--min-effect", "101%"}, "--min-effect is 101%, must be a share above 0"},
      {{"1", "2", "--min-effect", "small"}, "--min-effect is small, must be a share above 0"},
      {{"1", "2", "--fail-on", "faster"},
       "--fail-on is faster, must be one of slower, "
       "inconclusive, incomparable\n"},
      {{"1", "2", "--max-launches", "8"},
       "--max-launches is 8 without --until-decided, which it "
       "limits\n"},
      {{"1", "2", "--until-decided", "--max-launches", "1"},
       "--max-launches is 1, must be 2 to "
       "1000\n"},
      {{"1", "2", "--until-decided", "--max-launches", "x"}, "--max-launches is x, must be 2 to"},
      {{"1", "2", "--include-contaminated", "--exclude-contaminated"},
       "--include-contaminated and --exclude-contaminated are both given, must be one of them\n"},
      {{"1", "2", "--format", "writeup"}, "--format is writeup, must be one of"},
      {{"1 presicion=fp32", "2"}, "filter is presicion, must be one of model-size, pass-type, "},
      {{"1 presicion=fp32", "2"}, "; close to it: precision\n"},
      {{"1", "2 precision=fp23"}, "torchlap: precision is fp23, must be one of fp32, "},
      {{"1", "2 foo"}, "selector is foo, must be a job (17)"},
      {{"1", " "}, "selector is '', must be a job (17)"},
      {{"1", "2 precision=fp32", "--precision", "bf16"},
       "--precision bf16 and precision=fp32 are both given, must be one of them\n"},
      {{"precision=fp32", "17 precision=bf16", "--by", "attention"},
       "precision is both fp32 and bf16, must be given once"},
      {{"1", "precision=fp32", "2"},
       "got 3 selectors; the words of one side stand in quotes: \"sweep:3 since=7d\"\n"},
      {{"1", "2 exclude-contaminated", "--include-contaminated"},
       "--include-contaminated and --exclude-contaminated are both given"},
  };
  for (const auto& [words, message] : wrong) {
    std::vector<std::string> command = {"compare"};
    command.insert(command.end(), words.begin(), words.end());
    EXPECT_EQ(Program(command), 1) << message;
    EXPECT_THAT(err_.str(), HasSubstr(message));
  }
}

TEST_F(CompareCommand, NothingToCompareIsNotFound) {
  AnswerWith([](const v1::CompareRunsRequest&) { return std::vector<v1::ComparedCell>(); });
  EXPECT_EQ(Program({"compare", "sweep:3", "sweep:4", "--fail-on", "slower"}), 4);
  EXPECT_EQ(err_.str(), "torchlap: no run of sweep:3 and sweep:4 matches\n");
}

TEST_F(CompareCommand, FailOnEndsWith5AndPrintsTheTableAllTheSame) {
  AnswerWith(CellOf(17, 18, 7, v1::COMPARE_VERDICT_SLOWER));
  EXPECT_EQ(Program({"compare", "17", "18", "--fail-on", "slower,incomparable"}), 5);
  EXPECT_THAT(out_.str(), HasSubstr("slower by 4 %"));
  EXPECT_EQ(err_.str(), "torchlap: --fail-on: small: slower by 4 %\n");
  EXPECT_EQ(Program({"compare", "17", "18", "--fail-on", "inconclusive,incomparable"}), 0);
  EXPECT_EQ(err_.str(), "");
  AnswerWith(CellOf(17, 18, 7, v1::COMPARE_VERDICT_INCONCLUSIVE));
  EXPECT_EQ(Program({"compare", "17", "18", "--fail-on", "inconclusive"}), 5);
  EXPECT_EQ(Program({"compare", "17", "18", "--fail-on", "slower"}), 0);
}

TEST_F(CompareCommand, FailOnSaysWhatIsSlowerAndMayBeChance) {
  v1::ComparedCell cell = CellOf(17, 18, 7, v1::COMPARE_VERDICT_SLOWER);
  cell.mutable_phases(0)->set_p_adjusted(0.2);
  AnswerWith(cell);
  EXPECT_EQ(Program({"compare", "17", "18", "--fail-on", "slower"}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("--fail-on slower passes over what may be chance among so many "
                                    "rows: small: slower by 4 %\n"));
}

TEST_F(CompareCommand, PrintsInEachFormatOfResults) {
  AnswerWith(CellOf(17, 18, 7, v1::COMPARE_VERDICT_SLOWER));
  for (const char* format : {"table", "markdown", "csv", "json", "jsonl"}) {
    EXPECT_EQ(Program({"compare", "17", "18", "--format", format}), 0) << err_.str();
    EXPECT_THAT(out_.str(), HasSubstr("slower")) << format;
  }
}

std::string ContentOf(const std::string& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST_F(CompareCommand, LeavesColumnsOutOfATerminalsTableAlone) {
  AnswerWith(CellOf(17, 18, 7, v1::COMPARE_VERDICT_SLOWER));
  const std::string left_out = "\n--format csv also has: p\n";
  EXPECT_EQ(Program({"compare", "17", "18"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), Not(HasSubstr("also has"))) << "it goes to a pipe";
  EXPECT_THAT(out_.str(), HasSubstr(" 0.0010 |\n"));
  console_.out_is_terminal = true;
  EXPECT_EQ(Program({"compare", "17", "18"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr(left_out));
  EXPECT_THAT(out_.str(), Not(HasSubstr("0.0010")));
  EXPECT_EQ(Program({"compare", "17", "18", "--format", "markdown"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), Not(HasSubstr("also has")));
  EXPECT_THAT(out_.str(), HasSubstr(" 0.0010 |\n"));
  const std::string file = testing::TempDir() + "/torchlap_compare_test.md";
  EXPECT_EQ(Program({"compare", "17", "18", "-o", file}), 0) << err_.str();
  EXPECT_THAT(ContentOf(file), HasSubstr(" 0.0010 |\n"));
  EXPECT_THAT(ContentOf(file), Not(HasSubstr("also has")));
  EXPECT_THAT(out_.str(), HasSubstr(left_out)) << "the terminal is shown the table too";
  std::filesystem::remove(file);
}

TEST(LooksUpTo, DoubleAndEndWithTheLastThatIsAllowed) {
  EXPECT_THAT(LooksUpTo(32), ElementsAre(4, 8, 16, 32));
  EXPECT_THAT(LooksUpTo(20), ElementsAre(4, 8, 16, 20));
  EXPECT_THAT(LooksUpTo(4), ElementsAre(4));
  EXPECT_THAT(LooksUpTo(2), ElementsAre(2));
  EXPECT_THAT(LooksUpTo(1000), testing::SizeIs(9));
}

TEST(FalseAlarmRateOfALook, IsTheWholeForOneAndLessForMore) {
  EXPECT_DOUBLE_EQ(FalseAlarmRateOfALook(1), 0.05);
  EXPECT_DOUBLE_EQ(FalseAlarmRateOfALook(4), 0.0160);
  for (size_t looks = 1; looks < 9; ++looks) {
    EXPECT_GT(FalseAlarmRateOfALook(looks), FalseAlarmRateOfALook(looks + 1));
    EXPECT_GT(FalseAlarmRateOfALook(looks), 0.05 / static_cast<double>(looks + 1));
  }
}

TEST_F(CompareCommand, UntilDecidedRunsBothSidesTogetherUntilThereIsAVerdict) {
  DecideAtLook(2, CellOf(17, 18, 1, v1::COMPARE_VERDICT_INCONCLUSIVE), v1::COMPARE_VERDICT_SLOWER);
  EXPECT_EQ(Program({"compare", "17", "18", "--until-decided"}), 0) << err_.str();
  const auto submits = service_.submits();
  ASSERT_EQ(submits.size(), 2u);
  for (const v1::SubmitJobsRequest& submit : submits) {
    EXPECT_TRUE(submit.shuffle());
    ASSERT_EQ(submit.jobs_size(), 2);
    EXPECT_EQ(submit.jobs(0).device(), "cpu0");
    EXPECT_EQ(submit.jobs(1).device(), "cpu1");
    for (const v1::JobSpec& job : submit.jobs()) EXPECT_EQ(job.plan().launches(), 4u);
  }
  ASSERT_EQ(requests_.size(), 3u);
  EXPECT_DOUBLE_EQ(requests_[0].false_alarm_rate(), 0) << "the daemon's usual one";
  EXPECT_THAT(requests_[0].a().selector().job_ids(), ElementsAre(17));
  EXPECT_THAT(requests_[1].a().selector().job_ids(), ElementsAre(101));
  EXPECT_THAT(requests_[1].b().selector().job_ids(), ElementsAre(102));
  EXPECT_DOUBLE_EQ(requests_[1].false_alarm_rate(), 0.0160);
  EXPECT_THAT(requests_[2].a().selector().job_ids(), ElementsAre(101, 201));
  EXPECT_THAT(requests_[2].b().selector().job_ids(), ElementsAre(102, 202));
  EXPECT_THAT(out_.str(), HasSubstr("slower by 4 %"));
  EXPECT_THAT(out_.str(), HasSubstr(" 8/8 "));
  EXPECT_THAT(out_.str(), HasSubstr("\nthe new runs: sweep:1, sweep:2\n"));
  EXPECT_THAT(out_.str(), HasSubstr("\nagain: torchlap compare '101 201' '102 202'\n"));
  EXPECT_THAT(err_.str(), HasSubstr("up to 8 launches a side: 1 cell without a verdict\n"));
}

TEST_F(CompareCommand, UntilDecidedGivesUpAtTheLimitAndSaysSo) {
  DecideAtLook(9, CellOf(17, 18, 1, v1::COMPARE_VERDICT_INCONCLUSIVE), v1::COMPARE_VERDICT_SLOWER);
  EXPECT_EQ(Program({"compare", "17", "18", "--until-decided", "--max-launches", "8", "--fail-on",
                     "inconclusive"}),
            5);
  EXPECT_EQ(service_.submits().size(), 2u);
  EXPECT_DOUBLE_EQ(requests_.back().false_alarm_rate(), 0.0294);
  EXPECT_THAT(out_.str(), HasSubstr("undecided after 8 launches a side\n"));
  EXPECT_THAT(err_.str(), HasSubstr("torchlap: --fail-on: small: inconclusive\n"));
}

TEST_F(CompareCommand, UntilDecidedRunsDecidedCellsNoMore) {
  const auto large = [](uint64_t a, uint64_t b, uint32_t launches, v1::CompareVerdict verdict) {
    v1::ComparedCell cell = CellOf(a, b, launches, verdict);
    cell.mutable_subject()->mutable_workload()->mutable_transformer_lm()->set_preset("large");
    return cell;
  };
  AnswerWith([this, large](const v1::CompareRunsRequest&) {
    constexpr v1::CompareVerdict kOpen = v1::COMPARE_VERDICT_INCONCLUSIVE;
    if (requests_.size() == 1) {
      return std::vector{CellOf(17, 18, 1, kOpen), large(19, 20, 1, kOpen)};
    }
    const bool is_last = requests_.size() == 3;
    return std::vector{
        CellOf(101, 102, 4, v1::COMPARE_VERDICT_SAME),
        large(103, 104, is_last ? 8 : 4, is_last ? v1::COMPARE_VERDICT_SLOWER : kOpen)};
  });
  service_.on_get_job = [](const v1::GetJobRequest& request, v1::GetJobResponse* response) {
    *response->mutable_job() = SmallJob(request.job_id(), v1::JOB_STATE_SUCCEEDED);
    response->mutable_job()->set_device("cpu" + std::to_string(request.job_id()));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"compare", "17,18", "19"}), 1) << "a selector is one word";
  EXPECT_EQ(Program({"compare", "sweep:3", "sweep:4", "--until-decided"}), 0) << err_.str();
  const auto submits = service_.submits();
  ASSERT_EQ(submits.size(), 2u);
  EXPECT_EQ(submits[0].jobs_size(), 4);
  ASSERT_EQ(submits[1].jobs_size(), 2);
  EXPECT_EQ(submits[1].jobs(0).device(), "cpu19");
  EXPECT_EQ(submits[1].jobs(1).device(), "cpu20");
  EXPECT_THAT(requests_.back().a().selector().job_ids(), ElementsAre(101, 103, 201))
      << "the p of all cells is adjusted together";
  EXPECT_THAT(out_.str(), HasSubstr("same (within 1 %)"));
  EXPECT_THAT(out_.str(), HasSubstr("slower by 4 %"));
}

TEST_F(CompareCommand, UntilDecidedByAnAxisRunsASharedAOnce) {
  const auto cell_of = [](uint64_t a, uint64_t b, const std::string& value,
                          v1::CompareVerdict verdict) {
    v1::ComparedCell cell = CellOf(a, b, 4, verdict);
    cell.mutable_a()->set_value("fp32");
    cell.mutable_b()->set_value(value);
    return cell;
  };
  AnswerWith([this, cell_of](const v1::CompareRunsRequest&) {
    if (requests_.size() == 1) {
      return std::vector{cell_of(17, 18, "bf16", v1::COMPARE_VERDICT_INCONCLUSIVE),
                         cell_of(17, 19, "fp16", v1::COMPARE_VERDICT_INCONCLUSIVE)};
    }
    return std::vector{cell_of(101, 102, "bf16", v1::COMPARE_VERDICT_SLOWER),
                       cell_of(101, 103, "fp16", v1::COMPARE_VERDICT_SAME)};
  });
  service_.on_get_job = [](const v1::GetJobRequest& request, v1::GetJobResponse* response) {
    *response->mutable_job() = SmallJob(request.job_id(), v1::JOB_STATE_SUCCEEDED);
    const v1::Precision precision = request.job_id() == 17   ? v1::PRECISION_FP32
                                    : request.job_id() == 18 ? v1::PRECISION_BF16
                                                             : v1::PRECISION_FP16;
    v1::JobSpec* spec = response->mutable_job()->mutable_spec();
    spec->mutable_workload()->mutable_transformer_lm()->set_precision(precision);
    // B's own plan does not count.
    if (request.job_id() != 17) spec->mutable_plan()->set_measure_steps(99);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"compare", "--by", "precision", "--until-decided"}), 0) << err_.str();
  const auto submits = service_.submits();
  ASSERT_EQ(submits.size(), 1u);
  ASSERT_EQ(submits[0].jobs_size(), 3);
  std::set<v1::Precision> precisions;
  for (const v1::JobSpec& job : submits[0].jobs()) {
    precisions.insert(job.workload().transformer_lm().precision());
    EXPECT_EQ(job.plan().measure_steps(), 10u);
  }
  EXPECT_THAT(precisions, ElementsAre(v1::PRECISION_FP32, v1::PRECISION_BF16, v1::PRECISION_FP16));
  const v1::CompareRunsRequest& last = requests_.back();
  EXPECT_EQ(last.by(), "precision");
  EXPECT_EQ(last.reference(), "fp32");
  EXPECT_THAT(last.a().selector().job_ids(), ElementsAre(101, 102, 103));
  EXPECT_FALSE(last.a().selector().last());
  EXPECT_FALSE(last.has_b());
}

TEST_F(CompareCommand, UntilDecidedOfOneJobASideSaysHowToCompareAgain) {
  DecideAtLook(1, CellOf(17, 18, 1, v1::COMPARE_VERDICT_INCONCLUSIVE), v1::COMPARE_VERDICT_SLOWER);
  EXPECT_EQ(Program({"compare", "17", "18", "--until-decided"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\nthe new runs: sweep:1\nagain: torchlap compare 101 102\n"));
}

TEST_F(CompareCommand, UntilDecidedByAnAxisSaysHowToCompareAgain) {
  v1::ComparedCell cell = CellOf(17, 18, 1, v1::COMPARE_VERDICT_INCONCLUSIVE);
  cell.mutable_a()->set_value("cpu0");
  cell.mutable_b()->set_value("cpu1");
  AnswerWith([cell](const v1::CompareRunsRequest& request) {
    v1::ComparedCell again = CellOf(101, 102, 4, v1::COMPARE_VERDICT_SLOWER);
    again.mutable_a()->set_value("cpu0");
    again.mutable_b()->set_value("cpu1");
    // What is selected at first is no job of a new sweep.
    const auto& ids = request.a().selector().job_ids();
    const bool is_new = std::any_of(ids.begin(), ids.end(), [](uint64_t id) { return id > 100; });
    if (is_new) {
      again.mutable_a()->set_run_ids(0, std::to_string(ids[0]) + ".1");
      again.mutable_b()->set_run_ids(0, std::to_string(ids[1]) + ".1");
    }
    return std::vector{is_new ? again : cell};
  });
  EXPECT_EQ(Program({"compare", "sweep:12", "17", "--by", "device", "--until-decided"}), 0)
      << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\nthe new runs: sweep:1\nagain: torchlap compare sweep:12 17 "
                                    "sweep:1 --by device\n"));
  // What moves on, or would narrow the new runs, is left out.
  EXPECT_EQ(Program({"compare", "--by", "device=cpu0", "--until-decided"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\nagain: torchlap compare sweep:2 --by device=cpu0\n"));
  EXPECT_EQ(Program({"compare", "sweep:12", "label:a=b", "--by", "device", "--until-decided",
                     "--include-contaminated"}),
            0)
      << err_.str();
  EXPECT_THAT(out_.str(),
              HasSubstr("\nagain: torchlap compare sweep:3 --by device --include-contaminated\n"));
  // What is one word in quotes stays one.
  EXPECT_EQ(Program({"compare", "'sweep:my sweep' 17", "--by", "device", "--until-decided"}), 0)
      << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\nagain: torchlap compare '\"sweep:my sweep\"' 17 sweep:4 "
                                    "--by device\n"));
  EXPECT_EQ(Program({"compare", "17 precision=fp32", "--by", "device", "--until-decided"}), 0)
      << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\nagain: torchlap compare sweep:5 --by device\n"));
}

TEST_F(CompareCommand, UntilDecidedRunsSidesAgainThatDifferInTheirNumbersOfSteps) {
  v1::ComparedCell cell = CellOf(18, 19, 7, v1::COMPARE_VERDICT_INCONCLUSIVE);
  v1::EnvironmentChange* change = cell.add_also_differs();
  change->set_name("steps");
  change->set_before("20");
  change->set_after("60");
  DecideAtLook(1, cell, v1::COMPARE_VERDICT_SAME);
  EXPECT_EQ(Program({"compare", "18", "19", "--until-decided"}), 0) << err_.str();
  EXPECT_EQ(service_.submits().size(), 1u);
}

TEST_F(CompareCommand, UntilDecidedKeepsHowTheStepsOfBRun) {
  v1::ComparedCell cell = CellOf(17, 18, 1, v1::COMPARE_VERDICT_INCONCLUSIVE);
  v1::EnvironmentChange* change = cell.add_also_differs();
  change->set_name("execution");
  change->set_before("eager");
  change->set_after("cuda-graph");
  DecideAtLook(1, cell, v1::COMPARE_VERDICT_FASTER);
  service_.on_get_job = [](const v1::GetJobRequest& request, v1::GetJobResponse* response) {
    *response->mutable_job() = SmallJob(request.job_id(), v1::JOB_STATE_SUCCEEDED);
    response->mutable_job()->set_device("gpu0");
    if (request.job_id() == 17) return grpc::Status::OK;
    v1::Plan* plan = response->mutable_job()->mutable_spec()->mutable_plan();
    plan->set_execution(v1::EXECUTION_CUDA_GRAPH);
    plan->set_memory_fraction(0.5);
    plan->set_measure_steps(99);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"compare", "17", "18", "--until-decided"}), 0) << err_.str();
  ASSERT_EQ(service_.submits().size(), 1u);
  const v1::SubmitJobsRequest submit = service_.submits()[0];
  ASSERT_EQ(submit.jobs_size(), 2);
  EXPECT_NE(submit.jobs(0).plan().execution(), v1::EXECUTION_CUDA_GRAPH);
  EXPECT_FALSE(submit.jobs(0).plan().has_memory_fraction());
  EXPECT_EQ(submit.jobs(1).plan().execution(), v1::EXECUTION_CUDA_GRAPH);
  EXPECT_EQ(submit.jobs(1).plan().memory_fraction(), 0.5);
  EXPECT_EQ(submit.jobs(1).plan().measure_steps(), submit.jobs(0).plan().measure_steps());
}

v1::ComparedCell OnlyIn(v1::Incomparable side, uint64_t job_id, v1::Precision precision) {
  v1::ComparedCell cell = CellOf(job_id, job_id, 1, v1::COMPARE_VERDICT_INCONCLUSIVE);
  cell.mutable_subject()->mutable_workload()->mutable_transformer_lm()->set_precision(precision);
  cell.clear_phases();
  if (side == v1::INCOMPARABLE_ONLY_B) cell.clear_a();
  if (side == v1::INCOMPARABLE_ONLY_A) cell.clear_b();
  cell.set_incomparable(side);
  return cell;
}

TEST_F(CompareCommand, UntilDecidedOfSidesWithoutACommonCellRunsNothing) {
  AnswerWith([](const v1::CompareRunsRequest&) {
    return std::vector{OnlyIn(v1::INCOMPARABLE_ONLY_A, 17, v1::PRECISION_FP32),
                       OnlyIn(v1::INCOMPARABLE_ONLY_B, 18, v1::PRECISION_BF16)};
  });
  EXPECT_EQ(Program({"compare", "sweep:3", "sweep:4", "--until-decided"}), 4);
  EXPECT_EQ(err_.str(),
            "torchlap: no cell can be run again as two: A and B have no cell in common, they "
            "differ in precision: torchlap compare sweep:3 sweep:4 --by precision\n");
  AnswerWith(OnlyIn(v1::INCOMPARABLE_ONLY_A, 17, v1::PRECISION_FP32));
  EXPECT_EQ(Program({"compare", "sweep:3", "sweep:4", "--until-decided"}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("run again as two: nothing is compared: sweep:4 has no run "
                                    "that matches\n"));
  EXPECT_TRUE(service_.submits().empty());
}

// Sides in either order; a cell that only one of them has, in either.
const std::vector<std::vector<std::string>> kWithABaseline = {
    {"compare", "baseline", "last", "--until-decided"},
    {"compare", "last", "baseline", "--until-decided"}};
constexpr v1::Incomparable kOneSide[] = {v1::INCOMPARABLE_ONLY_A, v1::INCOMPARABLE_ONLY_B};

// Of the jobs of a request: the first of both sides are a cell, and so on.
std::vector<v1::ComparedCell> NewCells(const v1::CompareRunsRequest& request,
                                       v1::CompareVerdict verdict) {
  std::vector<v1::ComparedCell> cells;
  const auto& a = request.a().selector().job_ids();
  const auto& b = request.b().selector().job_ids();
  for (int i = 0; i < a.size(); ++i) cells.push_back(CellOf(a[i], b[i], 4, verdict));
  return cells;
}

TEST_F(CompareCommand, UntilDecidedRunsNoJobTwiceForACellThatOneSideLacks) {
  service_.on_get_job = [](const v1::GetJobRequest& request, v1::GetJobResponse* response) {
    *response->mutable_job() = SmallJob(request.job_id(), v1::JOB_STATE_SUCCEEDED);
    response->mutable_job()->set_device("cpu0");
    // As good as unset.
    if (request.job_id() != 18) return grpc::Status::OK;
    response->mutable_job()->mutable_spec()->mutable_plan()->set_execution(v1::EXECUTION_EAGER);
    return grpc::Status::OK;
  };
  for (const v1::Incomparable side : kOneSide) {
    AnswerWith([side](const v1::CompareRunsRequest& request) {
      if (request.a().selector().job_ids_size() > 0) {
        return NewCells(request, v1::COMPARE_VERDICT_SAME);
      }
      return std::vector{CellOf(17, 18, 1, v1::COMPARE_VERDICT_INCONCLUSIVE),
                         OnlyIn(side, 19, v1::PRECISION_BF16)};
    });
    for (std::vector<std::string> words : kWithABaseline) {
      const size_t before = service_.submits().size();
      words.insert(words.end(), {"--fail-on", "slower,incomparable"});
      EXPECT_EQ(Program(words), 5) << err_.str();
      const auto submits = service_.submits();
      ASSERT_EQ(submits.size(), before + 1);
      EXPECT_EQ(submits.back().jobs_size(), 2) << "of the cell that both have";
      EXPECT_THAT(out_.str(), HasSubstr("A and B ask for the same in 1 cell: run again they are "
                                        "one job, measured twice\n"));
      EXPECT_THAT(out_.str(),
                  HasSubstr("not run again, as only one side has it, and the other's job "
                            "would be the same or is not known: small, bf16\n"));
      EXPECT_THAT(err_.str(), HasSubstr("--fail-on: small, bf16: not comparable: only in "));
    }
  }
}

TEST_F(CompareCommand, UntilDecidedWithABaselineRunsWhatASideLacksAsItsOtherCellsRun) {
  service_.on_get_job = [](const v1::GetJobRequest& request, v1::GetJobResponse* response) {
    *response->mutable_job() = SmallJob(request.job_id(), v1::JOB_STATE_SUCCEEDED);
    const bool is_of_a = request.job_id() % 2 == 1;
    response->mutable_job()->set_device(is_of_a ? "gpu0" : "gpu1");
    if (is_of_a) return grpc::Status::OK;
    v1::Plan* plan = response->mutable_job()->mutable_spec()->mutable_plan();
    plan->set_execution(v1::EXECUTION_CUDA_GRAPH);
    plan->set_memory_fraction(0.5);
    return grpc::Status::OK;
  };
  for (const v1::Incomparable side : kOneSide) {
    const uint64_t only = side == v1::INCOMPARABLE_ONLY_A ? 19 : 20;
    AnswerWith([side, only](const v1::CompareRunsRequest& request) {
      if (request.a().selector().job_ids_size() > 0) {
        return NewCells(request, v1::COMPARE_VERDICT_SLOWER);
      }
      return std::vector{CellOf(17, 18, 1, v1::COMPARE_VERDICT_INCONCLUSIVE),
                         OnlyIn(side, only, v1::PRECISION_BF16)};
    });
    for (const auto& words : kWithABaseline) {
      EXPECT_EQ(Program(words), 0) << err_.str();
      const v1::SubmitJobsRequest submit = service_.submits().back();
      ASSERT_EQ(submit.jobs_size(), 4);
      for (int i = 0; i < submit.jobs_size(); ++i) {
        const v1::JobSpec& job = submit.jobs(i);
        const bool is_of_a = i % 2 == 0;
        EXPECT_EQ(job.device(), is_of_a ? "gpu0" : "gpu1") << i;
        EXPECT_EQ(job.plan().execution() == v1::EXECUTION_CUDA_GRAPH, !is_of_a) << i;
        EXPECT_EQ(job.plan().has_memory_fraction(), !is_of_a) << i;
      }
      EXPECT_THAT(out_.str(), Not(HasSubstr("not run again")));
    }
  }
}

TEST_F(CompareCommand, UntilDecidedDoesNotGuessHowASideWouldRunWhatItLacks) {
  service_.on_get_job = [](const v1::GetJobRequest& request, v1::GetJobResponse* response) {
    *response->mutable_job() = SmallJob(request.job_id(), v1::JOB_STATE_SUCCEEDED);
    response->mutable_job()->set_device("cpu" + std::to_string(request.job_id()));
    return grpc::Status::OK;
  };
  AnswerWith([](const v1::CompareRunsRequest& request) {
    if (request.a().selector().job_ids_size() > 0) {
      return NewCells(request, v1::COMPARE_VERDICT_SLOWER);
    }
    return std::vector{CellOf(17, 18, 1, v1::COMPARE_VERDICT_INCONCLUSIVE),
                       CellOf(27, 28, 1, v1::COMPARE_VERDICT_INCONCLUSIVE),
                       OnlyIn(v1::INCOMPARABLE_ONLY_B, 18, v1::PRECISION_BF16)};
  });
  EXPECT_EQ(Program(kWithABaseline.front()), 0) << err_.str();
  EXPECT_EQ(service_.submits().back().jobs_size(), 4);
  EXPECT_THAT(out_.str(), HasSubstr("not run again, as only one side has it, and the other's job"));
}

TEST_F(CompareCommand, UntilDecidedOfABaselineThatHasNoneOfTheCellsRunsNothing) {
  AnswerWith(OnlyIn(v1::INCOMPARABLE_ONLY_B, 18, v1::PRECISION_BF16));
  EXPECT_EQ(Program(kWithABaseline.front()), 4);
  EXPECT_EQ(err_.str(),
            "torchlap: no cell can be run again as two: nothing is compared: baseline has no run "
            "that matches\n");
  EXPECT_TRUE(service_.submits().empty());
}

TEST_F(CompareCommand, UntilDecidedLeavesOutWhatOnlyOneSideHas) {
  AnswerWith([this](const v1::CompareRunsRequest&) {
    if (requests_.size() > 1) {
      return std::vector{CellOf(101, 102, 4, v1::COMPARE_VERDICT_SLOWER)};
    }
    return std::vector{OnlyIn(v1::INCOMPARABLE_ONLY_B, 19, v1::PRECISION_BF16),
                       CellOf(17, 18, 1, v1::COMPARE_VERDICT_INCONCLUSIVE)};
  });
  EXPECT_EQ(Program({"compare", "sweep:3", "sweep:4", "--until-decided"}), 0) << err_.str();
  ASSERT_EQ(service_.submits().size(), 1u);
  EXPECT_EQ(service_.submits()[0].jobs_size(), 2);
  EXPECT_THAT(out_.str(), HasSubstr("not run again, as only one side has it: small, bf16\n"));
  EXPECT_THAT(out_.str(), HasSubstr("slower"));
}

TEST_F(CompareCommand, UntilDecidedRunsNothingWhoseDifferenceIsNotInTheJobs) {
  v1::ComparedCell cell = CellOf(18, 19, 7, v1::COMPARE_VERDICT_INCONCLUSIVE);
  v1::EnvironmentChange* change = cell.add_also_differs();
  change->set_name("driver");
  change->set_before("580.1");
  change->set_after("580.9");
  AnswerWith(cell);
  EXPECT_EQ(Program({"compare", "18", "19", "--until-decided"}), 4);
  EXPECT_THAT(err_.str(), StartsWith("torchlap: no cell can be run again as two: both sides ask "
                                     "for the same"));
  EXPECT_TRUE(service_.submits().empty());
  // With a cell beside it that can be run again it keeps its verdict.
  AnswerWith([this, cell](const v1::CompareRunsRequest&) {
    if (requests_.size() % 2 == 1) {
      return std::vector{CellOf(101, 102, 4, v1::COMPARE_VERDICT_SLOWER)};
    }
    return std::vector{cell, CellOf(17, 18, 1, v1::COMPARE_VERDICT_INCONCLUSIVE)};
  });
  EXPECT_EQ(Program({"compare", "last", "baseline", "--until-decided"}), 0) << err_.str();
  EXPECT_EQ(service_.submits().size(), 1u);
  EXPECT_THAT(out_.str(), HasSubstr("not run again: 1 cell, as what differs between the sides is "
                                    "not in their jobs\n"));
  EXPECT_THAT(out_.str(), HasSubstr(" 7/7 "));
  EXPECT_THAT(out_.str(), HasSubstr(" 4/4 "));
}

TEST_F(CompareCommand, UntilDecidedEndsWith2WhereAJobFailed) {
  end_ = v1::JOB_STATE_FAILED;
  v1::ComparedCell failed = CellOf(101, 102, 4, v1::COMPARE_VERDICT_SLOWER);
  failed.clear_phases();
  failed.mutable_b()->Clear();
  failed.set_incomparable(v1::INCOMPARABLE_B_FAILED);
  AnswerWith([this, failed](const v1::CompareRunsRequest&) {
    return std::vector{requests_.size() == 1 ? CellOf(17, 18, 1, v1::COMPARE_VERDICT_INCONCLUSIVE)
                                             : failed};
  });
  EXPECT_EQ(Program({"compare", "17", "18", "--until-decided"}), 2) << err_.str();
  EXPECT_EQ(service_.submits().size(), 1u) << "what failed is not tried again";
  EXPECT_THAT(out_.str(), HasSubstr("not comparable: B failed"));
}

TEST_F(CompareCommand, UntilDecidedSaysOfWhichCellsNoNewRunWasMade) {
  end_ = v1::JOB_STATE_FAILED;
  AnswerWith([this](const v1::CompareRunsRequest&) {
    std::vector<v1::ComparedCell> cells;
    if (requests_.size() == 1) cells = {CellOf(17, 18, 1, v1::COMPARE_VERDICT_INCONCLUSIVE)};
    return cells;
  });
  EXPECT_EQ(Program({"compare", "17", "18", "--until-decided"}), 2) << err_.str();
  EXPECT_EQ(service_.submits().size(), 1u) << "they are not submitted again and again";
  EXPECT_THAT(out_.str(),
              HasSubstr("no new run was made of 1 cell: what is said of it is of earlier runs\n"));
}

TEST_F(CompareCommand, UntilDecidedByAnAxisNamesTheValueThatMadeNoRun) {
  end_ = v1::JOB_STATE_FAILED;
  std::set<uint64_t> with_runs = {101};
  service_.on_compare_runs = [](const v1::CompareRunsRequest& request,
                                v1::CompareRunsResponse* response) {
    if (!request.a().selector().last()) {
      return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                          "all runs have cpu0, must have two values of what they are compared by");
    }
    v1::ComparedCell cell = CellOf(17, 18, 3, v1::COMPARE_VERDICT_INCONCLUSIVE);
    cell.mutable_a()->set_value("cpu0");
    cell.mutable_b()->set_value("cpu1");
    *response->add_cells() = cell;
    return grpc::Status::OK;
  };
  service_.on_get_job = [&with_runs](const v1::GetJobRequest& request,
                                     v1::GetJobResponse* response) {
    *response->mutable_job() = SmallJob(request.job_id(), v1::JOB_STATE_FAILED);
    response->mutable_job()->set_device(request.job_id() == 17 ? "cpu0" : "cpu1");
    if (with_runs.count(request.job_id()) > 0) response->mutable_job()->add_runs();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"compare", "--by", "device", "--until-decided"}), 2) << err_.str();
  EXPECT_EQ(service_.submits().size(), 1u);
  EXPECT_THAT(out_.str(), HasSubstr(" 3/3 "));
  EXPECT_THAT(out_.str(), HasSubstr("no new run was made of device cpu1: all that is said is of "
                                    "earlier runs\n"));
  // Refused for something else.
  with_runs = {201, 202};
  EXPECT_EQ(Program({"compare", "--by", "device", "--until-decided"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("all runs have cpu0"));
}

TEST_F(CompareCommand, UntilDecidedIsDetachedFromByCtrlC) {
  AnswerWith(CellOf(17, 18, 1, v1::COMPARE_VERDICT_INCONCLUSIVE));
  HoldWatches();
  ChildProcess child({"--address", service_.address(), "compare", "17", "18", "--until-decided"});
  ASSERT_TRUE(service_.WaitForWatches(1));
  child.Interrupt();
  EXPECT_EQ(child.Wait(), 130);
  EXPECT_THAT(child.err(), HasSubstr("detached: sweep:1 goes on; follow it: torchlap watch "
                                     "sweep:1; compare when it has ended: torchlap compare 101 "
                                     "102; cancel it: torchlap cancel sweep:1"));
  EXPECT_EQ(child.out(), "");
  EXPECT_TRUE(service_.cancels().empty());
}

}  // namespace
}  // namespace torchlap::client
