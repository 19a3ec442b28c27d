#include "client/axes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/value_list.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<uint32_t> Numbers(const std::vector<std::string>& words) {
  auto numbers = ParseNumbers("--batch-size", words);
  EXPECT_TRUE(numbers.ok()) << numbers.status();
  return numbers.ok() ? *numbers : std::vector<uint32_t>();
}

std::string MessageOf(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message().data(), status.message().size());
}

std::string NumbersError(const std::string& word) {
  return MessageOf(ParseNumbers("--context-length", {word}).status());
}

v1::SubmitJobsRequest Sweep(const SweepWords& words) {
  auto request = BuildSweep(words);
  EXPECT_TRUE(request.ok()) << request.status();
  return request.ok() ? *request : v1::SubmitJobsRequest();
}

std::string SweepError(const SweepWords& words) { return MessageOf(BuildSweep(words).status()); }

const v1::TransformerLm& Model(const v1::SubmitJobsRequest& request, int index) {
  return request.jobs(index).workload().transformer_lm();
}

SweepWords OfSizes(std::vector<std::string> sizes) {
  SweepWords words;
  words.model_sizes = std::move(sizes);
  return words;
}

TEST(Numbers, SeparateWordsAndCommaListsMeanTheSame) {
  EXPECT_THAT(Numbers({"128", "256"}), ElementsAre(128, 256));
  EXPECT_THAT(Numbers({"128,256"}), ElementsAre(128, 256));
  EXPECT_THAT(Numbers({"1,2", "4"}), ElementsAre(1, 2, 4));
}

TEST(Limit, IsAWholeNumberFromOneOrTheUsualOne) {
  EXPECT_EQ(*ParseLimit(std::nullopt, 50), 50U);
  EXPECT_EQ(*ParseLimit("1", 50), 1U);
  EXPECT_EQ(*ParseLimit("17", 50), 17U);
  EXPECT_EQ(*ParseLimit("4294967295", 50), 4294967295U);
  for (const char* text : {"", "0", "-1", "x", "1x", "1 ", " 1", "1.5", "4294967296"}) {
    EXPECT_EQ(MessageOf(ParseLimit(text, 50).status()),
              std::string("--limit is ") + text + ", must be a whole number from 1");
  }
}

TEST(Numbers, APlainRangeCountsByOne) { EXPECT_THAT(Numbers({"1..4"}), ElementsAre(1, 2, 3, 4)); }

TEST(Numbers, ARangeWithAFactorMultipliesUpToItsEnd) {
  EXPECT_THAT(Numbers({"128..1024*2"}), ElementsAre(128, 256, 512, 1024));
  EXPECT_THAT(Numbers({"128..1000*2"}), ElementsAre(128, 256, 512));
}

TEST(Numbers, ARangeWithAStepAddsUpToItsEnd) {
  EXPECT_THAT(Numbers({"128..512+128"}), ElementsAre(128, 256, 384, 512));
  EXPECT_THAT(Numbers({"0..5+2"}), ElementsAre(0, 2, 4));
}

TEST(Numbers, AValueThatIsThereAlreadyIsNotAddedAgain) {
  EXPECT_THAT(Numbers({"4", "1..4", "4"}), ElementsAre(4, 1, 2, 3));
}

TEST(Numbers, RangesUpToTheLargestNumberEnd) {
  EXPECT_THAT(Numbers({"4294967294..4294967295"}), ElementsAre(4294967294u, 4294967295u));
  EXPECT_THAT(Numbers({"2147483648..4294967295*2"}), ElementsAre(2147483648u));
}

TEST(Numbers, WhatIsNoNumberIsRefusedWithTheFlagAndTheValue) {
  for (const char* word : {"abc", "-1", "1.5", "4x", "4294967296", "..", "1..", "4..1", "1..4*1",
                           "1..4*0", "1..4+0", "0..8*2", "1..4*", "1...4", " 4", "0x10"}) {
    EXPECT_THAT(NumbersError(word),
                HasSubstr(std::string("--context-length is ") + word + ", must be"));
  }
}

