#include "proto/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace torchlap {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

// `steps` steps from `first` on; entry of step s is s + 1. `timed`: columns beside start and step.
v1::SampleBlock Block(uint32_t first, int steps, const std::vector<std::string>& timed = {}) {
  v1::SampleBlock block;
  block.set_first_step(first);
  std::vector<std::string> names = {"start_ns", "step_ns"};
  names.insert(names.end(), timed.begin(), timed.end());
  for (const std::string& name : names) {
    const auto column = std::find_if(SampleColumns().begin(), SampleColumns().end(),
                                     [&](const SampleColumn& c) { return c.name == name; });
    for (int i = 0; i < steps; ++i) (block.*column->mutable_times)()->Add(int64_t{first} + i + 1);
  }
  return block;
}

TEST(SamplesTest, EveryFieldOfABlockIsAColumnButItsTwoNumbers) {
  std::vector<std::string> fields;
  const auto* descriptor = v1::SampleBlock::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i)
    fields.push_back(descriptor->field(i)->name());
  std::vector<std::string> columns = {"first_step", "warmup_steps"};
  for (const SampleColumn& column : SampleColumns()) columns.emplace_back(column.name);
  EXPECT_EQ(columns, fields);
}

TEST(SamplesTest, AColumnReadsAndWritesItsOwnField) {
  for (const SampleColumn& column : SampleColumns()) {
    v1::SampleBlock block;
    (block.*column.mutable_times)()->Add(7);
    EXPECT_THAT((block.*column.times)(), ElementsAre(7)) << column.name;
    EXPECT_EQ(block.ShortDebugString(), std::string(column.name) + ": 7");
  }
}

TEST(SamplesTest, ColumnsComeInTheOrderOfTheContract) {
  std::vector<std::string> names;
  ForEachColumn(Block(0, 1),
                [&](const std::string& name, const SampleTimes&) { names.push_back(name); });
  ASSERT_EQ(names.size(), 13U);
  EXPECT_EQ(names.front(), "start_ns");
  EXPECT_EQ(names.back(), "run_delay_ns");
}

TEST(SamplesTest, BlocksThatFollowOnAreJoined) {
  v1::SampleBlock all;
  EXPECT_EQ(Append(Block(0, 2, {"loss_ns"}), &all), std::nullopt);
  EXPECT_EQ(Append(Block(2, 0), &all), std::nullopt);
  EXPECT_EQ(Append(Block(2, 3, {"loss_ns"}), &all), std::nullopt);
  EXPECT_EQ(all.first_step(), 0U);
  EXPECT_THAT(all.step_ns(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(all.loss_ns(), ElementsAre(1, 2, 3, 4, 5));
}

TEST(SamplesTest, AGapAndARepeatedStepAreRefused) {
  v1::SampleBlock all = Block(0, 2);
  EXPECT_THAT(Append(Block(3, 1), &all), Optional(HasSubstr("first_step is 3, must be 2")));
  EXPECT_THAT(Append(Block(1, 1), &all), Optional(HasSubstr("first_step is 1, must be 2")));
  EXPECT_EQ(all.step_ns_size(), 2);
}

// Each of the two blocks is whole by itself.
TEST(SamplesTest, NoColumnMayEndOrBeginInTheMiddle) {
  for (const SampleColumn& column : SampleColumns()) {
    const std::string name = column.name;
    if (name == "start_ns" || name == "step_ns") continue;
    v1::SampleBlock with = Block(0, 2, {name});
    EXPECT_THAT(Append(Block(2, 2), &with),
                Optional(name + " has 0 entries for 2 steps, must have 2"));
    EXPECT_EQ(with.step_ns_size(), 2) << "what is refused changes nothing";
    v1::SampleBlock without = Block(0, 2);
    EXPECT_THAT(Append(Block(2, 2, {name}), &without),
                Optional(name + " has 2 entries for 2 steps, must have 0"));
  }
}

TEST(SamplesTest, AShortAndALongColumnAreRefused) {
  for (const int entries : {1, 3}) {
    v1::SampleBlock part = Block(0, 2);
    for (int i = 0; i < entries; ++i) part.add_backward_ns(1);
    v1::SampleBlock all;
    EXPECT_THAT(Append(part, &all),
                Optional(HasSubstr("backward_ns has " + std::to_string(entries) +
                                   " entries for 2 steps, must have 0 or 2")));
  }
}

TEST(SamplesTest, StepsWithoutAStartAreRefused) {
  v1::SampleBlock part = Block(0, 2);
  part.clear_start_ns();
  v1::SampleBlock all;
  EXPECT_THAT(Append(part, &all), Optional(HasSubstr("start_ns has 0 entries")));
}

TEST(SamplesTest, ColumnsWithoutStepsAreRefused) {
  v1::SampleBlock part;
  part.add_loss_ns(5);
  v1::SampleBlock all;
  EXPECT_THAT(Append(part, &all), Optional(HasSubstr("loss_ns has 1 entries for 0 steps")));
}

TEST(SamplesTest, ASliceHasTheEntriesOfItsSteps) {
  const v1::SampleBlock part = Slice(Block(0, 5, {"run_delay_ns"}), 1, 3);
  EXPECT_EQ(part.first_step(), 1U);
  EXPECT_THAT(part.start_ns(), ElementsAre(2, 3));
  EXPECT_THAT(part.run_delay_ns(), ElementsAre(2, 3));
  EXPECT_EQ(part.forward_ns_size(), 0);
}

TEST(SamplesTest, ASliceNeverReadsPastTheEndOfAShortColumn) {
  v1::SampleBlock block = Block(0, 5);
  block.add_loss_ns(1);  // as an old database may have it
  EXPECT_EQ(Slice(block, 0, 5).loss_ns_size(), 1);
  EXPECT_EQ(Slice(block, 2, 5).loss_ns_size(), 0);
  EXPECT_EQ(Slice(block, 4, 100).step_ns_size(), 1);
  EXPECT_EQ(Slice(block, 7, 9).step_ns_size(), 0);
}

}  // namespace
}  // namespace torchlap
