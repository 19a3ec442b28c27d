#include "server/run/run_record.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <system_error>
#include <utility>

#include "proto/base/visible_text.h"
#include "proto/samples.h"
#include "server/host/account_name.h"
#include "server/measure/identity.h"
#include "server/measure/summary.h"
#include "server/run/event_check.h"

namespace torchlap::run {
namespace {

constexpr uint32_t kProtocolVersion = 1;
const std::string kNoRoom = "no room for the worker: ";

// Of a plan that says it beforehand.
uint32_t StepsOf(const v1::Plan& plan) { return plan.warmup_steps() + plan.measure_steps(); }

// Whether the worker does exactly the steps of its plan. A trace needs a few of them only, a
// calibration has none.
bool IsCounted(const v1::Run& run) {
  return !run.plan().has_target_precision() && !run.plan().warmup_until_settled() &&
         run.purpose() != v1::PURPOSE_TRACE && run.workload().has_transformer_lm();
}

// ` of 15`, where that is known beforehand.
std::string OfPlanned(const v1::Run& run) {
  return IsCounted(run) ? fmt::format(" of {}", StepsOf(run.plan())) : "";
}

absl::Status Unfit(const std::string& problem) {
  return absl::DataLossError("the worker's report is unfit: " + problem);
}

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

// What broke the rule that exit status 0 alone follows a result; empty: nothing.
std::string AfterResult(const WorkerEnd& end) {
  if (end.stop_cause != StopCause::kNone) return "";
  if (end.lingered) return "the worker did not end after its result, and was killed";
  if (end.exit_signal) {
    return fmt::format(
        "the worker was killed by signal {} ({}) after its result, must exit with "
        "status 0",
        *end.exit_signal, ::strsignal(*end.exit_signal));
  }
  if (end.exit_status.value_or(0) == 0) return "";
  return fmt::format("the worker exited with status {} after its result, must be 0",
                     *end.exit_status);
}

// What the dynamic linker, libgomp and the C++ library say, in the C locale.
bool SaysLackOf(const std::string& line, std::initializer_list<int> errors) {
  return std::any_of(errors.begin(), errors.end(), [&](int error) {
    return line.find(std::generic_category().message(error)) != std::string::npos;
  });
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
  if (const auto problem = MakeFit(&event)) return Unfit(*problem);
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
      if (built_) return absl::DataLossError("the worker built its model twice");
      if (absl::Status own = CheckRunId(event.built().run_id()); !own.ok()) return own;
      built_ = std::move(*event.mutable_built());
      run_.mutable_memory()->MergeFrom(built_->memory());
      if (built_->has_numerics()) *run_.mutable_numerics() = built_->numerics();
      return absl::OkStatus();
    case v1::WorkerEvent::kSteps:
      return TakeSamples(event.steps().samples());
    case v1::WorkerEvent::kResult:
      return TakeResult(event.result());
    case v1::WorkerEvent::kFailed:
      return TakeFailure(event.failed());
    case v1::WorkerEvent::EVENT_NOT_SET:
      break;
  }
  return absl::DataLossError("the worker sent an event that is not known");
}

absl::Status RunRecord::CheckRunId(const std::string& run_id) const {
  if (run_id.empty() || run_id == run_.run_id()) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("the worker works on run {}, must be {}", run_id, run_.run_id()));
}

absl::Status RunRecord::TakeFailure(const v1::WorkerFailed& failed) {
  if (absl::Status own = CheckRunId(failed.run_id()); !own.ok()) return own;
  if (absl::Status status = TakeSamples(failed.samples()); !status.ok()) return status;
  failed_ = true;
  run_.set_outcome(WorkerMayReport(failed.outcome()) ? failed.outcome() : v1::OUTCOME_CRASHED);
  *run_.mutable_failure() = failed.failure();
  run_.mutable_memory()->MergeFrom(failed.memory());
  return absl::OkStatus();
}

absl::Status RunRecord::TakeResult(const v1::WorkerResult& result) {
  if (!built_) return absl::DataLossError("the worker's result came before its model was built");
  const uint64_t steps = IsCounted(run_)
                             ? StepsOf(run_.plan())
                             : uint64_t{result.warmup_steps()} + uint64_t{result.measured_steps()};
  const uint64_t has = static_cast<uint64_t>(samples_.step_ns_size()) +
                       static_cast<uint64_t>(result.samples().step_ns_size());
  if (has != steps) {
    return absl::DataLossError(
        fmt::format("the worker's result has {} steps, must be {}", has, steps));
  }
  if (absl::Status status = TakeSamples(result.samples()); !status.ok()) return status;
  run_.mutable_memory()->MergeFrom(result.memory());
  if (result.has_numerics()) run_.mutable_numerics()->MergeFrom(result.numerics());
  if (result.has_first_loss()) run_.set_first_loss(result.first_loss());
  if (result.has_last_loss()) run_.set_last_loss(result.last_loss());
  if (result.has_calibration()) *run_.mutable_calibration() = result.calibration();
  run_.set_stop_reason(result.stop_reason());
  neighbour_ = result.neighbour();
  warmup_steps_ = IsCounted(run_) ? run_.plan().warmup_steps() : result.warmup_steps();
  result_ = true;
  return absl::OkStatus();
}

