// What `baseline` asks for and says.
#include <gmock/gmock.h>

#include <sstream>
#include <string>
#include <vector>

#include "client/format/words.h"
#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class BaselineCommand : public Commands {
 protected:
  BaselineCommand() {
    service_.on_set_baseline = [this](const v1::SetBaselineRequest& request,
                                      v1::SetBaselineResponse* response) {
      set_ = request;
      *response = was_set_;
      return grpc::Status::OK;
    };
    service_.on_list_baselines = [this](const v1::ListBaselinesRequest& request,
                                        v1::ListBaselinesResponse* response) {
      list_ = request;
      *response = listed_;
      return grpc::Status::OK;
    };
    service_.on_clear_baseline = [this](const v1::ClearBaselineRequest& request,
                                        v1::ClearBaselineResponse* response) {
      clear_ = request;
      response->set_series(cleared_);
      return grpc::Status::OK;
    };
    was_set_.set_series(6);
    was_set_.set_runs(18);
  }

  std::string ErrorOf(std::vector<std::string> words) {
    words.insert(words.begin(), "baseline");
    EXPECT_EQ(Program(words), 1);
    return err_.str();
  }

  v1::SetBaselineRequest set_;
  v1::ListBaselinesRequest list_;
  v1::ClearBaselineRequest clear_;
  v1::SetBaselineResponse was_set_;
  v1::ListBaselinesResponse listed_;
  uint32_t cleared_ = 6;
};

TEST_F(BaselineCommand, SetIsOneLine) {
  EXPECT_EQ(
      Program({"baseline", "set", "sweep:3", "--precision", "fp32", "--reason", "before 2.9"}), 0)
      << err_.str();
  EXPECT_EQ(out_.str(),
            "baseline of 6 series (18 runs) set; compare with: torchlap compare baseline last\n");
  EXPECT_THAT(set_.filter().selector().sweep_ids(), ElementsAre(3));
  EXPECT_THAT(set_.filter().precisions(), ElementsAre(v1::PRECISION_FP32));
  EXPECT_EQ(set_.reason(), "before 2.9");
  was_set_.set_runs(1);
  was_set_.set_replaced_series(2);
  EXPECT_EQ(Program({"baseline", "set", "17", "--reason", "x"}), 0);
  EXPECT_EQ(out_.str(),
            "baseline of 6 series (1 run; 2 had one before) set; compare with: torchlap "
            "compare baseline last\n");
  EXPECT_EQ(Program({"baseline", "set", "17", "--reason", "x", "--format", "csv"}), 0);
  EXPECT_EQ(out_.str(), "series,runs,replaced_series\n6,1,2\n");
}

TEST_F(BaselineCommand, SetWantsAChoiceAndAReason) {
  EXPECT_EQ(ErrorOf({"set", "--reason", "x"}),
            "torchlap: baseline set needs a selection or filters, such as: torchlap baseline set "
            "last --reason WHY\n");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"set", "last"}, {"set", "last", "--reason", ""}}) {
    EXPECT_EQ(ErrorOf(words),
              "torchlap: baseline set needs --reason: why these runs are the reference\n");
  }
  EXPECT_THAT(ErrorOf({"set", "last", "--reason", "a\nb"}), HasSubstr("--reason is \"a\\nb\""));
}

TEST_F(BaselineCommand, ShowIsARowASeries) {
  v1::BaselineSeries* series = listed_.add_series();
  *series->mutable_subject() = SmallRun();
  series->add_run_ids("17.1");
  series->add_run_ids("18.1");
  series->set_step_median_ns(458.25e6);
  series->set_reason("before 2.9");
  series->set_set_at_ns(1'790'856'000'000'000'000);  // 2026-10-01T12:00:00Z
  *listed_.add_series() = *series;
  listed_.mutable_series(1)->set_reason("after");
  EXPECT_EQ(Program({"baseline", "show"}), 0) << err_.str();
  EXPECT_EQ(list_.user(), "");
  EXPECT_EQ(out_.str(),
            "size small, pass forward-backward, batch 4, context 256, precision fp32,\n"
            "attention explicit, device cpu0, set (UTC) 2026-10-01 12:00\n"
            "| step (ms) | runs | reason     |\n"
            "|-----------|------|------------|\n"
            "| 458.3     | 2    | before 2.9 |\n"
            "| 458.3     | 2    | after      |\n");
  EXPECT_EQ(Program({"baseline", "show", "--user", "ann", "--format", "csv"}), 0) << err_.str();
  EXPECT_EQ(list_.user(), "ann");
  EXPECT_THAT(out_.str(),
              HasSubstr("series_key,workload,precision,attention,device,step_median_ms,run_ids,"
                        "reason,set_at\nffeeddccbbaa99887766554433221100,\"small, "
                        "forward-backward, batch 4, context 256\",fp32,explicit,cpu0,458.25,17.1 "
                        "18.1,before 2.9,2026-10-01T12:00:00.000000Z\n"));
}

