#include "server/rpc/job_admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "proto/ranges.h"
#include "proto/words.h"
#include "server/host/time_span.h"
#include "server/measure/identity.h"
#include "server/measure/presets.h"
#include "server/rpc/label_check.h"
#include "server/rpc/text_check.h"

namespace torchlap::rpc {
namespace {

// An interval of fewer steps says little (server/measure/README.md).
constexpr uint32_t kLeastStepsWithTarget = 10;
constexpr int kMaxJobs = 10000;

// Limits that other fields of the job set.
absl::Status CheckBetween(const char* field, uint32_t value, uint32_t low, uint32_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} is {}, must be {} to {}", field, value, low, high));
}

absl::Status CheckOwnRanges(const v1::JobSpec& spec) {
  const auto wrong = CheckRanges(spec);
  return wrong ? absl::InvalidArgumentError(*wrong) : absl::OkStatus();
}

// The first that is not OK.
absl::Status First(std::initializer_list<absl::Status> checks) {
  for (const absl::Status& check : checks) {
    if (!check.ok()) return check;
  }
  return absl::OkStatus();
}

void FillModelDefaults(v1::TransformerLm* model) {
  if (model->pass_type() == v1::PASS_TYPE_UNSPECIFIED) {
    model->set_pass_type(v1::PASS_TYPE_FORWARD_BACKWARD);
  }
  if (model->precision() == v1::PRECISION_UNSPECIFIED) model->set_precision(v1::PRECISION_FP32);
  if (model->attention() == v1::ATTENTION_UNSPECIFIED) model->set_attention(v1::ATTENTION_EXPLICIT);
  if (model->pass_type() != v1::PASS_TYPE_TRAIN_STEP) {
    model->clear_optimizer();
  } else if (model->optimizer() == v1::OPTIMIZER_UNSPECIFIED) {
    model->set_optimizer(v1::OPTIMIZER_COURSE);
  }
  FillDefaults(model);
}

void FillPlanDefaults(v1::Plan* plan) {
  if (plan->timing() == v1::TIMING_UNSPECIFIED) plan->set_timing(v1::TIMING_SEPARATE);
  if (plan->execution() == v1::EXECUTION_UNSPECIFIED) plan->set_execution(v1::EXECUTION_EAGER);
  const bool is_limited = plan->has_max_steps();
  FillDefaults(plan);
  if (is_limited || !plan->has_max_steps()) return;
  plan->set_max_steps(std::max(plan->max_steps(), plan->measure_steps()));
}

// What depends on the kind of device.
void FillTelemetry(v1::DeviceKind kind, v1::Plan* plan) {
  if (plan->telemetry() != v1::TELEMETRY_UNSPECIFIED) return;
  plan->set_telemetry(kind == v1::DEVICE_KIND_CUDA ? v1::TELEMETRY_SAMPLED : v1::TELEMETRY_EDGES);
}

void FillOomDefaults(const v1::TransformerLm& model, v1::OomPolicy* oom) {
  if (!oom->has_retry()) oom->set_retry(true);
  const bool has_floor = oom->has_min_context_length();
  FillDefaults(oom);
  if (has_floor) return;
  oom->set_min_context_length(std::min(oom->min_context_length(), model.context_length()));
}

absl::Status CheckStopping(const v1::Plan& plan) {
  if (!plan.has_target_precision()) {
    if (!plan.has_max_steps() && !plan.has_max_measure_ns()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "max_steps or max_seconds is given without target_precision, which they limit; must be "
        "given with it");
  }
  const auto most = static_cast<uint32_t>(RangeOf<v1::Plan>(v1::Plan::kMaxStepsFieldNumber).max);
  return First({CheckBetween("measure_steps", plan.measure_steps(), kLeastStepsWithTarget, most),
                CheckBetween("max_steps", plan.max_steps(), plan.measure_steps(), most)});
}

absl::Status CheckGraph(const v1::TransformerLm& model, const v1::Plan& plan) {
  if (plan.execution() != v1::EXECUTION_CUDA_GRAPH) return absl::OkStatus();
  if (plan.timing() != v1::TIMING_COMBINED) {
    return absl::InvalidArgumentError(
        fmt::format("timing is {} with a CUDA graph, must be combined: a graph has no boundaries "
                    "of phases",
                    Word(plan.timing())));
  }
  if (model.optimizer() == v1::OPTIMIZER_COURSE) {
    return absl::InvalidArgumentError(
        "optimizer is course with a CUDA graph, must be fused: the course's counts its steps on "
        "the host");
  }
  return absl::OkStatus();
}

absl::Status CheckOom(const v1::TransformerLm& model, const v1::OomPolicy& oom) {
  return First(
      {CheckBetween("min_batch_size", oom.min_batch_size(), 1, model.batch_size()),
       CheckBetween("min_context_length", oom.min_context_length(), 1, model.context_length())});
}

// Of what others are shown, or is said in a refusal.
absl::Status CheckWords(const v1::JobSpec& spec) {
  const v1::TransformerLm& model = spec.workload().transformer_lm();
  return First({CheckText("device", spec.device()), CheckText("edition", model.edition()),
                CheckText("preset", model.preset()), CheckLabels(spec.labels())});
}

absl::Status CheckPriority(const v1::JobSpec& spec, const storage::Caller& caller) {
  if (spec.priority() <= 0 || caller.is_admin) return absl::OkStatus();
  return absl::PermissionDeniedError(
      fmt::format("priority is {}, above 0 only for admins; must be {:g} to 0", spec.priority(),
                  RangeOf<v1::JobSpec>(v1::JobSpec::kPriorityFieldNumber).min));
}

// A job that leaves it open gets the usual limit, or the most that it may have.
absl::Status LimitTime(const storage::Caller& caller, int64_t most_ns, v1::Plan* plan) {
  if (caller.is_admin) return absl::OkStatus();
  if (!plan->has_time_limit_ns()) {
    const double usual_ns = DefaultOf<v1::Plan>(v1::Plan::kTimeLimitNsFieldNumber);
    plan->set_time_limit_ns(std::min(static_cast<int64_t>(usual_ns), most_ns));
  }
  if (plan->time_limit_ns() <= most_ns) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("time_limit is {}, must be at most {} (max_time_limit)",
                  host::PrintTimeSpan(plan->time_limit_ns()), host::PrintTimeSpan(most_ns)));
}

