#include "server/run/run_record.h"

#include <fmt/format.h>
#include <string.h>

#include <utility>

#include "server/host/account_name.h"
#include "server/measure/identity.h"
#include "server/measure/summary.h"

namespace torchlap::run {
namespace {

constexpr uint32_t kProtocolVersion = 1;

// Of a plan that says it beforehand.
uint32_t StepsOf(const v1::Plan& plan) { return plan.warmup_steps() + plan.measure_steps(); }

// Whether the worker does exactly the steps of its plan. A trace needs a few of them only, a
// calibration has none.
bool IsCounted(const v1::Run& run) {
  return !run.plan().has_target_precision() && !run.plan().warmup_until_settled() &&
         run.purpose() != v1::PURPOSE_TRACE && run.workload().has_transformer_lm();
}

// Every timed phase has as many entries as there are steps.
bool IsRectangular(const v1::SampleBlock& block) {
  const int steps = block.step_ns_size();
  const auto fits = [steps](int entries) { return entries == 0 || entries == steps; };
  return block.start_ns_size() == steps && fits(block.forward_ns_size()) &&
         fits(block.loss_ns_size()) && fits(block.backward_ns_size()) &&
         fits(block.optimizer_ns_size()) && fits(block.device_forward_ns_size()) &&
         fits(block.device_loss_ns_size()) && fits(block.device_backward_ns_size()) &&
         fits(block.device_optimizer_ns_size()) && fits(block.device_step_ns_size()) &&
         fits(block.foreign_cpu_ns_size()) && fits(block.run_delay_ns_size());
}

// ` of 15`, where that is known beforehand.
std::string OfPlanned(const v1::Run& run) {
  return IsCounted(run) ? fmt::format(" of {}", StepsOf(run.plan())) : "";
}

std::string FirstLine(std::string text) { return text.substr(0, text.find('\n')); }

bool WorkerMayReport(v1::Outcome outcome) {
  return outcome == v1::OUTCOME_OUT_OF_MEMORY || outcome == v1::OUTCOME_INVALID ||
         outcome == v1::OUTCOME_CUDA_ERROR || outcome == v1::OUTCOME_CRASHED;
}

std::string ExitWords(const WorkerEnd& end) {
  if (end.exit_signal) {
    return fmt::format("the worker was killed by signal {} ({})", *end.exit_signal,
                       ::strsignal(*end.exit_signal));
  }
  return fmt::format("the worker exited with status {} and without a result",
                     end.exit_status.value_or(0));
}

void AddNeighbour(const v1::Neighbour& neighbour, v1::Readings* readings) {
  if (neighbour.pid() == 0) return;
  readings->set_neighbour_pid(neighbour.pid());
  readings->set_neighbour_process(neighbour.process());
  readings->set_neighbour_user(host::AccountName(neighbour.uid()));
  readings->set_neighbour_cpu_ns(neighbour.cpu_ns());
}

}  // namespace

RunRecord::RunRecord(v1::Run run) : run_(std::move(run)) {}

absl::Status RunRecord::Take(v1::WorkerEvent event) {
  if (is_complete()) return absl::DataLossError("the worker went on after its result");
  if (said_hello_ == event.has_hello()) {
    return absl::DataLossError(said_hello_ ? "the worker said hello twice"
                                           : "the worker's first event was not hello");
  }
  switch (event.event_case()) {
    case v1::WorkerEvent::kHello:
      said_hello_ = true;
      torchlap_version_ = event.hello().torchlap_version();
      torch_version_ = event.hello().torch_version();
      if (event.hello().protocol_version() == kProtocolVersion) return absl::OkStatus();
      return absl::DataLossError(fmt::format("the worker speaks protocol version {}, must be {}",
                                             event.hello().protocol_version(), kProtocolVersion));
    case v1::WorkerEvent::kBuilt:
      built_ = std::move(*event.mutable_built());
      run_.mutable_memory()->MergeFrom(built_->memory());
      if (built_->has_numerics()) *run_.mutable_numerics() = built_->numerics();
      return absl::OkStatus();
    case v1::WorkerEvent::kSteps:
      return TakeSamples(event.steps().samples());
    case v1::WorkerEvent::kResult:
      return TakeResult(event.result());
    case v1::WorkerEvent::kFailed:
      failed_ = true;
      run_.set_outcome(WorkerMayReport(event.failed().outcome()) ? event.failed().outcome()
                                                                 : v1::OUTCOME_CRASHED);
      *run_.mutable_failure() = event.failed().failure();
      run_.mutable_memory()->MergeFrom(event.failed().memory());
      return TakeSamples(event.failed().samples());
    case v1::WorkerEvent::EVENT_NOT_SET:
      break;
  }
  return absl::DataLossError("the worker sent an event that is not known");
}

absl::Status RunRecord::TakeResult(const v1::WorkerResult& result) {
  run_.mutable_memory()->MergeFrom(result.memory());
  if (result.has_numerics()) run_.mutable_numerics()->MergeFrom(result.numerics());
  if (result.has_first_loss()) run_.set_first_loss(result.first_loss());
  if (result.has_last_loss()) run_.set_last_loss(result.last_loss());
  if (result.has_calibration()) *run_.mutable_calibration() = result.calibration();
  run_.set_stop_reason(result.stop_reason());
  neighbour_ = result.neighbour();
  if (absl::Status status = TakeSamples(result.samples()); !status.ok()) return status;
  const uint32_t steps =
      IsCounted(run_) ? StepsOf(run_.plan()) : result.warmup_steps() + result.measured_steps();
  if (static_cast<uint32_t>(samples_.step_ns_size()) != steps) {
    return absl::DataLossError(fmt::format("the worker's result has {} steps, must be {}",
                                           samples_.step_ns_size(), steps));
  }
  warmup_steps_ = IsCounted(run_) ? run_.plan().warmup_steps() : result.warmup_steps();
  result_ = true;
  return absl::OkStatus();
}

absl::Status RunRecord::TakeSamples(const v1::SampleBlock& samples) {
  if (samples.step_ns_size() == 0) return absl::OkStatus();
  if (!IsRectangular(samples) ||
      samples.first_step() != static_cast<uint32_t>(samples_.step_ns_size())) {
    return absl::DataLossError("the worker's samples have a gap");
  }
  samples_.MergeFrom(samples);
  samples_.set_first_step(0);
  return absl::OkStatus();
}

v1::Progress RunRecord::progress() const {
  v1::Progress progress;
  progress.set_run_id(run_.run_id());
  progress.set_job_id(run_.job_id());
  if (built_) {
    progress.set_steps_done(static_cast<uint32_t>(samples_.step_ns_size()));
    if (IsCounted(run_)) progress.set_steps_total(StepsOf(run_.plan()));
  }
  if (samples_.step_ns_size() > 0) {
    progress.set_step_ns(samples_.step_ns(samples_.step_ns_size() - 1));
  }
  return progress;
}

void RunRecord::Fail(v1::Outcome outcome, const std::string& detail) {
  run_.set_outcome(outcome);
  run_.mutable_failure()->set_detail(detail);
}

void RunRecord::Judge(const WorkerEnd& end) {
  if (result_) {
    run_.set_outcome(v1::OUTCOME_OK);
  } else if (failed_) {
    run_.mutable_failure()->set_detail(FirstLine(run_.failure().detail()));
  } else if (end.stop_cause != StopCause::kNone) {
    JudgeStop(end);
  } else {
    JudgeExit(end);
  }
}

void RunRecord::JudgeStop(const WorkerEnd& end) {
  switch (end.stop_cause) {
    case StopCause::kNone:
      break;
    case StopCause::kCancel:
      return Fail(v1::OUTCOME_CANCELLED, "cancelled");
    case StopCause::kShutdown:
      return Fail(v1::OUTCOME_INTERRUPTED, "the daemon was stopped");
    case StopCause::kTimeLimit:
      return Fail(v1::OUTCOME_TIMED_OUT,
                  fmt::format("time limit of {:g} s reached after {}{} steps",
                              static_cast<double>(run_.plan().time_limit_ns()) / 1e9,
                              samples_.step_ns_size(), OfPlanned(run_)));
    case StopCause::kBrokenProtocol:
    case StopCause::kCannotStart:
      return Fail(v1::OUTCOME_CRASHED, end.stop_detail);
    case StopCause::kDeviceUnusable:
      return Fail(v1::OUTCOME_CUDA_ERROR, end.stop_detail);
    case StopCause::kNoResources:
      return Fail(v1::OUTCOME_INTERRUPTED, end.stop_detail);
  }
}

void RunRecord::JudgeExit(const WorkerEnd& end) {
  std::string detail = ExitWords(end);
  if (!end.last_log_line.empty()) detail += ": " + end.last_log_line;
  Fail(end.kernel_killed_for_memory ? v1::OUTCOME_OUT_OF_MEMORY : v1::OUTCOME_CRASHED, detail);
  if (end.exit_status) run_.mutable_failure()->set_exit_status(*end.exit_status);
  if (end.exit_signal) run_.mutable_failure()->set_signal(*end.exit_signal);
}

storage::FinishedRun RunRecord::Finish(const WorkerEnd& end, const v1::Environment& host,
                                       int64_t duration_ns) && {
  Judge(end);
  run_.set_duration_ns(duration_ns);
  samples_.set_warmup_steps(warmup_steps_.value_or(run_.plan().warmup_steps()));
  measure::SummariseRun(samples_, &run_);
  if (built_) {
    environment_ = built_->environment();
    environment_->MergeFrom(host);
    environment_->set_torchlap_version(torchlap_version_);
    environment_->set_torch_version(torch_version_);
    environment_->set_environment_hash(measure::EnvironmentHash(*environment_));
    run_.set_environment_hash(environment_->environment_hash());
    run_.set_threads(environment_->threads());
  }
  return std::move(*this).Identify();
}

storage::FinishedRun RunRecord::FinishSkipped(const v1::Failure& failure) && {
  run_.set_outcome(v1::OUTCOME_SKIPPED);
  *run_.mutable_failure() = failure;
  run_.set_duration_ns(0);
  run_.set_statistics_version(measure::kStatisticsVersion);
  return std::move(*this).Identify();
}

storage::FinishedRun RunRecord::Identify() && {
  storage::FinishedRun finished;
  finished.workload_canonical = measure::CanonicalWorkload(run_.workload());
  run_.set_workload_hash(measure::WorkloadHash(run_.workload()));
  run_.set_series_key(measure::SeriesKey(run_));
  finished.run = std::move(run_);
  finished.samples = std::move(samples_);
  finished.environment = std::move(environment_);
  AddNeighbour(neighbour_, &finished.readings);
  return finished;
}

}  // namespace torchlap::run