v1::BaselineSeries SeriesOf(const std::string& preset, uint64_t parameters, uint32_t batch_size,
                            uint32_t context_length, v1::Precision precision) {
  v1::BaselineSeries series;
  v1::Run* run = series.mutable_subject();
  *run = SmallRun();
  run->set_parameters(parameters);
  run->set_device("cpu" + std::to_string(batch_size));
  v1::TransformerLm* model = run->mutable_workload()->mutable_transformer_lm();
  model->set_preset(preset);
  model->set_batch_size(batch_size);
  model->set_context_length(context_length);
  model->set_precision(precision);
  series.add_run_ids("17.1");
  series.set_step_median_ns(458.25e6);
  series.set_reason("before the driver of the large machine was updated");
  series.set_set_at_ns(1'790'856'000'000'000'000 + 60'000'000'000 * int64_t{context_length});
  return series;
}

TEST_F(BaselineCommand, ShowIsInOrderOfSizesAndKeepsWhatTellsSeriesApart) {
  *listed_.add_series() = SeriesOf("medium", 423, 4, 128, v1::PRECISION_FP32);
  *listed_.add_series() = SeriesOf("small", 128, 4, 1024, v1::PRECISION_BF16);
  *listed_.add_series() = SeriesOf("small", 128, 4, 256, v1::PRECISION_FP32);
  *listed_.add_series() = SeriesOf("small", 128, 2, 512, v1::PRECISION_FP32);
  console_.out_is_terminal = true;
  EXPECT_EQ(Program({"baseline", "show"}), 0) << err_.str();
  std::istringstream lines(out_.str());
  std::vector<std::string> starts;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(format::DisplayWidth(line), 80U) << line;
    if (line.starts_with("| ")) starts.push_back(line.substr(0, 39));
  }
  EXPECT_THAT(starts, ElementsAre("| size   | batch | context | precision ",
                                  "| small  | 2     | 512     | fp32      ",
                                  "| small  | 4     | 256     | fp32      ",
                                  "| small  | 4     | 1024    | bf16      ",
                                  "| medium | 4     | 128     | fp32      "));
}

TEST_F(BaselineCommand, ShowOfNothingSaysHowToSetOne) {
  EXPECT_EQ(Program({"baseline", "show"}), 0);
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(err_.str(),
            "no series has a baseline; set one: torchlap baseline set last --reason WHY\n");
}

TEST_F(BaselineCommand, ShowTakesNothingButAUser) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"show", "last"}, {"show", "--user", "ann,bob"}}) {
    EXPECT_EQ(ErrorOf(words),
              "torchlap: baseline show takes no selection and no filter but one --user\n");
  }
  EXPECT_EQ(ErrorOf({"show", "--reason", "x"}), "torchlap: baseline show takes no --reason\n");
}

TEST_F(BaselineCommand, ClearMeansAllUnlessOneIsChosen) {
  EXPECT_EQ(Program({"baseline", "clear"}), 0) << err_.str();
  EXPECT_FALSE(clear_.has_filter());
  EXPECT_EQ(out_.str(), "baseline of 6 series cleared\n");
  EXPECT_EQ(Program({"baseline", "clear", "17"}), 0) << err_.str();
  EXPECT_THAT(clear_.filter().selector().job_ids(), ElementsAre(17));
  cleared_ = 0;
  EXPECT_EQ(Program({"baseline", "clear"}), 0);
  EXPECT_EQ(out_.str(), "no series had a baseline\n");
}

TEST_F(BaselineCommand, RefusesOtherActionsInOneLine) {
  EXPECT_EQ(ErrorOf({"remove"}),
            "torchlap: baseline remove: must be baseline set, show or clear\n");
  EXPECT_EQ(ErrorOf({}),
            "torchlap: baseline without an action: must be baseline set, show or clear\n");
}

}  // namespace
}  // namespace torchlap::client
