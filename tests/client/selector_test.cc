#include "client/selector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr int64_t kNow = 1'769'860'800'000'000'000;  // 2026-01-31T12:00:00Z
constexpr int64_t kDay = 86'400'000'000'000;

std::string MessageOf(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message().data(), status.message().size());
}

TEST(Selectors, NameJobsRunsAndSweeps) {
  const auto selection = ParseSelectors({"17", "17.2", "sweep:3", "sweep:nightly", "last"});
  ASSERT_TRUE(selection.ok()) << selection.status();
  EXPECT_THAT(selection->selector.job_ids(), ElementsAre(17));
  EXPECT_THAT(selection->selector.run_ids(), ElementsAre("17.2"));
  EXPECT_THAT(selection->selector.sweep_ids(), ElementsAre(3));
  EXPECT_THAT(selection->selector.sweep_names(), ElementsAre("nightly"));
  EXPECT_TRUE(selection->selector.last());
  EXPECT_FALSE(selection->selector.all());
}

TEST(Selectors, NameTheBaselineWhereRunsAreMeant) {
  const auto selection = ParseSelectors({"baseline"});
  ASSERT_TRUE(selection.ok()) << selection.status();
  EXPECT_TRUE(selection->selector.baseline());
  EXPECT_FALSE(ParseSelectors({"last"})->selector.baseline());
  EXPECT_THAT(MessageOf(ParseJobSelectors({"baseline"}).status()),
              HasSubstr("selector is baseline, must be a job (17), sweep:3"));
  EXPECT_THAT(MessageOf(ParseId("baseline").status()), HasSubstr("id is baseline, must be"));
}

TEST(Selectors, LabelsNarrow) {
  const auto selection = ParseSelectors({"label:card=A100", "label:k=a=b"});
  ASSERT_TRUE(selection.ok()) << selection.status();
  EXPECT_THAT(selection->labels, ElementsAre(Pair("card", "A100"), Pair("k", "a=b")));
  EXPECT_FALSE(selection->empty());
  EXPECT_TRUE(ParseSelectors({})->empty());
}

TEST(Selectors, OtherWordsAreRefusedWithTheFormsThatThereAre) {
  for (const char* word :
       {"foo", "0", "17.0", "0.1", "-1", "17.", ".2", "1.2.3", "sweep:", "sweep", "LAST", ""}) {
    EXPECT_THAT(MessageOf(ParseSelectors({word}).status()), HasSubstr("must be a job (17)"))
        << word;
  }
  EXPECT_THAT(MessageOf(ParseSelectors({"label:card"}).status()),
              HasSubstr("label is card, must be key=value"));
  EXPECT_THAT(MessageOf(ParseSelectors({"label:a=1", "label:a=2"}).status()),
              HasSubstr("both 1 and 2"));
  EXPECT_THAT(MessageOf(ParseSelectors({"label:a=\x1b"}).status()),
              HasSubstr("label is \"a=\\x1b\", must have no \\x1b"));
}

TEST(JobSelectors, MeanTheLatestSweepWhereNoneIsGiven) {
  EXPECT_TRUE(ParseJobSelectors({})->selector.last());
  EXPECT_FALSE(ParseJobSelectors({"17"})->selector.last());
  EXPECT_FALSE(ParseJobSelectors({"label:a=1"})->selector.last());
}

TEST(JobSelectors, ARunIsNotAJob) {
  EXPECT_THAT(MessageOf(ParseJobSelectors({"17.2"}).status()),
              HasSubstr("selector is 17.2, a run"));
  EXPECT_THAT(MessageOf(ParseJobSelectors({"all"}).status()), HasSubstr("selector is all"));
}

TEST(Filter, WithoutWordsNarrowsNothing) {
  const auto filter = BuildFilter({}, kNow);
  ASSERT_TRUE(filter.ok());
  EXPECT_EQ(filter->ByteSizeLong(), 0u);
}

TEST(Filter, IncludesInvalidRunsWhereTheyAreAskedFor) {
  FilterWords words;
  words.include_invalid = true;
  const auto filter = BuildFilter(words, kNow);
  ASSERT_TRUE(filter.ok());
  EXPECT_TRUE(filter->include_invalid());
}

