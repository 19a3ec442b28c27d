#include "server/run/canary.h"

#include <algorithm>

#include "proto/ranges.h"
#include "server/measure/identity.h"
#include "server/measure/presets.h"

namespace torchlap::run {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kLongestSleepNs = 3600 * kSecondNs;
// Of a device that is not idle: when it is, it has to be so for a while anyway.
constexpr int64_t kShortestSleepNs = 5 * kSecondNs;

void FillCpuModel(v1::TransformerLm* model) {
  model->set_vocab_size(1000 + kCanaryVersion);
  model->set_d_model(256);
  model->set_d_ff(1024);
  model->set_layers(2);
  model->set_heads(4);
  model->set_batch_size(4);
  model->set_context_length(128);
}

// 1.5 GB of memory.
void FillCudaModel(v1::TransformerLm* model) {
  model->set_vocab_size(10000 + kCanaryVersion);
  model->set_d_model(768);
  model->set_d_ff(3072);
  model->set_layers(12);
  model->set_heads(12);
  model->set_batch_size(4);
  model->set_context_length(256);
}

void FillModel(v1::DeviceKind kind, v1::TransformerLm* model) {
  model->set_pass_type(v1::PASS_TYPE_FORWARD_BACKWARD);
  model->set_precision(v1::PRECISION_FP32);
  model->set_attention(v1::ATTENTION_EXPLICIT);
  if (kind == v1::DEVICE_KIND_CUDA) {
    FillCudaModel(model);
  } else {
    FillCpuModel(model);
  }
}

void FillPlan(v1::DeviceKind kind, v1::Plan* plan) {
  plan->set_timing(v1::TIMING_SEPARATE);
  plan->set_execution(v1::EXECUTION_EAGER);
  plan->set_warmup_steps(5);
  plan->set_measure_steps(kind == v1::DEVICE_KIND_CUDA ? 30 : 10);
  plan->set_launches(1);
  plan->set_seed(0);
  // The most that a user's job waits for it.
  plan->set_time_limit_ns(60 * kSecondNs);
  plan->set_telemetry(kind == v1::DEVICE_KIND_CUDA ? v1::TELEMETRY_SAMPLED : v1::TELEMETRY_EDGES);
  FillDefaults(plan);
}

// A smaller one would be of another series.
void ForbidShrinking(const v1::TransformerLm& model, v1::OomPolicy* oom) {
  oom->set_retry(false);
  oom->set_min_batch_size(model.batch_size());
  oom->set_min_context_length(model.context_length());
}

// How long until the newest canary is old enough; 0 or less: it is.
int64_t LeftNs(const host::CanaryPlan& plan, const CanaryLook& look, int64_t monotonic_ns,
               int64_t wall_ns) {
  int64_t left_ns = 0;
  if (look.asked_ns) left_ns = plan.every_ns - (monotonic_ns - *look.asked_ns);
  if (look.last_ns && *look.last_ns <= wall_ns) {
    left_ns = std::max(left_ns, plan.every_ns - (wall_ns - *look.last_ns));
  }
  return left_ns;
}

}  // namespace

storage::Caller CanaryOwner() {
  storage::Caller owner;
  owner.principal = storage::kDaemonPrincipal;
  owner.name = "torchlapd";
  return owner;
}

storage::NewJob CanaryJob(const host::HostDevice& device) {
  storage::NewJob job;
  v1::TransformerLm* model = job.spec.mutable_workload()->mutable_transformer_lm();
  FillModel(device.kind, model);
  FillPlan(device.kind, job.spec.mutable_plan());
  ForbidShrinking(*model, job.spec.mutable_oom());
  job.spec.set_purpose(v1::PURPOSE_CANARY);
  job.spec.set_device(device.name);
  const Range priorities = RangeOf<v1::JobSpec>(v1::JobSpec::kPriorityFieldNumber);
  job.spec.set_priority(static_cast<int32_t>(priorities.min));
  job.spec.set_if_busy(v1::IF_BUSY_FAIL);
  job.device_key = "uuid:" + device.uuid;
  job.parameters = measure::ParameterCount(*model);
  job.workload_canonical = measure::CanonicalWorkload(job.spec.workload());
  job.workload_hash = measure::WorkloadHash(job.spec.workload());
  return job;
}

bool WouldDisturb(const v1::Device& device, const std::vector<DeviceStatus>& all) {
  const auto is_gpu = [](const v1::Device& one) { return one.kind() == v1::DEVICE_KIND_CUDA; };
  return std::any_of(all.begin(), all.end(), [&](const DeviceStatus& other) {
    const bool runs = other.device.state() == v1::DEVICE_STATE_RUNNING;
    return runs && other.device.uuid() != device.uuid() &&
           !(is_gpu(device) && is_gpu(other.device));
  });
}

CanaryVerdict JudgeCanary(const host::CanaryPlan& plan, const CanaryLook& look,
                          int64_t monotonic_ns, int64_t wall_ns) {
  const int64_t left_ns = LeftNs(plan, look, monotonic_ns, wall_ns);
  if (left_ns > 0) return {false, monotonic_ns + std::min(left_ns, kLongestSleepNs)};
  const int64_t pause_ns = std::clamp(plan.idle_ns, kShortestSleepNs, kLongestSleepNs);
  if (!look.idle_since_ns || look.job_waits || look.would_disturb)
    return {false, monotonic_ns + pause_ns};
  const int64_t idle_left_ns = plan.idle_ns - (monotonic_ns - *look.idle_since_ns);
  if (idle_left_ns > 0) return {false, monotonic_ns + std::min(idle_left_ns, kLongestSleepNs)};
  return {true, monotonic_ns + std::min(plan.every_ns, kLongestSleepNs)};
}

}  // namespace torchlap::run