TEST(Numbers, AnEmptyValueIsRefused) {
  for (const char* word : {"", "1,,2", "1,", ","}) {
    EXPECT_THAT(NumbersError(word), HasSubstr("has an empty value"));
  }
}

TEST(Numbers, ARangeOfTooManyValuesIsRefusedBeforeItIsMade) {
  EXPECT_THAT(NumbersError("1..4000000000"), HasSubstr("more than 10000 values"));
  for (const char* word : {"1..10001", "0..10000", "0..20000+2"}) {
    EXPECT_THAT(NumbersError(word), HasSubstr("more than 10000 values")) << word;
  }
  for (const char* word : {"1..10000", "0..9999", "0..19999+2"}) {
    EXPECT_EQ(Numbers({word}).size(), 10000U) << word;
  }
}

TEST(Sweep, IsTheProductWithSizesOutermostAndContextInsideOfBatch) {
  SweepWords words = OfSizes({"small", "medium"});
  words.batch_sizes = {"1,2"};
  words.context_lengths = {"32", "64"};
  const v1::SubmitJobsRequest request = Sweep(words);
  std::vector<std::string> cells;
  for (int i = 0; i < request.jobs_size(); ++i) {
    cells.push_back(Model(request, i).preset() + "/" +
                    std::to_string(Model(request, i).batch_size()) + "/" +
                    std::to_string(Model(request, i).context_length()));
  }
  EXPECT_THAT(cells, ElementsAre("small/1/32", "small/1/64", "small/2/32", "small/2/64",
                                 "medium/1/32", "medium/1/64", "medium/2/32", "medium/2/64"));
}

TEST(Sweep, TakesWordsOfEveryAxis) {
  SweepWords words = OfSizes({"cs336-2026/xl"});
  words.pass_types = {"forward,train-step"};
  words.precisions = {"bf16-weights"};
  words.attentions = {"sdpa"};
  words.warmup_steps = {"0"};
  words.measure_steps = {"3"};
  const v1::SubmitJobsRequest request = Sweep(words);
  ASSERT_EQ(request.jobs_size(), 2);
  EXPECT_EQ(Model(request, 0).preset(), "cs336-2026/xl");
  EXPECT_EQ(Model(request, 0).pass_type(), v1::PASS_TYPE_FORWARD);
  EXPECT_EQ(Model(request, 1).pass_type(), v1::PASS_TYPE_TRAIN_STEP);
  EXPECT_EQ(Model(request, 1).precision(), v1::PRECISION_BF16_WEIGHTS);
  EXPECT_EQ(Model(request, 1).attention(), v1::ATTENTION_SDPA);
  EXPECT_EQ(request.jobs(1).plan().warmup_steps(), 0u);
  EXPECT_TRUE(request.jobs(1).plan().has_warmup_steps());
  EXPECT_EQ(request.jobs(1).plan().measure_steps(), 3u);
}

TEST(Sweep, LeavesUnsetWhatWasNotGiven) {
  const v1::SubmitJobsRequest request = Sweep(OfSizes({"small"}));
  ASSERT_EQ(request.jobs_size(), 1);
  v1::JobSpec expected;
  expected.mutable_workload()->mutable_transformer_lm()->set_preset("small");
  expected.mutable_plan();
  expected.mutable_oom();
  EXPECT_EQ(request.jobs(0).SerializeAsString(), expected.SerializeAsString());
}

TEST(Sweep, AZeroThatWasGivenIsSentForTheDaemonToRefuse) {
  SweepWords words = OfSizes({"small"});
  words.batch_sizes = {"0"};
  const v1::SubmitJobsRequest request = Sweep(words);
  EXPECT_TRUE(Model(request, 0).has_batch_size());
}

