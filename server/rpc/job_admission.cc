#include "server/rpc/job_admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "proto/words.h"
#include "server/measure/identity.h"
#include "server/measure/presets.h"

namespace torchlap::rpc {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kDefaultTimeLimitNs = 15 * 60 * 1000 * kNsPerMs;
constexpr int64_t kMaxTimeLimitNs = int64_t{7} * 24 * 3600 * 1000 * kNsPerMs;
constexpr uint32_t kDefaultMaxSteps = 1000;
constexpr int64_t kDefaultMaxMeasureNs = 5 * 60 * 1000 * kNsPerMs;
// An interval of fewer steps says little (server/measure/README.md).
constexpr uint32_t kLeastStepsWithTarget = 10;
constexpr uint32_t kMaxBatch = 65536;
constexpr uint32_t kMaxContext = 1048576;
constexpr uint32_t kDefaultMinContext = 128;
constexpr int kMaxLabels = 20;
constexpr size_t kMaxLabelChars = 100;

absl::Status OutOfRange(const char* field, int64_t value, int64_t low, int64_t high) {
  return absl::InvalidArgumentError(
      fmt::format("{} is {}, must be {} to {}", field, value, low, high));
}

absl::Status CheckRange(const char* field, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return OutOfRange(field, value, low, high);
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
  if (!model->has_batch_size()) model->set_batch_size(4);
  if (!model->has_context_length()) model->set_context_length(256);
}

void FillPlanDefaults(v1::Plan* plan) {
  if (!plan->has_warmup_steps()) plan->set_warmup_steps(5);
  if (!plan->has_measure_steps()) plan->set_measure_steps(10);
  if (plan->timing() == v1::TIMING_UNSPECIFIED) plan->set_timing(v1::TIMING_SEPARATE);
  if (!plan->has_launches()) plan->set_launches(1);
  if (!plan->has_time_limit_ns()) plan->set_time_limit_ns(kDefaultTimeLimitNs);
  if (plan->execution() == v1::EXECUTION_UNSPECIFIED) plan->set_execution(v1::EXECUTION_EAGER);
  if (!plan->has_target_precision()) return;
  if (!plan->has_max_steps())
    plan->set_max_steps(std::max(kDefaultMaxSteps, plan->measure_steps()));
  if (!plan->has_max_measure_ns()) plan->set_max_measure_ns(kDefaultMaxMeasureNs);
}

// What depends on the kind of device.
void FillTelemetry(v1::DeviceKind kind, v1::Plan* plan) {
  if (plan->telemetry() != v1::TELEMETRY_UNSPECIFIED) return;
  plan->set_telemetry(kind == v1::DEVICE_KIND_CUDA ? v1::TELEMETRY_SAMPLED : v1::TELEMETRY_EDGES);
}

void FillOomDefaults(const v1::TransformerLm& model, v1::OomPolicy* oom) {
  if (!oom->has_retry()) oom->set_retry(true);
  if (!oom->has_min_batch_size()) oom->set_min_batch_size(1);
  if (!oom->has_min_context_length()) {
    oom->set_min_context_length(std::min(kDefaultMinContext, model.context_length()));
  }
}

absl::Status CheckModel(const v1::TransformerLm& model) {
  return First({CheckRange("batch_size", model.batch_size(), 1, kMaxBatch),
                CheckRange("context_length", model.context_length(), 1, kMaxContext)});
}

absl::Status CheckSeconds(const char* field, int64_t ns) {
  if (ns >= kNsPerMs && ns <= kMaxTimeLimitNs) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} is {:g} s, must be 0.001 s to 7 days", field, static_cast<double>(ns) / 1e9));
}

absl::Status CheckShare(const char* field, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} is {:g}, must be {:g} to {:g}", field, value, low, high));
}

