#include "server/rpc/job_forecast.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "server/measure/identity.h"
#include "server/measure/statistics.h"
#include "server/measure/workload_kind.h"
#include "server/run/busy_wait.h"

namespace torchlap::rpc {
namespace {

using Launches = std::vector<storage::PastLaunch>;

// Newer ones say more of what a run takes now.
constexpr size_t kMostTimed = 50;

v1::Workload WorkloadOf(const v1::TransformerLm& model) {
  v1::Workload workload;
  *workload.mutable_transformer_lm() = model;
  return workload;
}

// What sizes of one computation have in common.
std::string FamilyOf(v1::TransformerLm model) {
  model.set_batch_size(1);
  model.set_context_length(1);
  return measure::CanonicalWorkload(WorkloadOf(model));
}

double MemoryFraction(const v1::Plan& plan) {
  return plan.has_memory_fraction() ? plan.memory_fraction() : 1;
}

std::string SeriesKeyOn(const host::HostDevice& device, const v1::JobSpec& spec) {
  v1::Run run;
  *run.mutable_workload() = spec.workload();
  *run.mutable_plan() = spec.plan();
  run.set_threads(device.threads);
  run.set_device_model(device.model);
  return measure::SeriesKey(run);
}

// What the job may use of it; nothing: no limit is known.
std::optional<uint64_t> BytesOf(const DevicePast& past, const v1::Plan& plan) {
  if (past.room_bytes == 0) return std::nullopt;
  if (MemoryFraction(plan) >= 1) return past.room_bytes;
  const double allowed = static_cast<double>(past.device->memory_bytes) * MemoryFraction(plan);
  return std::min(static_cast<uint64_t>(allowed), past.room_bytes);
}

// Of the device, the largest.
const storage::PastLaunch* LargestOf(const Launches& launches, const std::string& device_uuid) {
  const storage::PastLaunch* largest = nullptr;
  for (const storage::PastLaunch& launch : launches) {
    if (launch.device_uuid != device_uuid || launch.peak_bytes == 0) continue;
    if (largest == nullptr || launch.peak_bytes > largest->peak_bytes) largest = &launch;
  }
  return largest;
}

int64_t NewestStart(const Launches& launches, const std::string& device_uuid) {
  const auto found = std::find_if(
      launches.begin(), launches.end(),
      [&](const storage::PastLaunch& launch) { return launch.device_uuid == device_uuid; });
  return found == launches.end() ? std::numeric_limits<int64_t>::min() : found->started_at_ns;
}

// A run that had as much memory as the job would, at its size or a smaller one.
const storage::PastShortage* ShortageOf(const DevicePast& past, const v1::JobSpec& spec,
                                        int64_t since_ns) {
  if (!spec.workload().has_transformer_lm()) return nullptr;
  const v1::TransformerLm& model = spec.workload().transformer_lm();
  const auto family = past.shortages.find(FamilyOf(model));
  if (family == past.shortages.end()) return nullptr;
  for (const storage::PastShortage& shortage : family->second) {
    if (shortage.started_at_ns < since_ns) break;
    if (shortage.model.batch_size() <= model.batch_size() &&
        shortage.model.context_length() <= model.context_length() &&
        shortage.memory_fraction >= MemoryFraction(spec.plan()) &&
        (shortage.total_bytes == 0 || shortage.total_bytes >= past.device->memory_bytes)) {
      return &shortage;
    }
  }
  return nullptr;
}

// Of a size that ran and that ran out the newer is believed.
void AddMemory(const DevicePast& past, const Launches& launches, v1::JobForecast* forecast) {
  const v1::JobSpec& spec = forecast->spec();
  const auto device_bytes = BytesOf(past, spec.plan());
  if (device_bytes) forecast->set_device_bytes(*device_bytes);
  if (const auto* largest = LargestOf(launches, past.device->uuid)) {
    forecast->set_peak_bytes(largest->peak_bytes);
    forecast->set_memory_run_id(largest->run_id);
  }
  const int64_t ran_at_ns = NewestStart(launches, past.device->uuid);
  if (const auto* shortage = ShortageOf(past, spec, ran_at_ns)) {
    forecast->set_fit(v1::FIT_RAN_OUT);
    forecast->set_memory_run_id(shortage->run_id);
    return;
  }
  if (!device_bytes) return;
  if (forecast->needed_bytes() > *device_bytes) {
    forecast->set_fit(v1::FIT_TOO_LARGE);
  } else if (forecast->has_peak_bytes() && forecast->peak_bytes() <= *device_bytes) {
    forecast->set_fit(v1::FIT_RAN);
  } else if (!forecast->has_peak_bytes() && forecast->needed_bytes() > 0) {
    forecast->set_fit(v1::FIT_BY_ARITHMETIC);
  }
}

bool IsTimed(const storage::PastLaunch& launch) {
  return launch.purpose != v1::PURPOSE_FIT && launch.duration_ns && launch.step_mean_ns > 0 &&
         launch.warmup_steps + launch.measure_steps > 0;
}

template <typename IsOne>
Launches TimedOf(const Launches& launches, const IsOne& is_one) {
  Launches timed;
  for (const storage::PastLaunch& launch : launches) {
    if (timed.size() == kMostTimed) break;
    if (IsTimed(launch) && is_one(launch)) timed.push_back(launch);
  }
  return timed;
}

bool EndsByItself(const v1::Plan& plan) {
  return plan.has_target_precision() || plan.warmup_until_settled();
}

// Those of the job's series; else, of the same workload on the device, with other warm-up: where
// the steps are planned, as what ended by itself did so under the rule of its series.
Launches TimedOfIt(const DevicePast& past, const v1::JobSpec& spec, const Launches& launches) {
  const std::string series = SeriesKeyOn(*past.device, spec);
  Launches of_series = TimedOf(
      launches, [&](const storage::PastLaunch& launch) { return launch.series_key == series; });
  if (!of_series.empty() || EndsByItself(spec.plan())) return of_series;
  return TimedOf(launches, [&](const storage::PastLaunch& launch) {
    return launch.device_uuid == past.device->uuid;
  });
}

double StepsDone(const storage::PastLaunch& launch) {
  return static_cast<double>(launch.warmup_steps) + launch.measure_steps;
}

double PlannedSteps(const v1::Plan& plan) {
  return static_cast<double>(plan.warmup_steps()) + plan.measure_steps();
}

// Where the worker decides how many it does: as many as it did under the same rule, if it has run.
std::optional<double> StepsOf(const v1::Plan& plan, const Launches& of_it) {
  if (!EndsByItself(plan)) return PlannedSteps(plan);
  std::vector<double> done;
  for (const storage::PastLaunch& launch : of_it) {
    const bool is_same = launch.target_precision.has_value() == plan.has_target_precision() &&
                         launch.target_precision.value_or(0) == plan.target_precision();
    if (is_same) done.push_back(StepsDone(launch));
  }
  return measure::Median(std::move(done));
}

std::vector<measure::TimedRun> TimedRuns(const Launches& launches) {
  std::vector<measure::TimedRun> runs;
  for (const storage::PastLaunch& launch : launches) {
    measure::TimedRun run;
    run.steps = StepsDone(launch);
    run.step_mean_ns = launch.step_mean_ns;
    run.duration_ns = static_cast<double>(*launch.duration_ns);
    runs.push_back(run);
  }
  return runs;
}

// A fit and a calibration are runs of sizes that nobody knows before.
bool HasKnownSteps(const v1::JobSpec& spec) {
  return spec.workload().has_transformer_lm() && spec.purpose() != v1::PURPOSE_FIT;
}

void SetTime(const measure::TimeEstimate& estimate, v1::TimeBasis basis,
             v1::JobForecast* forecast) {
  const v1::Plan& plan = forecast->spec().plan();
  const double launch_ns = std::min(estimate.launch_ns, static_cast<double>(plan.time_limit_ns()));
  const double launches = static_cast<double>(plan.launches()) + (plan.trace() ? 1 : 0);
  forecast->set_duration_ns(static_cast<int64_t>(launch_ns * launches));
  forecast->set_time_basis(basis);
  forecast->set_time_runs(estimate.runs);
}

void AddTime(const DevicePast& past, const Launches& launches, v1::JobForecast* forecast) {
  const v1::JobSpec& spec = forecast->spec();
  if (!HasKnownSteps(spec)) return;
  const Launches of_it = TimedOfIt(past, spec, launches);
  if (const auto steps = StepsOf(spec.plan(), of_it)) {
    const auto known = measure::TimeBySeries(TimedRuns(of_it), *steps);
    if (known) return SetTime(*known, v1::TIME_BASIS_SERIES, forecast);
  }
  const measure::WorkloadKind& kind = measure::KindOf(spec.workload());
  const auto scaled =
      measure::TimeByFlops(past.times, kind.Precision(spec.workload()),
                           kind.StepFlops(spec.workload()), PlannedSteps(spec.plan()));
  if (scaled) SetTime(*scaled, v1::TIME_BASIS_SCALED, forecast);
}

bool IsAsPrecise(const storage::PastLaunch& launch, const v1::Plan& plan) {
  if (!plan.has_target_precision()) return true;
  return launch.target_precision && *launch.target_precision <= plan.target_precision();
}

// But for its environment.
bool Answers(const storage::PastLaunch& launch, const v1::Plan& plan, int64_t since_ns) {
  return launch.purpose == v1::PURPOSE_MEASURE && launch.validity == v1::VALIDITY_CLEAN &&
         launch.started_at_ns >= since_ns && launch.measure_steps >= plan.measure_steps() &&
         IsAsPrecise(launch, plan);
}

struct Reuse {
  std::vector<std::string> run_ids;
  v1::NoReuse no_reuse = v1::NO_REUSE_UNSPECIFIED;
  std::string other_environment_hash;
};

Reuse ReuseOn(const DevicePast& past, const v1::JobSpec& spec, const Launches& launches,
              int64_t since_ns) {
  Reuse reuse;
  const std::string series = SeriesKeyOn(*past.device, spec);
  const std::string in_force = past.environment ? past.environment->environment_hash() : "";
  bool has_other = false;
  for (const storage::PastLaunch& launch : launches) {
    if (reuse.run_ids.size() == spec.plan().launches()) break;
    if (launch.series_key != series || launch.device_uuid != past.device->uuid ||
        !Answers(launch, spec.plan(), since_ns)) {
      continue;
    }
    if (!in_force.empty() && launch.environment_hash == in_force) {
      reuse.run_ids.push_back(launch.run_id);
    } else if (!has_other) {
      has_other = true;
      reuse.other_environment_hash = launch.environment_hash;
    }
  }
  if (reuse.run_ids.size() == spec.plan().launches()) return reuse;
  reuse.no_reuse = !reuse.run_ids.empty() ? v1::NO_REUSE_LAUNCHES
                   : has_other            ? v1::NO_REUSE_ENVIRONMENT
                                          : v1::NO_REUSE_NONE;
  reuse.run_ids.clear();
  return reuse;
}

// The first device whose runs answer it, with them; else the first, with why not.
size_t ChooseDevice(const std::vector<const DevicePast*>& devices, const v1::JobSpec& spec,
                    const Launches& launches, int64_t since_ns, Reuse* reuse) {
  for (size_t i = 0; i < devices.size(); ++i) {
    Reuse there = ReuseOn(*devices[i], spec, launches, since_ns);
    const bool answers = there.no_reuse == v1::NO_REUSE_UNSPECIFIED;
    if (i == 0 || answers) *reuse = std::move(there);
    if (answers) return i;
  }
  return 0;
}

bool MayBeReused(const v1::JobSpec& spec) {
  return spec.purpose() == v1::PURPOSE_MEASURE && !spec.plan().trace();
}

void AddReuse(Reuse reuse, const DevicePast& past, ForecastJob* job) {
  v1::JobForecast& forecast = job->forecast;
  forecast.set_no_reuse(reuse.no_reuse);
  for (std::string& run_id : reuse.run_ids) {
    forecast.add_reusable_run_ids(std::move(run_id));
  }
  if (reuse.no_reuse == v1::NO_REUSE_ENVIRONMENT && past.environment) {
    job->other_environment_hash = std::move(reuse.other_environment_hash);
    job->in_force = &*past.environment;
  }
}

}  // namespace

DevicePast MakeDevicePast(const host::HostDevice& device, std::optional<uint64_t> foreign_bytes,
                          std::optional<v1::Environment> environment,
                          const std::vector<storage::PastTime>& times,
                          std::vector<storage::PastShortage> shortages) {
  DevicePast past;
  past.device = &device;
  past.room_bytes = run::RoomBytes(device.memory_bytes, foreign_bytes);
  past.environment = std::move(environment);
  for (const storage::PastTime& time : times) {
    const v1::Workload workload = WorkloadOf(time.model);
    past.times.push_back({time.model.precision(), measure::KindOf(workload).StepFlops(workload),
                          static_cast<double>(time.steps), time.step_mean_ns,
                          static_cast<double>(time.duration_ns)});
  }
  for (storage::PastShortage& shortage : shortages) {
    const std::string family = FamilyOf(shortage.model);
    past.shortages[family].push_back(std::move(shortage));
  }
  return past;
}

ForecastJob Forecast(const storage::NewJob& job, const std::vector<const DevicePast*>& devices,
                     const Launches& launches, int64_t reuse_since_ns) {
  ForecastJob made;
  v1::JobForecast& forecast = made.forecast;
  *forecast.mutable_spec() = job.spec;
  forecast.set_parameters(job.parameters);
  forecast.set_needed_bytes(measure::LeastHeldBytes(job.spec.workload()));
  const bool asks = reuse_since_ns > 0;
  const bool may_be_reused = MayBeReused(job.spec);
  // Until a device's runs say otherwise.
  if (asks) forecast.set_no_reuse(may_be_reused ? v1::NO_REUSE_NONE : v1::NO_REUSE_PURPOSE);
  if (devices.empty()) return made;
  size_t chosen = 0;
  if (asks && may_be_reused) {
    Reuse reuse;
    chosen = ChooseDevice(devices, job.spec, launches, reuse_since_ns, &reuse);
    AddReuse(std::move(reuse), *devices[chosen], &made);
  }
  const DevicePast& past = *devices[chosen];
  if (devices.size() == 1 || forecast.reusable_run_ids_size() > 0) {
    forecast.set_device(past.device->name);
  }
  AddMemory(past, launches, &forecast);
  AddTime(past, launches, &forecast);
  return made;
}

}  // namespace torchlap::rpc
