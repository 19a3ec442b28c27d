#include "tests/client/made_up_runs.h"

#include <string>

#include "proto/words.h"

namespace torchlap::client {
namespace {

constexpr int64_t kNoon = 1'769'860'800'123'456'789;  // 2026-01-31T12:00:00.123456789Z

v1::TransformerLm SmallModel() {
  v1::TransformerLm model;
  model.set_edition("cs336-2025");
  model.set_preset("small");
  model.set_vocab_size(10000);
  model.set_d_model(768);
  model.set_d_ff(3072);
  model.set_layers(12);
  model.set_heads(12);
  model.set_pass_type(v1::PASS_TYPE_FORWARD_BACKWARD);
  model.set_precision(v1::PRECISION_FP32);
  model.set_attention(v1::ATTENTION_EXPLICIT);
  model.set_batch_size(4);
  model.set_context_length(256);
  return model;
}

v1::Plan CoursePlan() {
  v1::Plan plan;
  plan.set_warmup_steps(5);
  plan.set_measure_steps(10);
  plan.set_timing(v1::TIMING_SEPARATE);
  plan.set_launches(1);
  return plan;
}

// A run before it has numbers.
v1::Run BareRun(uint64_t job_id, uint32_t number) {
  v1::Run run;
  run.set_run_id(std::to_string(job_id) + "." + std::to_string(number));
  run.set_job_id(job_id);
  run.set_number(number);
  run.set_sweep_id(3);
  run.set_user("ann");
  run.set_device("cpu0");
  run.set_device_uuid("CPU-1-3");
  run.set_device_model("Example CPU, 4 cores");
  *run.mutable_workload()->mutable_transformer_lm() = SmallModel();
  run.set_parameters(128'625'408);
  run.set_requested_batch_size(4);
  run.set_requested_context_length(256);
  *run.mutable_plan() = CoursePlan();
  run.set_purpose(v1::PURPOSE_MEASURE);
  run.set_cause(v1::CAUSE_FIRST);
  run.set_started_at_ns(kNoon);
  run.set_duration_ns(9'876'543'210);
  run.set_workload_hash("00112233445566778899aabbccddeeff");
  run.set_series_key("ffeeddccbbaa99887766554433221100");
  run.set_environment_hash("0123456789abcdef0123456789abcdef");
  run.set_statistics_version(1);
  return run;
}

void Fail(v1::Outcome outcome, v1::Run* run) {
  run->set_outcome(outcome);
  run->mutable_memory()->set_device_total_bytes(16'000'000'000);
}

}  // namespace

void SetPhase(double mean_ms, double std_ms, v1::PhaseSummary* phase) {
  phase->set_mean_ns(mean_ms * 1e6);
  phase->set_std_ns(std_ms * 1e6);
  phase->set_median_ns(mean_ms * 1e6);
  phase->set_min_ns((mean_ms - std_ms) * 1e6);
  phase->set_max_ns((mean_ms + std_ms) * 1e6);
  phase->set_cv(std_ms / mean_ms);
}

v1::Run SmallRun() {
  v1::Run run = BareRun(17, 1);
  run.set_outcome(v1::OUTCOME_OK);
  SetPhase(152.30, 8.45, run.mutable_forward());
  SetPhase(0.75, 0.01, run.mutable_loss());
  SetPhase(305.20, 12.30, run.mutable_backward());
  SetPhase(458.25, 15.5, run.mutable_step());
  run.set_backward_forward_ratio(305.20 / 152.30);
  run.set_tokens_per_s(1024 / 0.45825);
  run.set_flops_per_s(1.75e12);
  run.mutable_memory()->set_peak_allocated_bytes(1'867'512'345);
  run.mutable_memory()->set_peak_reserved_bytes(1'900'000'000);
  run.set_threads(2);
  run.set_first_loss(9.3125);
  run.set_last_loss(9.0625);
  (*run.mutable_labels())["card"] = "A,B";
  (*run.mutable_labels())["why"] = "say \"hi\"";
  return run;
}

v1::Run ScaledRun(const std::string& preset, uint64_t parameters, uint64_t job_id, double scale) {
  v1::Run run = SmallRun();
  run.set_run_id(std::to_string(job_id) + ".1");
  run.set_job_id(job_id);
  run.mutable_workload()->mutable_transformer_lm()->set_preset(preset);
  run.set_parameters(parameters);
  for (v1::PhaseSummary* phase :
       {run.mutable_forward(), run.mutable_loss(), run.mutable_backward(), run.mutable_step()}) {
    SetPhase(phase->mean_ns() / 1e6 * scale, phase->std_ns() / 1e6 * scale, phase);
  }
  run.mutable_memory()->set_peak_allocated_bytes(
      static_cast<uint64_t>(static_cast<double>(run.memory().peak_allocated_bytes()) * scale));
  return run;
}

v1::Run ShrunkRun() {
  v1::Run run = ScaledRun("xl", 1'998'235'200, 19, 10.5);
  run.set_run_id("19.2");
  run.set_number(2);
  run.set_cause(v1::CAUSE_OOM_RETRY);
  run.mutable_workload()->mutable_transformer_lm()->set_batch_size(2);
  return run;
}

v1::Run OutOfMemoryRun() {
  v1::Run run = BareRun(20, 3);
  run.mutable_workload()->mutable_transformer_lm()->set_preset("large");
  run.set_parameters(969'411'840);
  Fail(v1::OUTCOME_OUT_OF_MEMORY, &run);
  v1::Failure* failure = run.mutable_failure();
  failure->set_phase(v1::PHASE_BACKWARD);
  failure->set_detail("cannot allocate 2480343450 bytes");
  failure->set_asked_bytes(2'480'343'450);
  failure->set_free_bytes(429'916'160);
  failure->set_total_bytes(16'000'000'000);
  return run;
}

v1::Run SkippedRun() {
  v1::Run run = BareRun(21, 1);
  run.mutable_workload()->mutable_transformer_lm()->set_preset("2.7B");
  run.set_parameters(3'406'809'600);
  run.set_started_at_ns(0);
  run.clear_duration_ns();
  run.clear_environment_hash();
  run.clear_statistics_version();
  Fail(v1::OUTCOME_SKIPPED, &run);
  v1::Failure* failure = run.mutable_failure();
  failure->set_detail("weights and gradients need 27254476800 bytes, the device has 16000000000");
  failure->set_asked_bytes(27'254'476'800);
  failure->set_free_bytes(16'000'000'000);
  return run;
}

v1::Reason AddEvidence(v1::Reason reason, double value, double threshold, v1::Run* run) {
  v1::Evidence* evidence = run->mutable_assessment()->add_evidence();
  evidence->set_reason(reason);
  evidence->set_value(value);
  evidence->set_threshold(threshold);
  evidence->set_first_step(5);
  evidence->set_last_step(9);
  return reason;
}

void Doubt(v1::Validity verdict, const std::vector<v1::Reason>& reasons, v1::Run* run) {
  run->set_validity(verdict);
  run->clear_validity_reasons();
  for (const v1::Reason reason : reasons) {
    if (!run->validity_reasons().empty()) run->mutable_validity_reasons()->append(",");
    run->mutable_validity_reasons()->append(Word(reason));
  }
}

v1::Run DisturbedRun() {
  v1::Run run = SmallRun();
  Doubt(v1::VALIDITY_CONTAMINATED, {AddEvidence(v1::REASON_FOREIGN_CPU, 0.34, 0.05, &run)}, &run);
  v1::Evidence* evidence = run.mutable_assessment()->mutable_evidence(0);
  evidence->set_pid(812);
  evidence->set_process("stress-ng");
  evidence->set_user("ann");
  evidence->set_process_value(0.34);
  return run;
}

v1::Run RunThatGaveUp() {
  v1::Run run = SmallRun();
  run.set_validity(v1::VALIDITY_CLEAN);
  v1::Evidence* evidence = run.mutable_assessment()->add_evidence();
  evidence->set_reason(v1::REASON_NOT_SETTLED);
  evidence->set_value(300);
  evidence->set_threshold(300);
  evidence->set_celsius(71);
  run.mutable_assessment()->add_evidence()->set_reason(v1::REASON_SETTINGS_MISSING);
  return run;
}

v1::Job SmallJob(uint64_t job_id, v1::JobState state) {
  v1::Job job;
  job.set_job_id(job_id);
  job.set_sweep_id(3);
  job.set_owner("uid:1000");
  job.set_user("ann");
  job.set_state(state);
  *job.mutable_spec()->mutable_workload()->mutable_transformer_lm() = SmallModel();
  *job.mutable_spec()->mutable_plan() = CoursePlan();
  job.mutable_spec()->set_purpose(v1::PURPOSE_MEASURE);
  job.set_parameters(128'625'408);
  job.set_submitted_at_ns(kNoon);
  return job;
}

}  // namespace torchlap::client
