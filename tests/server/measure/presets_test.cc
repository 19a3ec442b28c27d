#include "server/measure/presets.h"

#include <gtest/gtest.h>

#include <string>

namespace torchlap::measure {
namespace {

v1::TransformerLm Named(const std::string& preset) {
  v1::TransformerLm model;
  model.set_preset(preset);
  return model;
}

v1::TransformerLm Shape(uint32_t layers, uint32_t heads, uint32_t d_model, uint32_t d_ff) {
  v1::TransformerLm model;
  model.set_layers(layers);
  model.set_heads(heads);
  model.set_d_model(d_model);
  model.set_d_ff(d_ff);
  return model;
}

std::string Refusal(v1::TransformerLm model) {
  const absl::Status status = ResolveShape(&model);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

struct Row {
  const char* preset;
  const char* edition;
  const char* name;
  uint64_t parameters;
};

class PresetTable : public testing::TestWithParam<Row> {};

TEST_P(PresetTable, ANameLeadsToItsEditionShapeAndNumberOfParameters) {
  v1::TransformerLm model = Named(GetParam().preset);
  ASSERT_TRUE(ResolveShape(&model).ok());
  EXPECT_EQ(model.edition(), GetParam().edition);
  EXPECT_EQ(model.preset(), GetParam().name);
  EXPECT_EQ(ParameterCount(model), GetParam().parameters);
  EXPECT_EQ(model.vocab_size(), 10000U);
}

INSTANTIATE_TEST_SUITE_P(CourseTables, PresetTable,
                         testing::Values(Row{"small", "cs336-2025", "small", 128625408},
                                         Row{"medium", "cs336-2025", "medium", 423183360},
                                         Row{"large", "cs336-2025", "large", 969411840},
                                         Row{"xl", "cs336-2025", "xl", 1998235200},
                                         Row{"2.7B", "cs336-2025", "2.7B", 3406809600},
                                         Row{"10B", "cs336-2026", "10B", 12832823808},
                                         Row{"cs336-2025/xl", "cs336-2025", "xl", 1998235200},
                                         Row{"cs336-2026/small", "cs336-2026", "small", 128625408},
                                         Row{"cs336-2026/medium", "cs336-2026", "medium",
                                             423183360},
                                         Row{"cs336-2026/large", "cs336-2026", "large", 969411840},
                                         Row{"cs336-2026/xl", "cs336-2026", "xl", 3406809600},
                                         Row{"cs336-2026/10B", "cs336-2026", "10B", 12832823808}));

TEST(Presets, OfBothEditionsAreListedSmallestFirstWithTheirParameters) {
  ASSERT_EQ(Presets().size(), 10U);
  uint64_t last = 0;
  for (const v1::Preset& preset : Presets()) {
    if (preset.name() == "small") last = 0;
    EXPECT_GT(preset.parameters(), last) << preset.edition() << "/" << preset.name();
    last = preset.parameters();
    EXPECT_EQ(preset.is_default(), preset.edition() == "cs336-2025" || preset.name() == "10B");
  }
}

TEST(Presets, HaveAnEvenNumberOfEntriesAHead) {
  for (const v1::Preset& preset : Presets()) {
    EXPECT_EQ(preset.d_model() % preset.heads(), 0U) << preset.name();
    EXPECT_EQ(preset.d_model() / preset.heads() % 2, 0U) << preset.name();
  }
}

TEST(ResolveShape, AnUnknownNameIsRefusedWithTheNamesThatThereAre) {
  EXPECT_EQ(Refusal(Named("huge")),
            "preset is huge, must be one of small, medium, large, xl, 2.7B, 10B, or with an "
            "edition, cs336-2026/xl");
  EXPECT_EQ(Refusal(Named("cs336-2025/10B")).rfind("preset is cs336-2025/10B, must be", 0), 0U);
  EXPECT_EQ(Refusal(Named("cs336-2026/2.7B")).rfind("preset is cs336-2026/2.7B, must be", 0), 0U);
  EXPECT_EQ(Refusal(Named("/small/")).rfind("preset is /small/, must be", 0), 0U);
}

TEST(ResolveShape, AResolvedModelResolvesToItself) {
  v1::TransformerLm model = Named("cs336-2026/xl");
  ASSERT_TRUE(ResolveShape(&model).ok());
  v1::TransformerLm again = model;
  ASSERT_TRUE(ResolveShape(&again).ok());
  EXPECT_EQ(again.SerializeAsString(), model.SerializeAsString());
}

TEST(ResolveShape, APresetBesideAnotherShapeIsRefused) {
  v1::TransformerLm model = Named("small");
  model.set_layers(13);
  EXPECT_EQ(Refusal(model),
            "layers is 13 beside preset cs336-2025/small, whose layers is 12; give a preset or a "
            "shape");
}

TEST(ResolveShape, ADeclaredShapeKeepsItsNumbersAndTakesTheUsualVocabulary) {
  v1::TransformerLm model = Shape(2, 4, 64, 256);
  ASSERT_TRUE(ResolveShape(&model).ok());
  EXPECT_EQ(model.vocab_size(), 10000U);
  EXPECT_EQ(model.edition() + model.preset(), "");
  EXPECT_EQ(model.heads(), 4U);
  model.set_vocab_size(7);
  ASSERT_TRUE(ResolveShape(&model).ok());
  EXPECT_EQ(model.vocab_size(), 7U);
}

TEST(ResolveShape, NeitherNameNorShapeIsRefused) {
  EXPECT_EQ(Refusal({}).rfind("neither preset nor shape is given", 0), 0U);
}

TEST(ResolveShape, EachDimensionHasItsRange) {
  EXPECT_EQ(Refusal(Shape(0, 4, 64, 256)), "layers is 0, must be 1 to 1048576");
  EXPECT_EQ(Refusal(Shape(2, 0, 64, 256)), "heads is 0, must be 1 to 1048576");
  EXPECT_EQ(Refusal(Shape(2, 4, 0, 256)), "d_model is 0, must be 1 to 1048576");
  EXPECT_EQ(Refusal(Shape(2, 4, 64, 0)), "d_ff is 0, must be 1 to 1048576");
  EXPECT_EQ(Refusal(Shape(2, 4, 1048577, 256)), "d_model is 1048577, must be 1 to 1048576");
  v1::TransformerLm model = Shape(2, 4, 64, 256);
  model.set_vocab_size(4000000000);
  EXPECT_EQ(Refusal(model), "vocab_size is 4000000000, must be 1 to 1048576");
}

TEST(ResolveShape, HeadsMustDivideTheWidthIntoEvenParts) {
  EXPECT_EQ(Refusal(Shape(2, 5, 64, 256)), "heads is 5, must divide d_model, which is 64");
  EXPECT_EQ(Refusal(Shape(2, 4, 12, 256)),
            "heads is 4, which makes d_model / heads 3, must be even (RoPE turns pairs)");
}

TEST(ResolveShape, AnEditionWithoutAPresetIsRefused) {
  v1::TransformerLm model = Shape(2, 4, 64, 256);
  model.set_edition("cs336-2025");
  EXPECT_EQ(Refusal(model),
            "edition is cs336-2025 without a preset, must be empty for a declared shape");
}

}  // namespace
}  // namespace torchlap::measure
