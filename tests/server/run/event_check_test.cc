// What a broken or hostile worker may say is also in run_record_test.cc, through the record.
#include "server/run/event_check.h"

#include <gmock/gmock.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <string>

namespace torchlap::run {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using testing::HasSubstr;

constexpr int64_t kSecondNs = 1'000'000'000;

void FillAll(Message* message);

void FillEntry(Message* message, const FieldDescriptor* field) {
  const auto* reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return FillAll(reflection->AddMessage(message, field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection->AddEnumValue(message, field, 1);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection->AddInt64(message, field, 1);
    default:
      FAIL() << "teach this test a list of " << field->cpp_type_name() << ": "
             << field->full_name();
  }
}

void FillOne(Message* message, const FieldDescriptor* field) {
  const auto* reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return FillAll(reflection->MutableMessage(message, field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection->SetEnumValue(message, field, 1);
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->SetString(message, field, "text");
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection->SetDouble(message, field, 1);
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection->SetInt32(message, field, 1);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->SetUInt32(message, field, 1);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection->SetInt64(message, field, 1);
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection->SetUInt64(message, field, 1);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->SetBool(message, field, true);
    default:
      FAIL() << "teach this test " << field->cpp_type_name() << ": " << field->full_name();
  }
}

void FillAll(Message* message) {
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message->GetDescriptor()->field(i);
    if (field->is_repeated()) {
      FillEntry(message, field);
    } else {
      FillOne(message, field);
    }
  }
}

// One event for each kind, with every field that the contract has.
TEST(EventCheckTest, EveryFieldOfTheContractCanBeChecked) {
  const auto* kinds = v1::WorkerEvent::descriptor()->oneof_decl(0);
  for (int i = 0; i < kinds->field_count(); ++i) {
    v1::WorkerEvent event;
    FillAll(event.GetReflection()->MutableMessage(&event, kinds->field(i)));
    EXPECT_EQ(MakeFit(&event), std::nullopt) << kinds->field(i)->name();
  }
}

TEST(EventCheckTest, TextsAreShownVisiblyWhereverTheyStand) {
  const std::string hostile = "a\x1b]0;t\x07\nb\u202e\u009b2J";
  const std::string shown = "a\\x1b]0;t\\x07\\nb\\u202e\\u009b2J";
  v1::WorkerEvent built;
  built.mutable_built()->mutable_environment()->set_cpu_capability(hostile);
  (*built.mutable_built()->mutable_environment()->mutable_variables())["OMP_X"] = hostile;
  built.mutable_built()->mutable_numerics()->set_sdpa_kernel(hostile);
  EXPECT_EQ(MakeFit(&built), std::nullopt);
  EXPECT_EQ(built.built().environment().cpu_capability(), shown);
  EXPECT_EQ(built.built().environment().variables().at("OMP_X"), shown);
  EXPECT_EQ(built.built().numerics().sdpa_kernel(), shown);
  v1::WorkerEvent result;
  result.mutable_result()->mutable_neighbour()->set_process(hostile);
  EXPECT_EQ(MakeFit(&result), std::nullopt);
  EXPECT_EQ(result.result().neighbour().process(), shown);
}

TEST(EventCheckTest, OfAFailureTheFirstLineIsKeptAndCut) {
  v1::WorkerEvent failed;
  v1::Failure* failure = failed.mutable_failed()->mutable_failure();
  failure->set_detail("out of memory \x1b[31m\nbacktrace\nmore of it");
  EXPECT_EQ(MakeFit(&failed), std::nullopt);
  EXPECT_EQ(failure->detail(), "out of memory \\x1b[31m");
  failure->set_detail(std::string(5000, '\x1b'));
  EXPECT_EQ(MakeFit(&failed), std::nullopt);
  EXPECT_LE(failure->detail().size(), kMostTextBytes);
  EXPECT_TRUE(failure->detail().ends_with("…"));
}

TEST(EventCheckTest, AnUnknownValueInAListOfEnumsIsRefused) {
  v1::WorkerEvent event;
  v1::CalibrationResult* calibration = event.mutable_result()->mutable_calibration();
  calibration->add_emulated(v1::PRECISION_FP16);
  calibration->add_emulated(static_cast<v1::Precision>(77));
  EXPECT_THAT(MakeFit(&event).value_or(""), HasSubstr("result.calibration.emulated is 77"));
}

TEST(EventCheckTest, ALongListIsRefusedWhateverItHolds) {
  v1::WorkerEvent enums;
  for (int i = 0; i < 257; ++i) {
    enums.mutable_result()->mutable_calibration()->add_emulated(v1::PRECISION_FP16);
  }
  EXPECT_THAT(MakeFit(&enums).value_or(""), HasSubstr("has 257 entries, must have at most 256"));
  v1::WorkerEvent messages;
  for (int i = 0; i < 257; ++i) {
    messages.mutable_result()->mutable_calibration()->add_matmul_peaks();
  }
  EXPECT_THAT(MakeFit(&messages).value_or(""), HasSubstr("has 257 entries, must have at most 256"));
}

v1::Run PaperRun() {
  v1::Run run;
  run.mutable_workload()->mutable_transformer_lm();
  run.mutable_plan()->set_warmup_steps(5);
  run.mutable_plan()->set_warmup_until_settled(true);
  run.mutable_plan()->set_min_warmup_ns(3 * kSecondNs);
  run.mutable_plan()->set_measure_steps(10);
  run.mutable_plan()->set_target_precision(0.01);
  run.mutable_plan()->set_max_steps(1000);
  run.mutable_plan()->set_time_limit_ns(24 * 3600 * kSecondNs);
  return run;
}

// What a worker says is kept in memory until its end: the plan tells how much that can be.
TEST(EventCheckTest, ThePlanBoundsTheNumberOfSteps) {
  v1::Run run = PaperRun();
  EXPECT_EQ(MostSteps(run), 5U + 50U + 100U + 600'000U + 1000U) << "3 s of steps of 5 us";
  run.mutable_plan()->set_min_warmup_ns(7 * 24 * 3600 * kSecondNs);
  EXPECT_EQ(MostSteps(run), 5U + 50U + 100U + 1'000'000U + 1000U);
  run.mutable_plan()->clear_min_warmup_ns();
  EXPECT_EQ(MostSteps(run), 5U + 50U + 100U + 1000U);
  run.mutable_plan()->clear_warmup_until_settled();
  run.mutable_plan()->clear_target_precision();
  EXPECT_EQ(MostSteps(run), 15U);
}

v1::SampleBlock Step(int64_t start_ns, int64_t step_ns, int64_t foreign_cpu_ns) {
  v1::SampleBlock block;
  block.add_start_ns(start_ns);
  block.add_step_ns(step_ns);
  block.add_foreign_cpu_ns(foreign_cpu_ns);
  return block;
}

// 30 s on 96 cores that others use wholly: a bad measurement, but an honest report of it.
TEST(EventCheckTest, LongStepsOnManyBusyCoresAreBelieved) {
  const int64_t foreign_ns = 96 * 30 * kSecondNs;
  v1::SampleBlock before;
  for (int64_t step = 0; step < 100; ++step) {
    const v1::SampleBlock part = Step(1 + step * 30 * kSecondNs, 30 * kSecondNs, foreign_ns);
    EXPECT_EQ(CheckTimes(PaperRun(), before, part), std::nullopt) << step;
    before.MergeFrom(part);
  }
}

TEST(EventCheckTest, TimesWhoseSumIsNoNumberAreRefusedHoweverTheyAreSentInPieces) {
  const int64_t most_ns = 24 * 3600 * kSecondNs * 4096;  // of one entry
  v1::SampleBlock before;
  std::optional<std::string> problem;
  for (int64_t step = 0; step < 20 && !problem; ++step) {
    const v1::SampleBlock part = Step(1 + step, 1, most_ns);
    problem = CheckTimes(PaperRun(), before, part);
    if (!problem) before.MergeFrom(part);
  }
  EXPECT_THAT(problem.value_or(""), HasSubstr("the sum of foreign_cpu_ns is"));
}

}  // namespace
}  // namespace torchlap::run
