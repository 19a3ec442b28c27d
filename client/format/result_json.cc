// What `warmup`, `fit`, `calibrate` and `submit` come to, as objects.
#include <nlohmann/json.hpp>

#include "client/format/calibration.h"
#include "client/format/fit.h"
#include "client/format/json_objects.h"
#include "client/format/subject.h"
#include "client/format/submitted.h"
#include "client/format/warmup.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

// Each code fills some of the numbers. A step may be step 0.
Json FindingObject(const v1::WarmupFinding& finding, uint32_t longest) {
  Json object = MessageObject(finding);
  for (const char* name : {"value", "threshold", "count", "of"}) {
    if (object[name] == 0) object[name] = nullptr;
  }
  const bool has_steps = finding.code() == v1::WarmupFinding::CODE_SETTLES ||
                         finding.code() == v1::WarmupFinding::CODE_ENOUGH_WARMUP;
  if (!has_steps) object["steps"] = nullptr;
  object["text"] = TextOrNull(WarmupSentence(finding, longest));
  return object;
}

Json ObjectOf(const v1::CompareWarmupsResponse& comparison) {
  Json object = Json::object();
  object["runs"] = Json::array();
  for (const v1::Run& run : comparison.runs()) object["runs"].push_back(RunObject(run));
  object["findings"] = Json::array();
  for (const v1::WarmupFinding& finding : comparison.findings()) {
    object["findings"].push_back(FindingObject(finding, LongestWarmup(comparison)));
  }
  return object;
}

Json ObjectOf(const v1::Job& job) {
  const FitResult result = ResultOf(job);
  Json object = Json::object();
  object["job_id"] = job.job_id();
  object["sweep_id"] = job.sweep_id();
  object["state"] = std::string(Word(job.state()));
  object["reason"] = TextOrNull(job.reason());
  object["axis"] = std::string(Word(result.axis));
  object["largest"] = nullptr;
  object["run_id"] = nullptr;
  object["batch_size"] = nullptr;
  object["context_length"] = nullptr;
  object["peak_allocated_bytes"] = nullptr;
  object["device_total_bytes"] = nullptr;
  if (result.largest) {
    const v1::Run& run = *result.largest;
    const Subject subject = SubjectOf(run);
    const bool is_context = result.axis == v1::FIT_AXIS_CONTEXT;
    object["largest"] = is_context ? subject.context_length : subject.batch_size;
    object["run_id"] = run.run_id();
    object["batch_size"] = subject.batch_size;
    object["context_length"] = subject.context_length;
    for (const char* name : {"peak_allocated_bytes", "device_total_bytes"}) {
      object[name] = MessageObject(run.memory())[name];
    }
  }
  object["too_large"] = result.too_large ? Json(*result.too_large) : Json(nullptr);
  object["runs"] = Json::array();
  for (const v1::Run& run : job.runs()) object["runs"].push_back(RunObject(run));
  return object;
}

Json ObjectOf(const v1::Run& run) {
  Json object = Json::object();
  object["run_id"] = run.run_id();
  object["device"] = TextOrNull(run.device());
  object["device_uuid"] = TextOrNull(run.device_uuid());
  object["device_model"] = TextOrNull(run.device_model());
  object["started_at"] = Rfc3339(run.started_at_ns());
  object.update(CalibrationObject(run.calibration()));
  object["validity"] = TextOrNull(std::string(Word(run.validity())));
  return object;
}

Json ObjectOf(const v1::SubmitJobsResponse& response) {
  Json object = Json::object();
  object["sweep_id"] = response.sweep_id();
  object["job_ids"] = Json::array();
  for (const uint64_t id : response.job_ids()) object["job_ids"].push_back(id);
  return object;
}

}  // namespace

MakeObject WarmupsObject(const v1::CompareWarmupsResponse& comparison) {
  return [comparison] { return ObjectOf(comparison); };
}

MakeObject FitObject(const v1::Job& job) {
  return [job] { return ObjectOf(job); };
}

MakeObject CalibratedObject(const v1::Run& run) {
  return [run] { return ObjectOf(run); };
}

MakeObject SubmittedObject(const v1::SubmitJobsResponse& response) {
  return [response] { return ObjectOf(response); };
}

}  // namespace torchlap::client::format
