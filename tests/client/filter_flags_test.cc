#include "client/filter_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

FilterWords Added(const std::string& text) {
  FilterWords words;
  EXPECT_EQ(AddFilterText(text, &words), absl::OkStatus()) << text;
  return words;
}

std::string Refused(const std::string& text) {
  FilterWords words;
  const absl::Status status = AddFilterText(text, &words);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(status.message());
}

TEST(FilterText, HasSelectorsAndFilters) {
  const FilterWords words = Added("sweep:3  17 precision=fp32,bf16 since=14d include-invalid");
  EXPECT_THAT(words.selectors, ElementsAre("sweep:3", "17"));
  EXPECT_EQ(words.precision, "fp32,bf16");
  EXPECT_EQ(words.since, "14d");
  EXPECT_EQ(words.until, std::nullopt);
  EXPECT_TRUE(words.include_invalid);
  EXPECT_FALSE(words.exclude_contaminated);
}

TEST(FilterText, TakesSelectorsThatHaveAnEqualsSignAsSelectors) {
  const FilterWords words = Added("label:card=A sweep:precision=fp32 label=day=1 label=k=v");
  EXPECT_THAT(words.selectors, ElementsAre("label:card=A", "sweep:precision=fp32"));
  EXPECT_THAT(words.labels, ElementsAre("day=1", "k=v"));
  EXPECT_EQ(words.precision, std::nullopt);
}

TEST(FilterText, OfOneWordIsThatWord) {
  EXPECT_THAT(Added("sweep:ann's").selectors, ElementsAre("sweep:ann's"));
  EXPECT_THAT(Added("").selectors, ElementsAre("")) << "which is refused as a selector";
  EXPECT_THAT(Added("  ").selectors, ElementsAre(""));
  EXPECT_THAT(Added("since=7d").selectors, IsEmpty());
}

TEST(FilterText, HasWordsWithBlanksInQuotes) {
  EXPECT_THAT(Added("'sweep:my sweep' \"label:card=A B\" label='k=a b'").selectors,
              ElementsAre("sweep:my sweep", "label:card=A B"));
  EXPECT_THAT(Added("17 label='k=a b'").labels, ElementsAre("k=a b"));
  EXPECT_THAT(Refused("'sweep:my sweep"), HasSubstr("has a ' that is not closed"));
  for (const char* selector : {"17", "sweep:3", "sweep:ann's", "sweep:my sweep",
                               "sweep:ann's \"best\" sweep", "label:k=a b"}) {
    EXPECT_THAT(Added(FilterText(selector)).selectors, ElementsAre(selector));
  }
}

TEST(FilterText, RefusesWhatIsNoFilterAndSaysWhichThereAre) {
  EXPECT_EQ(Refused("sweep:3 presicion=fp32"),
            "filter is presicion, must be one of model-size, pass-type, timing, precision, "
            "attention, device, user, label, since, until, outcome, purpose, verdict, "
            "exclude-contaminated, include-invalid; close to it: precision");
  EXPECT_THAT(Refused("--precision=fp32"), HasSubstr("; close to it: precision"));
  EXPECT_THAT(Refused("=fp32"), HasSubstr("filter is '', must be one of"));
}

TEST(FilterText, RefusesAFilterWithoutItsValueOrWithTwo) {
  EXPECT_EQ(Refused("17 precision"), "precision has no value, must be precision=PRECISION,...");
  EXPECT_EQ(Refused("17 include-invalid=yes"),
            "include-invalid is yes, must stand without a value");
  EXPECT_EQ(Refused("precision=fp32 precision=bf16"),
            "precision is both fp32 and bf16, must be given once, as one word or a comma list");
}

TEST(FilterFlags, KnowEveryFilterThatThereIs) {
  FilterWords all;
  for (const FilterFlag& flag : FilterFlags()) {
    const bool is_switch = std::holds_alternative<FilterFlag::Switch>(flag.field);
    EXPECT_EQ(AddFilterText(is_switch ? flag.name : flag.name + "=k=v", &all), absl::OkStatus());
  }
  for (const auto& word :
       {all.model_size, all.pass_type, all.timing, all.precision, all.attention, all.device,
        all.user, all.since, all.until, all.outcome, all.purpose, all.verdict}) {
    EXPECT_EQ(word, "k=v");
  }
  EXPECT_THAT(all.labels, ElementsAre("k=v"));
  EXPECT_TRUE(all.exclude_contaminated && all.include_invalid);
}

TEST(WithFlags, HasWhatBothSay) {
  FilterWords flags;
  flags.device = "cpu0";
  flags.labels = {"card=A"};
  flags.include_invalid = true;
  const auto both = WithFlags(flags, Added("sweep:3 precision=fp32 label=day=1"));
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_THAT(both->selectors, ElementsAre("sweep:3"));
  EXPECT_EQ(both->device, "cpu0");
  EXPECT_EQ(both->precision, "fp32");
  EXPECT_THAT(both->labels, ElementsAre("day=1", "card=A"));
  EXPECT_TRUE(both->include_invalid);
}

TEST(WithFlags, RefusesAFilterThatBothGive) {
  FilterWords flags;
  flags.precision = "bf16";
  const auto both = WithFlags(flags, Added("sweep:3 precision=fp32"));
  EXPECT_EQ(both.status(),
            absl::InvalidArgumentError(
                "--precision bf16 and precision=fp32 are both given, must be one of them"));
}

}  // namespace
}  // namespace torchlap::client