absl::Status RunRecord::TakeSamples(const v1::SampleBlock& samples) {
  if (samples.ByteSizeLong() == 0) return absl::OkStatus();
  if (samples.step_ns_size() > 0 && !built_) {
    return absl::DataLossError("the worker's steps came before its model was built");
  }
  // An end without steps of its own may say 0 as the first of them.
  v1::SampleBlock part = samples;
  if (part.step_ns_size() == 0) part.set_first_step(static_cast<uint32_t>(samples_.step_ns_size()));
  if (const auto problem = CheckTimes(run_, samples_, part)) return Unfit(*problem);
  if (const auto problem = Append(part, &samples_)) return Unfit(*problem);
  return absl::OkStatus();
}

std::optional<std::string> RunRecord::CheckTimeTaken(int64_t duration_ns) const {
  const int steps = samples_.step_ns_size();
  if (steps == 0 || samples_.start_ns_size() != steps) return std::nullopt;
  // They do not overlap (server/run/event_check.h).
  const int64_t took_ns =
      samples_.start_ns(steps - 1) + samples_.step_ns(steps - 1) - samples_.start_ns(0);
  if (took_ns <= duration_ns) return std::nullopt;
  return std::string(
      Unfit(fmt::format("its {} steps took {} ns, must be at most {}, the time of the whole run",
                        steps, took_ns, duration_ns))
          .message());
}

std::optional<int64_t> RunRecord::measured_from_ns() const {
  // A batch of a warm-up that has not ended counts all of its steps; the last word is the result's.
  const uint32_t warmup = IsCounted(run_) ? run_.plan().warmup_steps()
                                          : warmup_steps_.value_or(samples_.warmup_steps());
  if (warmup >= static_cast<uint32_t>(samples_.start_ns_size())) return std::nullopt;
  return samples_.start_ns(static_cast<int>(warmup));
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
  run_.mutable_failure()->set_detail(VisibleUpTo(kMostTextBytes, detail));
}

void RunRecord::Judge(const WorkerEnd& end) {
  // Also after a result: a second one, or garbage, takes the first one's worth.
  if (end.stop_cause == StopCause::kBrokenProtocol) return JudgeStop(end);
  if (result_) return JudgeResult(end);
  if (failed_) return JudgeFailure(end);
  if (end.stop_cause != StopCause::kNone) return JudgeStop(end);
  JudgeExit(end);
}

void RunRecord::JudgeResult(const WorkerEnd& end) {
  const std::string broken = AfterResult(end);
  if (!broken.empty()) return Fail(v1::OUTCOME_CRASHED, broken);
  run_.set_outcome(v1::OUTCOME_OK);
}

// The worker has said why.
void RunRecord::JudgeFailure(const WorkerEnd& end) {
  if (!LackedRoom(end)) return;
  Fail(v1::OUTCOME_INTERRUPTED, kNoRoom + run_.failure().detail());
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

// Threads, descriptors or memory of the host, before the first step: that is no fault of the job.
bool RunRecord::LackedRoom(const WorkerEnd& end) const {
  if (end.stop_cause != StopCause::kNone || samples_.step_ns_size() > 0) return false;
  if (failed_) {
    return run_.outcome() == v1::OUTCOME_CRASHED &&
           SaysLackOf(run_.failure().detail(), {EAGAIN, EMFILE, ENFILE});
  }
  // Its own libraries were all that it had loaded: memory is not what the job asked for.
  if (!said_hello_) {
    return end.kernel_killed_for_memory ||
           SaysLackOf(end.last_log_line, {EAGAIN, EMFILE, ENFILE, ENOMEM});
  }
  return SaysLackOf(end.last_log_line, {EAGAIN, EMFILE, ENFILE});
}

void RunRecord::JudgeExit(const WorkerEnd& end) {
  std::string detail = ExitWords(end);
  if (!end.last_log_line.empty()) detail += ": " + end.last_log_line;
  if (LackedRoom(end)) return Fail(v1::OUTCOME_INTERRUPTED, kNoRoom + detail);
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
