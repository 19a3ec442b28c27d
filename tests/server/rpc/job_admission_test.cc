#include "server/rpc/job_admission.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "proto/ranges.h"

namespace torchlap::rpc {
namespace {

host::HostDevice Device(const std::string& name, v1::DeviceKind kind) {
  host::HostDevice device;
  device.name = name;
  device.uuid = "U-" + name;
  device.kind = kind;
  return device;
}

const std::vector<host::HostDevice> kOneCpu = {Device("cpu0", v1::DEVICE_KIND_CPU)};
const std::vector<host::HostDevice> kTwoKinds = {Device("cpu0", v1::DEVICE_KIND_CPU),
                                                 Device("cuda:0", v1::DEVICE_KIND_CUDA)};
const storage::Caller kUser = {"uid:1000", "ann", false};
const storage::Caller kAdmin = {"uid:0", "root", true};

v1::JobSpec Small() {
  v1::JobSpec spec;
  spec.mutable_workload()->mutable_transformer_lm()->set_preset("small");
  return spec;
}

v1::TransformerLm* Model(v1::JobSpec* spec) {
  return spec->mutable_workload()->mutable_transformer_lm();
}

void ExpectRefused(const v1::JobSpec& spec, absl::StatusCode code,
                   const std::vector<std::string>& parts, const storage::Caller& caller = kUser) {
  const auto job = Admit(spec, kOneCpu, caller);
  ASSERT_FALSE(job.ok());
  EXPECT_EQ(job.status().code(), code) << job.status();
  for (const std::string& part : parts) {
    EXPECT_NE(std::string(job.status().message()).find(part), std::string::npos)
        << part << " in: " << job.status();
  }
}

constexpr int64_t kHourNs = 3'600'000'000'000;

TEST(JobAdmissionTest, ARunIsNoLongerThanItMayBe) {
  v1::JobSpec spec = Small();
  v1::JobSpec calibration;
  calibration.mutable_workload()->mutable_calibration();
  calibration.set_purpose(v1::PURPOSE_CALIBRATE);
  for (v1::JobSpec* asked : {&spec, &calibration}) {
    const auto admit = [&](int64_t most_ns) { return Admit(*asked, kOneCpu, kUser, most_ns); };
    asked->mutable_plan()->set_time_limit_ns(7 * 24 * kHourNs);
    EXPECT_EQ(admit(24 * kHourNs).status(),
              absl::InvalidArgumentError("time_limit is 7d, must be at most 24h (max_time_limit)"));
    EXPECT_EQ(admit(kHourNs / 2).status(),
              absl::InvalidArgumentError("time_limit is 7d, must be at most 30m (max_time_limit)"));
    EXPECT_TRUE(admit(7 * 24 * kHourNs).ok());
    asked->mutable_plan()->set_time_limit_ns(24 * kHourNs);
    EXPECT_TRUE(admit(24 * kHourNs).ok());
    EXPECT_FALSE(admit(24 * kHourNs - 1).ok());
    EXPECT_TRUE(Admit(*asked, kOneCpu, kAdmin, kHourNs).ok()) << "an admin may";
  }
}

TEST(JobAdmissionTest, AJobThatNamesNoTimeLimitGetsTheUsualOneOrTheMost) {
  const auto limit = [](int64_t most_ns, const storage::Caller& caller) {
    return Admit(Small(), kOneCpu, caller, most_ns)->spec.plan().time_limit_ns();
  };
  EXPECT_EQ(limit(24 * kHourNs, kUser), kHourNs / 4);
  EXPECT_EQ(limit(kHourNs / 12, kUser), kHourNs / 12);
  EXPECT_EQ(limit(kHourNs / 12, kAdmin), kHourNs / 4);
}

TEST(JobAdmissionTest, DefaultsAreThoseOfTheMeasurement) {
  const auto job = Admit(Small(), kOneCpu, kUser);
  ASSERT_TRUE(job.ok()) << job.status();
  const v1::TransformerLm& model = job->spec.workload().transformer_lm();
  EXPECT_EQ(model.edition(), "cs336-2025");
  EXPECT_EQ(model.pass_type(), v1::PASS_TYPE_FORWARD_BACKWARD);
  EXPECT_EQ(model.batch_size(), 4U);
  EXPECT_EQ(model.context_length(), 256U);
  EXPECT_EQ(model.precision(), v1::PRECISION_FP32);
  EXPECT_EQ(model.optimizer(), v1::OPTIMIZER_UNSPECIFIED);
  EXPECT_EQ(job->spec.plan().warmup_steps(), 5U);
  EXPECT_EQ(job->spec.plan().measure_steps(), 10U);
  EXPECT_EQ(job->spec.plan().launches(), 1U);
  EXPECT_EQ(job->spec.plan().time_limit_ns(), 900'000'000'000);
  EXPECT_TRUE(job->spec.oom().retry());
  EXPECT_EQ(job->spec.oom().min_batch_size(), 1U);
  EXPECT_EQ(job->spec.oom().min_context_length(), 128U);
  EXPECT_EQ(job->spec.purpose(), v1::PURPOSE_MEASURE);
  EXPECT_EQ(job->spec.if_busy(), v1::IF_BUSY_WAIT);
  EXPECT_EQ(job->parameters, 128'625'408U);
}

TEST(JobAdmissionTest, ASmallContextIsItsOwnFloor) {
  v1::JobSpec spec = Small();
  Model(&spec)->set_context_length(32);
  EXPECT_EQ(Admit(spec, kOneCpu, kUser)->spec.oom().min_context_length(), 32U);
}

TEST(JobAdmissionTest, ATrainStepHasAnOptimizerAndOtherPassesHaveNone) {
  v1::JobSpec spec = Small();
  Model(&spec)->set_optimizer(v1::OPTIMIZER_FUSED);
  EXPECT_EQ(Admit(spec, kOneCpu, kUser)->spec.workload().transformer_lm().optimizer(),
            v1::OPTIMIZER_UNSPECIFIED);
  Model(&spec)->clear_optimizer();
  Model(&spec)->set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
  EXPECT_EQ(Admit(spec, kOneCpu, kUser)->spec.workload().transformer_lm().optimizer(),
            v1::OPTIMIZER_COURSE);
}

TEST(JobAdmissionTest, ValuesOutOfRangeAreRefusedWithFieldValueAndRange) {
  v1::JobSpec batch = Small();
  Model(&batch)->set_batch_size(0);
  ExpectRefused(batch, absl::StatusCode::kInvalidArgument, {"batch_size is 0", "1 to 65536"});
  v1::JobSpec context = Small();
  Model(&context)->set_context_length(2'000'000);
  ExpectRefused(context, absl::StatusCode::kInvalidArgument, {"context_length is 2000000"});
  v1::JobSpec steps = Small();
  steps.mutable_plan()->set_measure_steps(0);
  ExpectRefused(steps, absl::StatusCode::kInvalidArgument, {"measure_steps is 0"});
  v1::JobSpec limit = Small();
  limit.mutable_plan()->set_time_limit_ns(1);
  ExpectRefused(limit, absl::StatusCode::kInvalidArgument, {"time_limit", "7 days"});
  v1::JobSpec floor = Small();
  floor.mutable_oom()->set_min_batch_size(9);
  ExpectRefused(floor, absl::StatusCode::kInvalidArgument, {"min_batch_size is 9", "1 to 4"});
  v1::JobSpec label = Small();
  (*label.mutable_labels())["k"] = std::string(101, 'v');
  ExpectRefused(label, absl::StatusCode::kInvalidArgument, {"label `k="});
}

TEST(JobAdmissionTest, WordsThatOthersWillSeeAreVisible) {
  for (const auto& [text, shown, unseen] :
       std::vector<std::array<std::string, 3>>{{"a\x1b[2J", "a\\x1b[2J", "\\x1b"},
                                               {"\u009b2J", "\\u009b2J", "\\u009b"},
                                               {"x\u202ey", "x\\u202ey", "\\u202e"},
                                               {"a\nb", "a\\nb", "\\n"},
                                               {"a\u200b", "a\\u200b", "\\u200b"},
                                               {"\u0378", "\\u0378", "\\u0378"},
                                               {"\xff", "\\xff", "\\xff"}}) {
    const std::string rest = "\", must have no " + unseen + ": visible characters only";
    v1::JobSpec value = Small();
    (*value.mutable_labels())["k"] = text;
    ExpectRefused(value, absl::StatusCode::kInvalidArgument, {"label is \"k=" + shown + rest});
    v1::JobSpec key = Small();
    (*key.mutable_labels())[text] = "v";
    ExpectRefused(key, absl::StatusCode::kInvalidArgument, {"label is \"" + shown + "=v" + rest});
    v1::JobSpec device = Small();
    device.set_device(text);
    ExpectRefused(device, absl::StatusCode::kInvalidArgument, {"device is \"" + shown + rest});
    v1::JobSpec preset = Small();
    Model(&preset)->set_preset(text);
    ExpectRefused(preset, absl::StatusCode::kInvalidArgument, {"preset is \"" + shown + rest});
  }
  v1::JobSpec people = Small();
  (*people.mutable_labels())["für"] = "日本 = Käthe's 🚀";
  EXPECT_TRUE(Admit(people, kOneCpu, kUser).ok());
}

TEST(JobAdmissionTest, WhatIsRefusedIsNotRepeatedWithoutEnd) {
  v1::JobSpec device = Small();
  device.set_device(std::string(1 << 20, 'x'));
  EXPECT_LT(Admit(device, kOneCpu, kUser).status().message().size(), 400U);
  v1::JobSpec label = Small();
  (*label.mutable_labels())["k"] = std::string(1 << 20, 'v');
  EXPECT_LT(Admit(label, kOneCpu, kUser).status().message().size(), 400U);
}

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void SetNumber(Message* message, const FieldDescriptor& field, double value) {
  const auto& reflection = *message->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.SetInt32(message, &field, static_cast<int32_t>(value));
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.SetInt64(message, &field, static_cast<int64_t>(value));
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(message, &field, static_cast<uint32_t>(value));
    default:
      return reflection.SetDouble(message, &field, value);
  }
}

// A job that is right but for `value` in the field, whichever message of it has that.
v1::JobSpec WithNumber(const FieldDescriptor& field, double value) {
  v1::JobSpec spec = Small();
  for (Message* message :
       std::vector<Message*>{&spec, spec.mutable_plan(), spec.mutable_oom(),
                             spec.mutable_workload()->mutable_transformer_lm()}) {
    if (message->GetDescriptor() != field.containing_type()) continue;
    SetNumber(message, field, value);
    return spec;
  }
  spec.set_purpose(v1::PURPOSE_CALIBRATE);
  SetNumber(spec.mutable_workload()->mutable_calibration(), field, value);
  return spec;
}

TEST(JobAdmissionTest, PurposesThatAreTheDaemonsAreRefused) {
  for (const auto& [purpose, word] :
       {std::pair(v1::PURPOSE_TRACE, "trace"), std::pair(v1::PURPOSE_CANARY, "canary")}) {
    v1::JobSpec spec = Small();
    spec.set_purpose(purpose);
    ExpectRefused(
        spec, absl::StatusCode::kInvalidArgument,
        {std::string("purpose is ") + word + ", must be measure, warmup, fit or calibrate"});
  }
}

TEST(JobAdmissionTest, BeyondEveryLimitOfTheContractAJobIsRefused) {
  for (const auto* type :
       {v1::JobSpec::descriptor(), v1::Plan::descriptor(), v1::OomPolicy::descriptor(),
        v1::TransformerLm::descriptor(), v1::Calibration::descriptor()}) {
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor& field = *type->field(i);
      const auto range = RangeOf(field);
      if (!range) continue;
      SCOPED_TRACE(field.full_name());
      ExpectRefused(WithNumber(field, range->max + 1), absl::StatusCode::kInvalidArgument,
                    {RangeWords(field)});
      const bool has_lower = field.cpp_type() != FieldDescriptor::CPPTYPE_UINT32 ||
                             (range->min > 0 && field.has_presence());
      if (!has_lower) continue;
      ExpectRefused(WithNumber(field, range->min - 1), absl::StatusCode::kInvalidArgument,
                    {RangeWords(field)});
    }
  }
}

TEST(JobAdmissionTest, WithATargetTheLimitsOfMeasuringAreFilled) {
  v1::JobSpec spec = Small();
  EXPECT_FALSE(Admit(spec, kOneCpu, kUser)->spec.plan().has_max_steps());
  spec.mutable_plan()->set_target_precision(0.01);
  EXPECT_EQ(Admit(spec, kOneCpu, kUser)->spec.plan().max_steps(), 1000U);
  EXPECT_EQ(Admit(spec, kOneCpu, kUser)->spec.plan().max_measure_ns(), 300'000'000'000);
  spec.mutable_plan()->set_measure_steps(2000);
  EXPECT_EQ(Admit(spec, kOneCpu, kUser)->spec.plan().max_steps(), 2000U);
  spec.mutable_plan()->set_max_steps(1999);
  ExpectRefused(spec, absl::StatusCode::kInvalidArgument,
                {"max_steps is 1999, must be 2000 to 1000000"});
  spec.mutable_plan()->clear_target_precision();
  ExpectRefused(spec, absl::StatusCode::kInvalidArgument, {"without target_precision"});
}

TEST(JobAdmissionTest, AnEmptyWorkloadIsRefused) {
  ExpectRefused({}, absl::StatusCode::kInvalidArgument, {"workload"});
}

TEST(JobAdmissionTest, OnlyAdminsRaiseThePriority) {
  v1::JobSpec spec = Small();
  spec.set_priority(5);
  ExpectRefused(spec, absl::StatusCode::kPermissionDenied, {"priority is 5"});
  EXPECT_TRUE(Admit(spec, kOneCpu, kAdmin).ok());
}

TEST(JobAdmissionTest, WithoutADeviceItIsTheClassThatIsThereCudaFirst) {
  EXPECT_EQ(Admit(Small(), kOneCpu, kUser)->device_key, "class:cpu");
  EXPECT_EQ(Admit(Small(), kTwoKinds, kUser)->device_key, "class:cuda");
}

TEST(JobAdmissionTest, ADeviceIsFoundByNameUuidOrClass) {
  const auto key = [](const std::string& device) {
    v1::JobSpec spec = Small();
    spec.set_device(device);
    return Admit(spec, kTwoKinds, kUser)->device_key;
  };
  EXPECT_EQ(key("cpu0"), "uuid:U-cpu0");
  EXPECT_EQ(key("U-cuda:0"), "uuid:U-cuda:0");
  EXPECT_EQ(key("cpu"), "class:cpu");
}

TEST(JobAdmissionTest, ADeviceThatIsNotThereIsNotFound) {
  v1::JobSpec spec = Small();
  spec.set_device("gpu7");
  ExpectRefused(spec, absl::StatusCode::kNotFound, {"gpu7", "cpu0"});
  spec.set_device("cuda");
  ExpectRefused(spec, absl::StatusCode::kNotFound, {"no CUDA device"});
}

TEST(JobAdmissionTest, WhatACpuCannotDoIsRefused) {
  v1::JobSpec spec = Small();
  Model(&spec)->set_precision(v1::PRECISION_TF32);
  ExpectRefused(spec, absl::StatusCode::kInvalidArgument, {"tf32", "fp32"});
  v1::JobSpec events = Small();
  events.mutable_plan()->set_timing(v1::TIMING_EVENTS);
  ExpectRefused(events, absl::StatusCode::kInvalidArgument, {"events", "separate"});
}

}  // namespace
}  // namespace torchlap::rpc
