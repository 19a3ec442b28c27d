#include "proto/ranges.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "torchlap/v1/service.pb.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr int64_t kSecondNs = 1'000'000'000;

void Walk(const Descriptor& type, std::set<const Descriptor*>* seen,
          std::vector<const FieldDescriptor*>* fields) {
  if (!seen->insert(&type).second) return;
  for (int i = 0; i < type.field_count(); ++i) {
    fields->push_back(type.field(i));
    if (type.field(i)->message_type() != nullptr)
      Walk(*type.field(i)->message_type(), seen, fields);
  }
}

// All fields of the messages that a request can hold.
std::vector<const FieldDescriptor*> FieldsUnder(const Descriptor& request) {
  std::set<const Descriptor*> seen;
  std::vector<const FieldDescriptor*> fields;
  Walk(request, &seen, &fields);
  return fields;
}

bool IsNumber(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
    case FieldDescriptor::CPPTYPE_ENUM:
    case FieldDescriptor::CPPTYPE_STRING:
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return false;
    default:
      return true;
  }
}

std::vector<const FieldDescriptor*> FieldsWithRange() {
  std::vector<const FieldDescriptor*> fields;
  for (const Descriptor* request :
       {v1::SubmitJobsRequest::descriptor(), v1::WorkerRequest::descriptor()}) {
    for (const FieldDescriptor* field : FieldsUnder(*request)) {
      if (field->options().HasExtension(v1::range)) fields.push_back(field);
    }
  }
  return fields;
}

TEST(RangesTest, EveryNumberThatAUserSetsHasARangeOrAReason) {
  const std::map<std::string, std::string> without = {
      {"torchlap.v1.Plan.seed", "every number is a seed"}};
  size_t excepted = 0;
  for (const FieldDescriptor* field : FieldsUnder(*v1::SubmitJobsRequest::descriptor())) {
    if (!IsNumber(*field)) continue;
    if (without.count(field->full_name()) != 0) {
      EXPECT_FALSE(RangeOf(*field)) << field->full_name() << " has a range: no exception";
      ++excepted;
    } else {
      EXPECT_TRUE(RangeOf(*field)) << field->full_name() << ": give it its (range)";
    }
  }
  EXPECT_EQ(excepted, without.size()) << "an exception that is no field";
}

TEST(RangesTest, ARangeStandsOnASingleNumberThatTheReaderKnows) {
  const std::set<FieldDescriptor::CppType> known = {
      FieldDescriptor::CPPTYPE_INT32, FieldDescriptor::CPPTYPE_INT64,
      FieldDescriptor::CPPTYPE_UINT32, FieldDescriptor::CPPTYPE_UINT64,
      FieldDescriptor::CPPTYPE_DOUBLE};
  ASSERT_GT(FieldsWithRange().size(), 10U);
  for (const FieldDescriptor* field : FieldsWithRange()) {
    EXPECT_FALSE(field->is_repeated()) << field->full_name();
    EXPECT_EQ(known.count(field->cpp_type()), 1U) << field->full_name();
  }
}

TEST(RangesTest, LimitsAreInOrderExactAndTheDefaultLiesBetweenThem) {
  for (const FieldDescriptor* field : FieldsWithRange()) {
    const Range range = *RangeOf(*field);
    EXPECT_LT(range.min, range.max) << field->full_name();
    EXPECT_LE(std::fabs(range.max), std::ldexp(1.0, 53)) << field->full_name();
    EXPECT_GE(range.unset.value_or(range.min), range.min) << field->full_name();
    EXPECT_LE(range.unset.value_or(range.min), range.max) << field->full_name();
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) continue;
    for (const double number : {range.min, range.max, range.unset.value_or(0)}) {
      EXPECT_EQ(number, std::trunc(number)) << field->full_name();
    }
  }
}

TEST(RangesTest, UnitAndCompanionAreThoseOfTheMessage) {
  for (const FieldDescriptor* field : FieldsWithRange()) {
    const v1::Range& option = field->options().GetExtension(v1::range);
    const std::string& name = field->name();
    const bool ends_in_ns = name.size() > 3 && name.substr(name.size() - 3) == "_ns";
    EXPECT_EQ(option.unit(), ends_in_ns ? v1::UNIT_NANOSECONDS : v1::UNIT_UNSPECIFIED) << name;
    if (option.with().empty()) continue;
    EXPECT_NE(field->containing_type()->FindFieldByName(option.with()), nullptr) << name;
  }
}

TEST(RangesTest, AFieldWithoutARangeHasNone) {
  const FieldDescriptor& seed = *v1::Plan::descriptor()->FindFieldByName("seed");
  EXPECT_FALSE(RangeOf(seed));
  EXPECT_EQ(RangeWords(seed), "");
}

TEST(RangesTest, TheRangeIsThatOfTheContract) {
  const Range batch = RangeOf<v1::TransformerLm>(v1::TransformerLm::kBatchSizeFieldNumber);
  EXPECT_EQ(batch.min, 1);
  EXPECT_EQ(batch.max, 65536);
  EXPECT_EQ(batch.unset, 4);
  EXPECT_EQ(RangeOf<v1::Plan>(v1::Plan::kTargetPrecisionFieldNumber).unset, std::nullopt);
}

TEST(RangesTest, UnsetFieldsGetTheirDefaults) {
  v1::TransformerLm model;
  model.set_context_length(64);
  FillDefaults(&model);
  EXPECT_EQ(model.batch_size(), 4U);
  EXPECT_EQ(model.context_length(), 64U) << "given";
  EXPECT_EQ(model.layers(), 0U) << "without a default";
}