std::string DeviceNames(const std::vector<host::HostDevice>& devices) {
  std::string names;
  for (const host::HostDevice& device : devices) names += (names.empty() ? "" : ", ") + device.name;
  return names;
}

bool HasKind(const std::vector<host::HostDevice>& devices, v1::DeviceKind kind) {
  return std::any_of(devices.begin(), devices.end(),
                     [kind](const host::HostDevice& device) { return device.kind == kind; });
}

// Where a job may run, and on what kind of device.
struct Place {
  std::string key;
  v1::DeviceKind kind = v1::DEVICE_KIND_CPU;
};

Place ClassPlace(v1::DeviceKind kind) { return {fmt::format("class:{}", Word(kind)), kind}; }

absl::StatusOr<Place> FindPlace(const std::string& asked,
                                const std::vector<host::HostDevice>& devices) {
  if (asked.empty() || asked == "any") {
    // By class even where there is one device: a CPU device gets another uuid when its cores
    // change.
    return ClassPlace(HasKind(devices, v1::DEVICE_KIND_CUDA) ? v1::DEVICE_KIND_CUDA
                                                             : v1::DEVICE_KIND_CPU);
  }
  if (const auto kind = ParseWord<v1::DeviceKind>(asked); kind && HasKind(devices, *kind)) {
    return ClassPlace(*kind);
  }
  for (const host::HostDevice& device : devices) {
    if (device.name == asked || device.uuid == asked) {
      return Place{"uuid:" + device.uuid, device.kind};
    }
  }
  if (asked == "cuda") {
    return absl::NotFoundError(fmt::format(
        "device `cuda`: no CUDA device was found; this daemon has: {}", DeviceNames(devices)));
  }
  return absl::NotFoundError(fmt::format("device `{}` is not there; this daemon has: {}",
                                         Named(asked), DeviceNames(devices)));
}

absl::Status CheckPlace(const v1::TransformerLm& model, const v1::Plan& plan, const Place& place) {
  if (place.kind == v1::DEVICE_KIND_CUDA) return absl::OkStatus();
  if (model.precision() == v1::PRECISION_TF32) {
    return absl::InvalidArgumentError(
        "precision is tf32, which CPU devices do not have; must be fp32, bf16, fp16 or "
        "bf16-weights");
  }
  if (plan.timing() == v1::TIMING_EVENTS) {
    return absl::InvalidArgumentError(
        "timing is events, which only CUDA devices have; must be separate or combined");
  }
  if (plan.execution() == v1::EXECUTION_CUDA_GRAPH) {
    return absl::InvalidArgumentError(
        "cuda_graph is given, which only CUDA devices have; must be left out");
  }
  if (plan.has_memory_fraction()) {
    return absl::InvalidArgumentError(
        fmt::format("memory_fraction is {:g}, must not be given on a CPU device: its limit is the "
                    "device's memory",
                    plan.memory_fraction()));
  }
  return absl::OkStatus();
}

// The purposes that a user may ask for.
absl::Status CheckPurpose(const v1::JobSpec& spec) {
  const bool calibrates = spec.workload().has_calibration();
  switch (spec.purpose()) {
    case v1::PURPOSE_CALIBRATE:
      if (calibrates) return absl::OkStatus();
      return absl::InvalidArgumentError("purpose is calibrate, must have the workload calibration");
    case v1::PURPOSE_MEASURE:
    case v1::PURPOSE_WARMUP:
    case v1::PURPOSE_FIT:
      if (!calibrates) return absl::OkStatus();
      return absl::InvalidArgumentError(fmt::format(
          "purpose is {}, must be calibrate for the workload calibration", Word(spec.purpose())));
    default:
      return absl::InvalidArgumentError(fmt::format(
          "purpose is {}, must be measure, warmup, fit or calibrate", Word(spec.purpose())));
  }
}

