// A job and a run in detail, as objects.
#include <nlohmann/json.hpp>

#include "client/format/advice.h"
#include "client/format/evidence.h"
#include "client/format/json_objects.h"
#include "client/format/show.h"
#include "client/format/subject.h"
#include "client/format/words.h"
#include "proto/samples.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

// Without what is not known of it.
Json WithoutZeros(Json object) {
  for (auto& item : object.items()) {
    if (item.value().is_number_integer() && item.value() == 0) item.value() = nullptr;
  }
  return object;
}

Json EvidenceObject(const v1::Evidence& evidence) {
  Json object = MessageObject(evidence);
  if (evidence.pid() == 0) object["pid"] = nullptr;
  object["finding"] = EvidenceWords(evidence);
  return object;
}

Json AdviceObject(const v1::Run& run, const v1::Advice& advice) {
  Json object = WithoutZeros(MessageObject(advice));
  if (advice.ratio() == 0) object["ratio"] = nullptr;
  const AdviceWords words = WordAdvice(run, advice);
  object["finding"] = TextOrNull(words.finding);
  object["command"] = TextOrNull(words.command);
  return object;
}

Json AssessmentObject(const v1::Run& run) {
  if (!run.has_assessment()) return nullptr;
  Json object = Json::object();
  object["evidence"] = Json::array();
  for (const v1::Evidence& evidence : run.assessment().evidence()) {
    object["evidence"].push_back(EvidenceObject(evidence));
  }
  object["advice"] = Json::array();
  for (const v1::Advice& advice : run.assessment().advice()) {
    object["advice"].push_back(AdviceObject(run, advice));
  }
  object["memory"] =
      run.assessment().has_memory() ? MessageObject(run.assessment().memory()) : Json(nullptr);
  return object;
}

void AppendSamples(const v1::SampleBlock& block, Json* samples) {
  for (int i = 0; i < block.step_ns_size(); ++i) {
    const uint32_t step = block.first_step() + static_cast<uint32_t>(i);
    Json sample = Json::object();
    sample["step"] = step;
    sample["warmup"] = step < block.warmup_steps();
    ForEachColumn(block, [&](const std::string& column, const SampleTimes& times) {
      if (i < times.size()) sample[column] = times[i];
    });
    samples->push_back(std::move(sample));
  }
}

Json NumberOrNull(uint32_t number) {
  if (number == 0) return nullptr;
  return number;
}

void AddGpuSettings(const v1::Environment& environment, Json* object) {
  (*object)["gpu_power_limit_watts"] = environment.gpu_power_limit_mw() == 0
                                           ? Json(nullptr)
                                           : Json(environment.gpu_power_limit_mw() / 1000.0);
  (*object)["gpu_locked_clocks"] = TextOrNull(environment.gpu_locked_clocks());
  (*object)["gpu_ecc"] = TextOrNull(environment.gpu_ecc());
  (*object)["gpu_persistence"] = TextOrNull(environment.gpu_persistence());
  (*object)["gpu_compute_mode"] = TextOrNull(environment.gpu_compute_mode());
  (*object)["gpu_application_mhz"] = NumberOrNull(environment.gpu_application_mhz());
  (*object)["gpu_application_memory_mhz"] = NumberOrNull(environment.gpu_application_memory_mhz());
  (*object)["mig_profile"] = TextOrNull(environment.mig_profile());
  (*object)["pcie_generation"] = NumberOrNull(environment.pcie_generation());
  (*object)["pcie_width"] = NumberOrNull(environment.pcie_width());
}

Json EnvironmentObject(const v1::Environment& environment) {
  Json object = Json::object();
  object["environment_hash"] = TextOrNull(environment.environment_hash());
  object["torchlap_version"] = TextOrNull(environment.torchlap_version());
  object["torch_version"] = TextOrNull(environment.torch_version());
  object["cuda_version"] = TextOrNull(environment.cuda_version());
  object["driver_version"] = TextOrNull(environment.driver_version());
  object["gpu_model"] = TextOrNull(environment.gpu_model());
  object["kernel"] = TextOrNull(environment.kernel());
  object["cpu_model"] = TextOrNull(environment.cpu_model());
  object["os"] = TextOrNull(environment.os());
  object["cores"] = TextOrNull(environment.cores());
  object["threads"] = NumberOrNull(environment.threads());
  object["cpu_capability"] = TextOrNull(environment.cpu_capability());
  object["clocks_policy"] = TextOrNull(environment.clocks_policy());
  object["variables"] = PairsObject(environment.variables());
  AddGpuSettings(environment, &object);
  return object;
}