TEST(RangesTest, AZeroThatWasGivenIsNoDefault) {
  v1::Plan plan;
  plan.set_warmup_steps(0);
  plan.set_time_limit_ns(0);
  FillDefaults(&plan);
  EXPECT_EQ(plan.warmup_steps(), 0U);
  EXPECT_EQ(plan.time_limit_ns(), 0);
  EXPECT_EQ(plan.measure_steps(), 10U);
}

TEST(RangesTest, ALimitOfATargetIsFilledOnlyBesideATarget) {
  v1::Plan plan;
  FillDefaults(&plan);
  EXPECT_FALSE(plan.has_max_steps());
  EXPECT_FALSE(plan.has_max_measure_ns());
  plan.set_target_precision(0.01);
  FillDefaults(&plan);
  EXPECT_EQ(plan.max_steps(), 1000U);
  EXPECT_EQ(plan.max_measure_ns(), 300 * kSecondNs);
}

TEST(RangesTest, BothLimitsAreAllowedAndWhatLiesBeyondIsNot) {
  v1::Plan plan;
  for (const double share : {0.0001, 0.5}) {
    plan.set_target_precision(share);
    EXPECT_EQ(CheckRanges(plan), std::nullopt) << share;
  }
  plan.set_target_precision(std::nextafter(0.5, 1));
  EXPECT_TRUE(CheckRanges(plan));
  plan.set_target_precision(0.00001);
  EXPECT_EQ(CheckRanges(plan), "target_precision is 1e-05, must be 0.0001 to 0.5");
}

TEST(RangesTest, IntegersAreSaidInFull) {
  v1::TransformerLm model;
  model.set_batch_size(0);
  EXPECT_EQ(CheckRanges(model), "batch_size is 0, must be 1 to 65536");
  model.set_batch_size(1);
  model.set_context_length(std::numeric_limits<uint32_t>::max());
  EXPECT_EQ(CheckRanges(model), "context_length is 4294967295, must be 1 to 1048576");
}

TEST(RangesTest, NegativeNumbersHaveRangesToo) {
  v1::JobSpec spec;
  spec.set_priority(-101);
  EXPECT_EQ(CheckRanges(spec), "priority is -101, must be -100 to 100");
  spec.set_priority(-100);
  EXPECT_EQ(CheckRanges(spec), std::nullopt);
}

TEST(RangesTest, NothingThatIsNoNumberOrInfiniteIsInARange) {
  v1::Plan plan;
  plan.set_memory_fraction(std::nan(""));
  EXPECT_EQ(CheckRanges(plan), "memory_fraction is nan, must be 0.0001 to 1");
  plan.set_memory_fraction(std::numeric_limits<double>::infinity());
  EXPECT_EQ(CheckRanges(plan), "memory_fraction is inf, must be 0.0001 to 1");
}

TEST(RangesTest, DurationsAreSaidInSecondsUnderTheirUsersName) {
  v1::Plan plan;
  plan.set_time_limit_ns(0);
  EXPECT_EQ(CheckRanges(plan), "time_limit is 0 s, must be 0.001 s to 7 days");
  plan.set_time_limit_ns(8 * 24 * 3600 * kSecondNs);
  EXPECT_EQ(CheckRanges(plan), "time_limit is 691200 s, must be 0.001 s to 7 days");
  plan.clear_time_limit_ns();
  plan.set_max_measure_ns(-kSecondNs);
  EXPECT_EQ(CheckRanges(plan), "max_seconds is -1 s, must be 0.001 s to 7 days");
  plan.clear_max_measure_ns();
  plan.set_min_warmup_ns(-1);
  EXPECT_EQ(CheckRanges(plan), "min_warmup is -1e-09 s, must be 0 s to 7 days");
}

TEST(RangesTest, WhatIsUnsetIsNotChecked) {
  EXPECT_EQ(CheckRanges(v1::Plan()), std::nullopt);
  EXPECT_EQ(CheckRanges(v1::TransformerLm()), std::nullopt);
  EXPECT_EQ(CheckRanges(v1::Calibration()), std::nullopt) << "0: the worker chooses";
}

TEST(RangesTest, MessagesWithinMessagesAreChecked) {
  v1::SubmitJobsRequest request;
  request.add_jobs();
  request.add_jobs()->mutable_workload()->mutable_calibration()->set_matrix_size(63);
  EXPECT_EQ(CheckRanges(request), "matrix_size is 63, must be 64 to 32768");
  (*request.mutable_jobs(0)->mutable_labels())["k"] = "v";
  request.mutable_jobs(0)->mutable_oom()->set_min_batch_size(0);
  EXPECT_EQ(CheckRanges(request), "min_batch_size is 0, must be 1 to 65536");
}

TEST(RangesTest, WhatMustBeGivenIsRefusedWhereItIsNot) {
  v1::Plan plan;
  EXPECT_EQ(CheckGiven(plan, v1::Plan::kWarmupStepsFieldNumber),
            "warmup_steps is unset, must be 0 to 100000");
  plan.set_warmup_steps(0);
  EXPECT_EQ(CheckGiven(plan, v1::Plan::kWarmupStepsFieldNumber), std::nullopt);
  plan.set_warmup_steps(100'001);
  EXPECT_EQ(CheckGiven(plan, v1::Plan::kWarmupStepsFieldNumber),
            "warmup_steps is 100001, must be 0 to 100000");
  EXPECT_EQ(CheckGiven(v1::TransformerLm(), v1::TransformerLm::kLayersFieldNumber),
            "layers is 0, must be 1 to 1048576");
}

}  // namespace
}  // namespace torchlap
