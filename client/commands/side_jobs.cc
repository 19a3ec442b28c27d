#include "client/commands/side_jobs.h"

#include <algorithm>

#include "client/format/subject.h"
#include "client/parse_words.h"
#include "proto/words.h"

namespace torchlap::client {
namespace {

v1::Execution ExecutionOf(const v1::Plan& plan) {
  const bool is_unset = plan.execution() == v1::EXECUTION_UNSPECIFIED;
  return is_unset ? v1::EXECUTION_EAGER : plan.execution();
}

template <typename Enum>
bool SetWord(const std::string& word, void (*set)(Enum, v1::Workload*), v1::Workload* workload) {
  const auto value = ParseWord<Enum>(word);
  if (value) set(*value, workload);
  return value.has_value();
}

bool SetSize(const std::string& text, bool is_context, v1::Workload* workload) {
  const auto size = ReadNumber<uint32_t>(text);
  if (!size) return false;
  const format::Subject subject = format::SubjectOf(*workload);
  format::SetSizes(is_context ? subject.batch_size : *size,
                   is_context ? *size : subject.context_length, workload);
  return true;
}

}  // namespace

v1::JobSpec Again(const v1::Job& job) {
  v1::JobSpec spec = job.spec();
  if (!job.device().empty()) spec.set_device(job.device());
  spec.set_purpose(v1::PURPOSE_MEASURE);
  spec.set_priority(std::min(spec.priority(), 0));
  spec.mutable_plan()->clear_trace();
  return spec;
}

void TakePlan(const v1::JobSpec& a, const std::string& by, v1::JobSpec* b) {
  const v1::Plan own = b->plan();
  v1::Plan& plan = *b->mutable_plan();
  plan = a.plan();
  plan.set_execution(own.execution());
  plan.clear_memory_fraction();
  if (own.has_memory_fraction()) plan.set_memory_fraction(own.memory_fraction());
  if (by == "timing") plan.set_timing(own.timing());
}

SideSetting SideSettingOf(const v1::JobSpec& spec) {
  SideSetting setting{spec.device(), ExecutionOf(spec.plan()), std::nullopt};
  if (spec.plan().has_memory_fraction()) setting.memory_fraction = spec.plan().memory_fraction();
  return setting;
}

void TakeSideSetting(const SideSetting& setting, v1::JobSpec* spec) {
  spec->set_device(setting.device);
  v1::Plan& plan = *spec->mutable_plan();
  plan.set_execution(setting.execution);
  plan.clear_memory_fraction();
  if (setting.memory_fraction) plan.set_memory_fraction(*setting.memory_fraction);
}

bool SetAxisValue(const std::string& by, const std::string& value, v1::JobSpec* spec) {
  v1::Workload* workload = spec->mutable_workload();
  if (by == "precision") return SetWord(value, format::SetPrecision, workload);
  if (by == "attention") return SetWord(value, format::SetAttention, workload);
  if (by == "optimizer") return SetWord(value, format::SetOptimizer, workload);
  if (by == "batch" || by == "context") return SetSize(value, by == "context", workload);
  if (by == "device") spec->set_device(value);
  return by == "device";
}

bool AskForTheSame(v1::JobSpec a, v1::JobSpec b) {
  for (v1::JobSpec* spec : {&a, &b}) {
    spec->clear_labels();
    spec->clear_priority();
    spec->mutable_plan()->clear_launches();
    spec->mutable_plan()->set_execution(ExecutionOf(spec->plan()));
  }
  return a.SerializeAsString() == b.SerializeAsString();
}

}  // namespace torchlap::client