Json ReadingsObject(const v1::Readings& readings) {
  Json object = WithoutZeros(MessageObject(readings));
  object["device"] = Json::array();
  for (const v1::DeviceReading& reading : readings.device()) {
    object["device"].push_back(MessageObject(reading));
  }
  return object;
}

Json ObjectOf(const v1::Job& job) {
  const Subject subject = SubjectOf(job.spec().workload());
  Json object = Json::object();
  object["job_id"] = job.job_id();
  object["sweep_id"] = job.sweep_id();
  object["sweep_name"] = TextOrNull(job.sweep_name());
  object["user"] = TextOrNull(job.user());
  object["state"] = std::string(Word(job.state()));
  object["reason"] = TextOrNull(job.reason());
  object["waiting"] = TextOrNull(WaitWords(job.wait()));
  object["not_stored"] = TextOrNull(job.not_stored());
  object["requested_device"] = TextOrNull(job.spec().device());
  object["device"] = TextOrNull(job.device());
  object["priority"] = job.spec().priority();
  object["edition"] = TextOrNull(subject.edition);
  object["model_size"] = TextOrNull(subject.preset);
  object["parameters"] = job.parameters();
  object["pass_type"] = TextOrNull(subject.pass);
  object["timing"] = TextOrNull(std::string(Word(job.spec().plan().timing())));
  object["precision"] = TextOrNull(subject.precision);
  object["attention"] = TextOrNull(subject.attention);
  object["optimizer"] = TextOrNull(subject.optimizer);
  object["requested_batch_size"] = subject.batch_size;
  object["requested_context_length"] = subject.context_length;
  object["warmup_steps"] = job.spec().plan().warmup_steps();
  object["measure_steps"] = job.spec().plan().measure_steps();
  object["launches"] = job.spec().plan().launches();
  object["launches_done"] = job.launches_done();
  object["interruptions"] = job.interruptions();
  object["purpose"] = TextOrNull(std::string(Word(job.spec().purpose())));
  object["submitted_at"] = TimeOrNull(job.submitted_at_ns());
  object["started_at"] = TimeOrNull(job.started_at_ns());
  object["finished_at"] = TimeOrNull(job.finished_at_ns());
  object["labels"] = PairsObject(job.spec().labels());
  object["runs"] = Json::array();
  for (const v1::Run& run : job.runs()) object["runs"].push_back(RunObject(run));
  return object;
}

Json ObjectOf(const RunDetails& run) {
  Json object = RunObject(run.detail.run());
  object["environment"] =
      run.detail.has_environment() ? EnvironmentObject(run.detail.environment()) : Json(nullptr);
  object["readings"] = ReadingsObject(run.detail.readings());
  object["assessment"] = AssessmentObject(run.detail.run());
  if (run.detail.run().has_calibration()) {
    object["calibration"] = CalibrationObject(run.detail.run().calibration());
  }
  object["samples"] = Json::array();
  for (const v1::SampleBlock& block : run.samples) AppendSamples(block, &object["samples"]);
  return object;
}

}  // namespace

MakeObject JobObject(const v1::Job& job) {
  return [job] { return ObjectOf(job); };
}

MakeObject SweepObject(const std::vector<v1::Job>& jobs) {
  return [jobs] {
    Json object = Json::object();
    object["sweep_id"] = jobs.front().sweep_id();
    object["sweep_name"] = TextOrNull(jobs.front().sweep_name());
    object["user"] = TextOrNull(jobs.front().user());
    object["jobs"] = Json::array();
    for (const v1::Job& job : jobs) object["jobs"].push_back(ObjectOf(job));
    return object;
  };
}

MakeObject RunDetailsObject(const RunDetails& run) {
  return [run] { return ObjectOf(run); };
}

}  // namespace torchlap::client::format
