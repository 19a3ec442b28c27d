#include "server/run/canary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "proto/ranges.h"
#include "server/measure/identity.h"

namespace torchlap::run {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kHourNs = 3600 * kSecondNs;
constexpr int64_t kNowNs = 100 * kHourNs;               // monotonic
constexpr int64_t kWallNs = 1'700'000'000 * kSecondNs;  // the host's
const host::CanaryPlan kPlan = {6 * kHourNs, 60 * kSecondNs};

// Idle for an hour, and never had one.
CanaryLook Idle() {
  CanaryLook look;
  look.idle_since_ns = kNowNs - kHourNs;
  return look;
}

CanaryVerdict Judge(const CanaryLook& look) { return JudgeCanary(kPlan, look, kNowNs, kWallNs); }

TEST(Canary, AnIdleDeviceThatNeverHadOneIsDue) {
  const CanaryVerdict verdict = Judge(Idle());
  EXPECT_TRUE(verdict.is_due);
  EXPECT_GT(verdict.look_again_ns, kNowNs);
}

TEST(Canary, ADeviceIsDueOnceItsIdleTimeIsOver) {
  CanaryLook look = Idle();
  look.idle_since_ns = kNowNs - 59 * kSecondNs;
  EXPECT_FALSE(Judge(look).is_due);
  EXPECT_EQ(Judge(look).look_again_ns, kNowNs + kSecondNs);
  look.idle_since_ns = kNowNs - 60 * kSecondNs;
  EXPECT_TRUE(Judge(look).is_due);
}

TEST(Canary, ADeviceThatIsNotIdleIsLookedAtAgainAfterTheIdleTime) {
  CanaryLook look = Idle();
  look.idle_since_ns.reset();
  EXPECT_FALSE(Judge(look).is_due);
  EXPECT_EQ(Judge(look).look_again_ns, kNowNs + 60 * kSecondNs);
}

TEST(Canary, AShortIdleTimeMakesNobodyLookAllTheTime) {
  CanaryLook look = Idle();
  look.idle_since_ns.reset();
  const host::CanaryPlan eager = {kHourNs, kSecondNs};
  EXPECT_EQ(JudgeCanary(eager, look, kNowNs, kWallNs).look_again_ns, kNowNs + 5 * kSecondNs);
}

TEST(Canary, AJobThatWaitsComesFirst) {
  CanaryLook look = Idle();
  look.job_waits = true;
  EXPECT_FALSE(Judge(look).is_due);
  EXPECT_EQ(Judge(look).look_again_ns, kNowNs + 60 * kSecondNs);
}

TEST(Canary, NobodysRunElsewhereIsDisturbed) {
  CanaryLook look = Idle();
  look.would_disturb = true;
  EXPECT_FALSE(Judge(look).is_due);
  EXPECT_EQ(Judge(look).look_again_ns, kNowNs + 60 * kSecondNs);
}

DeviceStatus Status(v1::DeviceKind kind, const std::string& uuid, v1::DeviceState state) {
  DeviceStatus status;
  status.device.set_kind(kind);
  status.device.set_uuid(uuid);
  status.device.set_state(state);
  return status;
}

TEST(Canary, DisturbsRunsThatShareTheHostButNotThoseOfOtherGpus) {
  const auto idle = v1::DEVICE_STATE_IDLE;
  const auto runs = v1::DEVICE_STATE_RUNNING;
  const DeviceStatus cpu = Status(v1::DEVICE_KIND_CPU, "CPU-0", idle);
  const DeviceStatus gpu = Status(v1::DEVICE_KIND_CUDA, "GPU-0", idle);
  const DeviceStatus other_cpu = Status(v1::DEVICE_KIND_CPU, "CPU-1", runs);
  const DeviceStatus other_gpu = Status(v1::DEVICE_KIND_CUDA, "GPU-1", runs);
  EXPECT_FALSE(WouldDisturb(cpu.device, {cpu, gpu}));
  EXPECT_TRUE(WouldDisturb(cpu.device, {cpu, other_gpu}));
  EXPECT_TRUE(WouldDisturb(cpu.device, {cpu, other_cpu}));
  EXPECT_TRUE(WouldDisturb(gpu.device, {other_cpu, gpu}));
  EXPECT_FALSE(WouldDisturb(gpu.device, {gpu, other_gpu}));
  EXPECT_FALSE(WouldDisturb(other_cpu.device, {other_cpu})) << "itself";
}

TEST(Canary, TheNextIsDueWhenTheLastOneIsOldEnough) {
  CanaryLook look = Idle();
  look.last_ns = kWallNs - 6 * kHourNs + 10 * kSecondNs;
  EXPECT_FALSE(Judge(look).is_due);
  EXPECT_EQ(Judge(look).look_again_ns, kNowNs + 10 * kSecondNs);
  look.last_ns = kWallNs - 6 * kHourNs;
  EXPECT_TRUE(Judge(look).is_due);
}

TEST(Canary, WhatIsFarOffIsLookedAtEveryHourAsTheClockMayBeSet) {
  CanaryLook look = Idle();
  look.last_ns = kWallNs;
  EXPECT_FALSE(Judge(look).is_due);
  EXPECT_EQ(Judge(look).look_again_ns, kNowNs + kHourNs);
}

TEST(Canary, AClockThatWasSetBackKeepsNoneFromBeingDue) {
  CanaryLook look = Idle();
  look.last_ns = kWallNs + 1000 * kHourNs;
  EXPECT_TRUE(Judge(look).is_due);
  look.asked_ns = kNowNs - kSecondNs;
  EXPECT_FALSE(Judge(look).is_due) << "this daemon has just asked for one";
}

TEST(Canary, AClockThatWasSetForwardMakesNoneDueBeforeItsTime) {
  CanaryLook look = Idle();
  look.last_ns = kWallNs - 1000 * kHourNs;
  look.asked_ns = kNowNs - 5 * kHourNs;
  EXPECT_FALSE(Judge(look).is_due);
  look.asked_ns = kNowNs - 6 * kHourNs;
  EXPECT_TRUE(Judge(look).is_due);
}

TEST(Canary, OneThatNeverBeganIsNotAskedForAgainAtOnce) {
  CanaryLook look = Idle();
  look.asked_ns = kNowNs - kSecondNs;
  EXPECT_FALSE(Judge(look).is_due);
}

host::HostDevice Device(v1::DeviceKind kind) {
  host::HostDevice device;
  device.name = kind == v1::DEVICE_KIND_CUDA ? "cuda:0" : "cpu0";
  device.uuid = kind == v1::DEVICE_KIND_CUDA ? "GPU-1" : "CPU-0";
  device.kind = kind;
  return device;
}

TEST(Canary, IsAJobThatAdmissionCouldHaveMade) {
  for (const v1::DeviceKind kind : {v1::DEVICE_KIND_CPU, v1::DEVICE_KIND_CUDA}) {
    const storage::NewJob job = CanaryJob(Device(kind));
    EXPECT_EQ(CheckRanges(job.spec), std::nullopt);
    EXPECT_EQ(job.spec.purpose(), v1::PURPOSE_CANARY);
    EXPECT_EQ(job.spec.priority(), -100);
    EXPECT_EQ(job.device_key, "uuid:" + Device(kind).uuid);
    EXPECT_EQ(job.workload_hash, measure::WorkloadHash(job.spec.workload()));
    EXPECT_FALSE(job.workload_canonical.empty());
    EXPECT_GT(job.parameters, 0U);
    v1::Plan filled = job.spec.plan();
    FillDefaults(&filled);
    EXPECT_EQ(filled.SerializeAsString(), job.spec.plan().SerializeAsString());
  }
}

// A change of any of these must grow kCanaryVersion: points of another workload are no trend.
TEST(Canary, IsAlwaysTheSameForOneVersion) {
  ASSERT_EQ(kCanaryVersion, 1U);
  const storage::NewJob cpu = CanaryJob(Device(v1::DEVICE_KIND_CPU));
  EXPECT_EQ(cpu.spec.workload().ShortDebugString(),
            "transformer_lm { vocab_size: 1001 d_model: 256 d_ff: 1024 layers: 2 heads: 4 "
            "pass_type: PASS_TYPE_FORWARD_BACKWARD precision: PRECISION_FP32 "
            "attention: ATTENTION_EXPLICIT batch_size: 4 context_length: 128 }");
  EXPECT_EQ(cpu.spec.plan().warmup_steps(), 5U);
  EXPECT_EQ(cpu.spec.plan().measure_steps(), 10U);
  EXPECT_EQ(cpu.spec.plan().seed(), 0U);
  EXPECT_EQ(cpu.spec.plan().timing(), v1::TIMING_SEPARATE);
  const storage::NewJob cuda = CanaryJob(Device(v1::DEVICE_KIND_CUDA));
  EXPECT_EQ(cuda.spec.workload().ShortDebugString(),
            "transformer_lm { vocab_size: 10001 d_model: 768 d_ff: 3072 layers: 12 heads: 12 "
            "pass_type: PASS_TYPE_FORWARD_BACKWARD precision: PRECISION_FP32 "
            "attention: ATTENTION_EXPLICIT batch_size: 4 context_length: 256 }");
  EXPECT_EQ(cuda.spec.plan().warmup_steps(), 5U);
  EXPECT_EQ(cuda.spec.plan().measure_steps(), 30U);
}

TEST(Canary, BelongsToAnAccountThatNobodyHas) {
  EXPECT_EQ(CanaryOwner().principal, storage::kDaemonPrincipal);
  EXPECT_NE(CanaryOwner().principal.rfind("uid:", 0), 0U);
  EXPECT_FALSE(CanaryOwner().is_admin);
}

}  // namespace
}  // namespace torchlap::run