// One run after the other, each of another size: launches and traces have no meaning.
absl::Status CheckSingle(const v1::JobSpec& spec) {
  if (spec.purpose() != v1::PURPOSE_FIT && spec.purpose() != v1::PURPOSE_CALIBRATE) {
    return absl::OkStatus();
  }
  if (spec.plan().launches() != 1) {
    return absl::InvalidArgumentError(fmt::format("launches is {}, must be 1 for purpose {}",
                                                  spec.plan().launches(), Word(spec.purpose())));
  }
  if (!spec.plan().trace()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("trace is given, must be left out for purpose {}", Word(spec.purpose())));
}

absl::StatusOr<storage::NewJob> AdmitCalibration(storage::NewJob job, const Place& place) {
  FillPlanDefaults(job.spec.mutable_plan());
  FillTelemetry(place.kind, job.spec.mutable_plan());
  const absl::Status checks = First({CheckStopping(job.spec.plan()), CheckSingle(job.spec)});
  if (!checks.ok()) return checks;
  return job;
}

absl::StatusOr<storage::NewJob> AdmitTransformer(storage::NewJob job, const Place& place) {
  v1::TransformerLm* model = job.spec.mutable_workload()->mutable_transformer_lm();
  if (absl::Status shape = measure::ResolveShape(model); !shape.ok()) return shape;
  FillModelDefaults(model);
  v1::Plan* plan = job.spec.mutable_plan();
  FillPlanDefaults(plan);
  FillTelemetry(place.kind, plan);
  FillOomDefaults(*model, job.spec.mutable_oom());
  const absl::Status checks =
      First({CheckStopping(*plan), CheckGraph(*model, *plan), CheckSingle(job.spec),
             CheckOom(*model, job.spec.oom()), CheckPlace(*model, *plan, place)});
  if (!checks.ok()) return checks;
  job.parameters = measure::ParameterCount(*model);
  return job;
}

}  // namespace

absl::StatusOr<storage::NewJob> Admit(const v1::JobSpec& asked,
                                      const std::vector<host::HostDevice>& devices,
                                      const storage::Caller& caller, int64_t max_time_limit_ns) {
  storage::NewJob job;
  job.spec = asked;
  if (job.spec.workload().kind_case() == v1::Workload::KIND_NOT_SET) {
    return absl::InvalidArgumentError(
        "workload is not given, must be a transformer_lm or a calibration");
  }
  if (job.spec.purpose() == v1::PURPOSE_UNSPECIFIED) job.spec.set_purpose(v1::PURPOSE_MEASURE);
  if (job.spec.if_busy() == v1::IF_BUSY_UNSPECIFIED) job.spec.set_if_busy(v1::IF_BUSY_WAIT);
  const absl::Status checks = First({CheckPurpose(job.spec), CheckWords(job.spec),
                                     CheckOwnRanges(job.spec), CheckPriority(job.spec, caller)});
  if (!checks.ok()) return checks;
  absl::Status limited = LimitTime(caller, max_time_limit_ns, job.spec.mutable_plan());
  if (!limited.ok()) return limited;
  const auto place = FindPlace(asked.device(), devices);
  if (!place.ok()) return place.status();
  auto admitted = job.spec.workload().has_calibration() ? AdmitCalibration(std::move(job), *place)
                                                        : AdmitTransformer(std::move(job), *place);
  if (!admitted.ok()) return admitted.status();
  admitted->device_key = place->key;
  admitted->workload_canonical = measure::CanonicalWorkload(admitted->spec.workload());
  admitted->workload_hash = measure::WorkloadHash(admitted->spec.workload());
  return admitted;
}

absl::Status CheckJobCount(int jobs) {
  if (jobs >= 1 && jobs <= kMaxJobs) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("jobs has {} entries, must have 1 to {}", jobs, kMaxJobs));
}

absl::StatusOr<std::vector<storage::NewJob>> AdmitAll(
    const google::protobuf::RepeatedPtrField<v1::JobSpec>& asked,
    const std::vector<host::HostDevice>& devices, const storage::Caller& caller,
    int64_t max_time_limit_ns) {
  std::vector<storage::NewJob> jobs;
  jobs.reserve(static_cast<size_t>(asked.size()));
  for (const v1::JobSpec& spec : asked) {
    auto job = Admit(spec, devices, caller, max_time_limit_ns);
    if (!job.ok()) return job.status();
    jobs.push_back(*std::move(job));
  }
  return jobs;
}

std::optional<std::string> DeviceKeyOf(const std::string& asked,
                                       const std::vector<host::HostDevice>& devices) {
  auto place = FindPlace(asked, devices);
  if (!place.ok()) return std::nullopt;
  return std::move(place->key);
}

}  // namespace torchlap::rpc