absl::Status CheckStopping(const v1::Plan& plan) {
  if (!plan.has_target_precision()) {
    if (!plan.has_max_steps() && !plan.has_max_measure_ns()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "max_steps or max_seconds is given without target_precision, which they limit; must be "
        "given with it");
  }
  return First({CheckShare("target_precision", plan.target_precision(), 0.0001, 0.5),
                CheckRange("measure_steps", plan.measure_steps(), kLeastStepsWithTarget, 1000000),
                CheckRange("max_steps", plan.max_steps(), plan.measure_steps(), 1000000),
                CheckSeconds("max_seconds", plan.max_measure_ns())});
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

absl::Status CheckPlan(const v1::Plan& plan) {
  return First({CheckRange("warmup_steps", plan.warmup_steps(), 0, 100000),
                CheckRange("measure_steps", plan.measure_steps(), 1, 1000000),
                CheckRange("launches", plan.launches(), 1, 1000),
                CheckRange("retry_contaminated", plan.retry_contaminated(), 0, 10),
                CheckSeconds("time_limit", plan.time_limit_ns()), CheckStopping(plan),
                plan.has_memory_fraction()
                    ? CheckShare("memory_fraction", plan.memory_fraction(), 1e-4, 1)
                    : absl::OkStatus()});
}

absl::Status CheckOom(const v1::TransformerLm& model, const v1::OomPolicy& oom) {
  return First(
      {CheckRange("min_batch_size", oom.min_batch_size(), 1, model.batch_size()),
       CheckRange("min_context_length", oom.min_context_length(), 1, model.context_length())});
}

bool IsLabelText(const std::string& text) {
  return !text.empty() && text.size() <= kMaxLabelChars &&
         std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20; });
}

absl::Status CheckLabels(const v1::JobSpec& spec) {
  if (spec.labels_size() > kMaxLabels) {
    return absl::InvalidArgumentError(
        fmt::format("there are {} labels, must be at most {}", spec.labels_size(), kMaxLabels));
  }
  for (const auto& [key, value] : spec.labels()) {
    if (IsLabelText(key) && IsLabelText(value)) continue;
    return absl::InvalidArgumentError(
        fmt::format("label `{}={}`: key and value must have 1 to {} printable characters", key,
                    value, kMaxLabelChars));
  }
  return absl::OkStatus();
}

absl::Status CheckPriority(const v1::JobSpec& spec, const storage::Caller& caller) {
  if (absl::Status range = CheckRange("priority", spec.priority(), -100, 100); !range.ok()) {
    return range;
  }
  if (spec.priority() <= 0 || caller.is_admin) return absl::OkStatus();
  return absl::PermissionDeniedError(
      fmt::format("priority is {}, above 0 only for admins; must be -100 to 0", spec.priority()));
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
  return absl::NotFoundError(
      fmt::format("device `{}` is not there; this daemon has: {}", asked, DeviceNames(devices)));
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
  const uint32_t size = job.spec.workload().calibration().matrix_size();
  const absl::Status checks =
      First({CheckPlan(job.spec.plan()), CheckSingle(job.spec),
             size == 0 ? absl::OkStatus() : CheckRange("matrix_size", size, 64, 32768)});
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
      First({CheckModel(*model), CheckPlan(*plan), CheckGraph(*model, *plan), CheckSingle(job.spec),
             CheckOom(*model, job.spec.oom()), CheckPlace(*model, *plan, place)});
  if (!checks.ok()) return checks;
  job.parameters = measure::ParameterCount(*model);
  return job;
}

}  // namespace

absl::StatusOr<storage::NewJob> Admit(const v1::JobSpec& asked,
                                      const std::vector<host::HostDevice>& devices,
                                      const storage::Caller& caller) {
  storage::NewJob job;
  job.spec = asked;
  if (job.spec.workload().kind_case() == v1::Workload::KIND_NOT_SET) {
    return absl::InvalidArgumentError(
        "workload is not given, must be a transformer_lm or a calibration");
  }
  if (job.spec.purpose() == v1::PURPOSE_UNSPECIFIED) job.spec.set_purpose(v1::PURPOSE_MEASURE);
  const absl::Status checks =
      First({CheckPurpose(job.spec), CheckLabels(job.spec), CheckPriority(job.spec, caller)});
  if (!checks.ok()) return checks;
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

}  // namespace torchlap::rpc