TEST(Sweep, SaysWhichAxisWasGivenSeveralValues) {
  SweepWords words = OfSizes({"small"});
  words.batch_sizes = {"1,2"};
  words.context_lengths = {"64,64"};  // one value, twice
  words.cells = {"size=xl,batch=1"};
  const v1::SubmitJobsRequest request = Sweep(words);
  ASSERT_EQ(request.jobs_size(), 3);
  EXPECT_TRUE(request.jobs(0).oom().batch_is_swept());
  EXPECT_TRUE(request.jobs(1).oom().batch_is_swept());
  EXPECT_FALSE(request.jobs(0).oom().context_is_swept());
  EXPECT_FALSE(request.jobs(2).oom().batch_is_swept()) << "a single cell is not swept";
}

TEST(Sweep, SingleCellsStandAloneOrBehindTheProduct) {
  SweepWords words;
  words.cells = {"size=xl,context=256,batch=2", "size=2.7B,context=128,batch=1"};
  EXPECT_EQ(Sweep(words).jobs_size(), 2);
  words.model_sizes = {"small"};
  const v1::SubmitJobsRequest request = Sweep(words);
  ASSERT_EQ(request.jobs_size(), 3);
  EXPECT_EQ(Model(request, 0).preset(), "small");
  EXPECT_EQ(Model(request, 2).preset(), "2.7B");
  EXPECT_EQ(Model(request, 2).context_length(), 128u);
  EXPECT_EQ(Model(request, 2).batch_size(), 1u);
}

TEST(Sweep, ACellHasEveryKeyOfTheManual) {
  SweepWords words;
  words.cells = {
      "size=xl,pass=forward,batch=2,context=64,precision=bf16,attention=sdpa,warmup=0,steps=7"};
  const v1::SubmitJobsRequest request = Sweep(words);
  ASSERT_EQ(request.jobs_size(), 1);
  EXPECT_EQ(Model(request, 0).pass_type(), v1::PASS_TYPE_FORWARD);
  EXPECT_EQ(Model(request, 0).precision(), v1::PRECISION_BF16);
  EXPECT_EQ(Model(request, 0).attention(), v1::ATTENTION_SDPA);
  EXPECT_EQ(request.jobs(0).plan().warmup_steps(), 0u);
  EXPECT_EQ(request.jobs(0).plan().measure_steps(), 7u);
}

TEST(Sweep, ACellTakesTheOnlyValueOfAnAxis) {
  SweepWords words = OfSizes({"small"});
  words.batch_sizes = {"2"};
  words.cells = {"context=64"};
  const v1::SubmitJobsRequest request = Sweep(words);
  EXPECT_EQ(Model(request, 1).preset(), "small");
  EXPECT_EQ(Model(request, 1).batch_size(), 2u);
  EXPECT_EQ(Model(request, 1).context_length(), 64u);
}

TEST(Sweep, ACellMustSayWhatAnAxisSaysTwice) {
  SweepWords words = OfSizes({"small"});
  words.batch_sizes = {"2,4"};
  words.cells = {"context=64"};
  EXPECT_EQ(SweepError(words),
            "--cell context=64 has no batch, and the flags give several: add batch=...");
}

TEST(Sweep, CellsThatCannotBeReadAreRefused) {
  const auto error = [](const std::string& cell) {
    SweepWords words;
    words.cells = {cell};
    return SweepError(words);
  };
  EXPECT_THAT(error("size=xl,foo=1"), HasSubstr("has the key foo, must be size, pass"));
  EXPECT_THAT(error("size=xl,batch=abc"), HasSubstr("--cell batch is abc, must be a whole number"));
  EXPECT_THAT(error("size=xl,batch=1,batch=2"), HasSubstr("has batch twice"));
  EXPECT_THAT(error("size"), HasSubstr("must be key=value"));
  EXPECT_THAT(error("size=xl,"), HasSubstr("must be key=value"));
  EXPECT_THAT(error("batch=1"), HasSubstr("has no size"));
  EXPECT_THAT(error("size=xl,pass=sideways"),
              HasSubstr("--cell pass is sideways, must be one of forward,"));
}

