#include "proto/words.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "torchlap/v1/device.pb.h"
#include "torchlap/v1/job.pb.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap {
namespace {

TEST(Words, EveryValueButUnspecifiedHasAWordAndTheWordLeadsBack) {
  for (const auto* type :
       {v1::PassType_descriptor(), v1::Precision_descriptor(), v1::Attention_descriptor(),
        v1::Optimizer_descriptor(), v1::Timing_descriptor(), v1::Purpose_descriptor(),
        v1::Phase_descriptor(), v1::Outcome_descriptor(), v1::Validity_descriptor(),
        v1::Cause_descriptor(), v1::JobState_descriptor(), v1::DeviceKind_descriptor(),
        v1::DeviceState_descriptor()}) {
    std::set<std::string> words;
    for (int i = 0; i < type->value_count(); ++i) {
      const int number = type->value(i)->number();
      const std::string word(WordOf(*type, number));
      if (number == 0) {
        EXPECT_EQ(word, "") << type->name();
        continue;
      }
      EXPECT_NE(word, "") << type->value(i)->name();
      EXPECT_TRUE(words.insert(word).second) << type->name() << " has two of " << word;
      EXPECT_EQ(NumberOf(*type, word), number) << word;
    }
  }
}

TEST(Words, AnUnknownNumberHasNoWordAndAnUnknownWordNoNumber) {
  EXPECT_EQ(WordOf(*v1::PassType_descriptor(), 99), "");
  EXPECT_EQ(ParseWord<v1::PassType>("sideways"), std::nullopt);
  EXPECT_EQ(ParseWord<v1::PassType>("Forward"), std::nullopt);
  EXPECT_EQ(ParseWord<v1::PassType>(""), std::nullopt) << "unspecified has no word";
}

TEST(Words, AreThoseOfTheCommandLine) {
  EXPECT_EQ(Word(v1::PASS_TYPE_FORWARD_BACKWARD), "forward-backward");
  EXPECT_EQ(Word(v1::PRECISION_BF16_WEIGHTS), "bf16-weights");
  EXPECT_EQ(Words<v1::PassType>(), "forward, forward-backward, train-step");
  EXPECT_EQ(Words<v1::Timing>(), "separate, combined, events");
}

}  // namespace
}  // namespace torchlap