TEST(Filter, TakesCommaLists) {
  FilterWords words;
  words.model_size = "small,medium";
  words.pass_type = "forward,train-step";
  words.timing = "combined";
  words.precision = "fp32,bf16";
  words.attention = "sdpa";
  words.device = "cpu0,cpu1";
  words.user = "ann,uid:1000";
  words.outcome = "OK,OUT_OF_MEMORY";
  words.purpose = "measure,warmup";
  words.verdict = "clean,suspect";
  words.labels = {"card=A100"};
  words.exclude_contaminated = true;
  const auto filter = BuildFilter(words, kNow);
  ASSERT_TRUE(filter.ok()) << filter.status();
  EXPECT_THAT(filter->model_sizes(), ElementsAre("small", "medium"));
  EXPECT_THAT(filter->pass_types(), ElementsAre(v1::PASS_TYPE_FORWARD, v1::PASS_TYPE_TRAIN_STEP));
  EXPECT_THAT(filter->timings(), ElementsAre(v1::TIMING_COMBINED));
  EXPECT_THAT(filter->precisions(), ElementsAre(v1::PRECISION_FP32, v1::PRECISION_BF16));
  EXPECT_THAT(filter->attentions(), ElementsAre(v1::ATTENTION_SDPA));
  EXPECT_THAT(filter->devices(), ElementsAre("cpu0", "cpu1"));
  EXPECT_THAT(filter->users(), ElementsAre("ann", "uid:1000"));
  EXPECT_THAT(filter->outcomes(), ElementsAre(v1::OUTCOME_OK, v1::OUTCOME_OUT_OF_MEMORY));
  EXPECT_THAT(filter->purposes(), ElementsAre(v1::PURPOSE_MEASURE, v1::PURPOSE_WARMUP));
  EXPECT_THAT(filter->validities(), ElementsAre(v1::VALIDITY_CLEAN, v1::VALIDITY_SUSPECT));
  EXPECT_EQ(filter->labels().at("card"), "A100");
  EXPECT_TRUE(filter->exclude_contaminated());
  EXPECT_FALSE(filter->has_selector());
}

TEST(Filter, JoinsTheFlagAndTheSelectorOfLabels) {
  FilterWords words;
  words.selectors = {"17", "label:a=1"};
  words.labels = {"b=2", "a=1"};
  const auto filter = BuildFilter(words, kNow);
  ASSERT_TRUE(filter.ok()) << filter.status();
  EXPECT_EQ(filter->labels_size(), 2);
  EXPECT_THAT(filter->selector().job_ids(), ElementsAre(17));
}

TEST(Filter, APeriodThatEndsBeforeItBeginsIsRefused) {
  FilterWords words;
  words.since = "1d";
  words.until = "2d";
  EXPECT_EQ(BuildFilter(words, kNow).status(),
            absl::InvalidArgumentError("--since 1d is not before --until 2d, must be"));
  words.until = "1d";
  EXPECT_FALSE(BuildFilter(words, kNow).ok());
}

TEST(Filter, ReadsPeriodsAsDatesTimesAndAges) {
  FilterWords words;
  words.since = "7d";
  words.until = "2026-01-31";
  const auto filter = BuildFilter(words, kNow);
  ASSERT_TRUE(filter.ok()) << filter.status();
  EXPECT_EQ(filter->since_ns(), kNow - 7 * kDay);
  EXPECT_EQ(filter->until_ns(), kNow - kDay / 2);
}

TEST(Filter, UnknownWordsAreRefused) {
  FilterWords words;
  words.outcome = "ok";
  EXPECT_THAT(MessageOf(BuildFilter(words, kNow).status()),
              HasSubstr("--outcome is ok, must be one of OK, OUT_OF_MEMORY"));
  words = FilterWords();
  words.since = "yesterday";
  EXPECT_THAT(MessageOf(BuildFilter(words, kNow).status()),
              HasSubstr("--since is yesterday, must be a date"));
  words = FilterWords();
  words.model_size = "small,";
  EXPECT_THAT(MessageOf(BuildFilter(words, kNow).status()),
              HasSubstr("--model-size has an empty value"));
}

TEST(Ids, AreJobsOrRuns) {
  EXPECT_EQ(ParseId("17")->job_id, 17u);
  EXPECT_EQ(ParseId("17")->run_id, "");
  EXPECT_EQ(ParseId("17.2")->run_id, "17.2");
  EXPECT_EQ(ParseId("17.2")->job_id, 0u);
  EXPECT_FALSE(ParseId("17")->sweep || ParseId("17.2")->sweep);
  EXPECT_TRUE(ParseId("last")->sweep->last());
  EXPECT_THAT(ParseId("sweep:3")->sweep->sweep_ids(), ElementsAre(3));
  EXPECT_THAT(ParseId("sweep:night")->sweep->sweep_names(), ElementsAre("night"));
  for (const char* word : {"all", "label:k=v", "sweep:", "x", "17.", "0"}) {
    EXPECT_THAT(
        MessageOf(ParseId(word).status()),
        HasSubstr(std::string("id is ") + word + ", must be a job (17), a run (17.2), last"));
  }
  EXPECT_THAT(MessageOf(ParseId("").status()), HasSubstr("show needs an id"));
}

}  // namespace
}  // namespace torchlap::client