SweepWords Shape() {
  SweepWords words;
  words.layers = "2";
  words.heads = "4";
  words.d_model = "64";
  words.d_ff = "256";
  return words;
}

TEST(Shape, ReplacesAPreset) {
  const v1::SubmitJobsRequest request = Sweep(Shape());
  ASSERT_EQ(request.jobs_size(), 1);
  EXPECT_EQ(Model(request, 0).preset(), "");
  EXPECT_EQ(Model(request, 0).layers(), 2u);
  EXPECT_EQ(Model(request, 0).heads(), 4u);
  EXPECT_EQ(Model(request, 0).d_model(), 64u);
  EXPECT_EQ(Model(request, 0).d_ff(), 256u);
  EXPECT_EQ(Model(request, 0).vocab_size(), 0u) << "10,000 is the daemon's to fill";
}

TEST(Shape, ACellMayNameAPresetBesideIt) {
  SweepWords words = Shape();
  words.cells = {"size=small"};
  const v1::SubmitJobsRequest request = Sweep(words);
  ASSERT_EQ(request.jobs_size(), 2);
  EXPECT_EQ(Model(request, 1).preset(), "small");
  EXPECT_EQ(Model(request, 1).layers(), 0u);
}

TEST(Shape, NeedsAllFourNumbers) {
  SweepWords words = Shape();
  words.d_ff.reset();
  words.heads.reset();
  EXPECT_THAT(SweepError(words), HasSubstr("a shape lacks --heads, --d-ff"));
}

TEST(Shape, ANumberOfZeroIsRefusedHereBecauseTheContractCannotCarryIt) {
  SweepWords words = Shape();
  words.heads = "0";
  EXPECT_EQ(SweepError(words), "--heads is 0, must be at least 1");
}

TEST(Shape, AndAPresetAreOneTooMany) {
  SweepWords words = Shape();
  words.model_sizes = {"small"};
  EXPECT_THAT(SweepError(words), HasSubstr("must be one of them"));
}

TEST(Sweep, NeedsAModel) { EXPECT_THAT(SweepError(SweepWords()), HasSubstr("no model is given")); }

TEST(Sweep, OfMoreThan10000CellsIsRefused) {
  SweepWords words = OfSizes({"small"});
  words.batch_sizes = {"1..101"};
  words.context_lengths = {"1..100"};
  EXPECT_EQ(SweepError(words), "the sweep has 10100 cells, must be at most 10000");
}

TEST(Sweep, CarriesWhatAllItsJobsShare) {
  SweepWords words = OfSizes({"small"});
  words.timing = "combined";
  words.device = "cpu0";
  words.if_busy = "fail";
  words.launches = "7";
  words.priority = "-5";
  words.name = "nightly";
  words.time_limit = "90s";
  words.min_batch = "1";
  words.min_context = "64";
  words.optimizer = "fused";
  words.seed = "18446744073709551615";
  words.labels = {"card=A100", "note=a=b"};
  words.oom_retry = false;
  const v1::SubmitJobsRequest request = Sweep(words);
  const v1::JobSpec& spec = request.jobs(0);
  EXPECT_EQ(request.sweep_name(), "nightly");
  EXPECT_EQ(spec.plan().timing(), v1::TIMING_COMBINED);
  EXPECT_EQ(spec.device(), "cpu0");
  EXPECT_EQ(spec.if_busy(), v1::IF_BUSY_FAIL);
  EXPECT_EQ(spec.plan().launches(), 7u);
  EXPECT_EQ(spec.priority(), -5);
  EXPECT_EQ(spec.plan().time_limit_ns(), 90'000'000'000);
  EXPECT_EQ(spec.oom().min_batch_size(), 1u);
  EXPECT_EQ(spec.oom().min_context_length(), 64u);
  EXPECT_TRUE(spec.oom().has_retry());
  EXPECT_FALSE(spec.oom().retry());
  EXPECT_EQ(Model(request, 0).optimizer(), v1::OPTIMIZER_FUSED);
  EXPECT_EQ(spec.plan().seed(), 18446744073709551615u);
  EXPECT_EQ(spec.labels().at("card"), "A100");
  EXPECT_EQ(spec.labels().at("note"), "a=b");
}

TEST(Sweep, APaperPlanSettlesStopsByPrecisionAndHasSevenLaunches) {
  SweepWords words = OfSizes({"small"});
  words.plan = "paper";
  v1::Plan plan = Sweep(words).jobs(0).plan();
  EXPECT_TRUE(plan.warmup_until_settled());
  EXPECT_EQ(plan.min_warmup_ns(), 3'000'000'000);
  EXPECT_DOUBLE_EQ(plan.target_precision(), 0.01);
  EXPECT_EQ(plan.launches(), 7u);
  // What is said beside it counts.
  words.launches = "3";
  words.target_precision = "0.5%";
  words.max_steps = "200";
  words.max_seconds = "30";
  plan = Sweep(words).jobs(0).plan();
  EXPECT_EQ(plan.launches(), 3u);
  EXPECT_DOUBLE_EQ(plan.target_precision(), 0.005);
  EXPECT_EQ(plan.max_steps(), 200u);
  EXPECT_EQ(plan.max_measure_ns(), 30'000'000'000);
  words.plan = "thesis";
  EXPECT_EQ(SweepError(words), "--plan is thesis, must be one of course, paper");
}

TEST(Sweep, CarriesHowStepsAreExecutedAndWatched) {
  SweepWords words = OfSizes({"small"});
  words.cuda_graph = true;
  words.memory_fraction = "0.02";
  words.trace = "traces";
  words.telemetry = "off";
  words.retry_contaminated = "2";
  const v1::Plan plan = Sweep(words).jobs(0).plan();
  EXPECT_EQ(plan.execution(), v1::EXECUTION_CUDA_GRAPH);
  EXPECT_DOUBLE_EQ(plan.memory_fraction(), 0.02);
  EXPECT_TRUE(plan.trace());
  EXPECT_EQ(plan.telemetry(), v1::TELEMETRY_OFF);
  EXPECT_EQ(plan.retry_contaminated(), 2u);
  words.memory_fraction = "some";
  EXPECT_EQ(SweepError(words),
            "--memory-fraction is some, must be a percentage (1%) or a ratio (0.01)");
}

TEST(Sweep, WordsThatAreNotOfTheContractAreRefusedWithThoseThatAre) {
  SweepWords words = OfSizes({"small"});
  words.precisions = {"fp23"};
  EXPECT_EQ(SweepError(words),
            "--precision is fp23, must be one of fp32, tf32, bf16, fp16, bf16-weights");
  words = OfSizes({"small"});
  words.timing = "both";
  EXPECT_EQ(SweepError(words), "--timing is both, must be one of separate, combined, events");
  words = OfSizes({"small"});
  words.if_busy = "shrink";
  EXPECT_EQ(SweepError(words), "--if-busy is shrink, must be one of wait, run, fail");
  words = OfSizes({"small"});
  words.labels = {"card"};
  EXPECT_EQ(SweepError(words), "--label is card, must be key=value");
  words.labels = {"card=A\u202e1"};
  EXPECT_EQ(SweepError(words),
            "--label is \"card=A\\u202e1\", must have no \\u202e: visible characters only");
  words.labels = {"a=1", "a=2"};
  EXPECT_THAT(SweepError(words), HasSubstr("--label a is given twice"));
  words = OfSizes({"small"});
  words.time_limit = "soon";
  EXPECT_THAT(SweepError(words), HasSubstr("--time-limit is soon, must be a time"));
}

}  // namespace
}  // namespace torchlap::client
