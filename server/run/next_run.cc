#include "server/run/next_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "proto/words.h"
#include "server/measure/workload_kind.h"
#include "server/run/fit_search.h"

namespace torchlap::run {
namespace {

using After = storage::AfterRun;

After AfterFailure(const v1::Run& run) {
  After after;
  after.next = After::Next::kJobFailed;
  after.reason = fmt::format("{}: {}", Word(run.outcome()), run.failure().detail());
  return after;
}

After Again(uint32_t batch_size, uint32_t context_length, v1::Cause cause) {
  After after;
  after.next = After::Next::kTryAgain;
  after.batch_size = batch_size;
  after.context_length = context_length;
  after.cause = cause;
  return after;
}

After SameSizeAgain(const v1::Run& run, v1::Cause cause) {
  const measure::StepSize size = measure::SizeOf(run.workload());
  return Again(size.batch_size, size.context_length, cause);
}

After AfterMemoryRanOut(const storage::StartedRun& started, const v1::Run& run) {
  const NextTry next = AfterOutOfMemory(TryOf(started.job, run));
  if (next.size)
    return Again(next.size->batch_size, next.size->context_length, v1::CAUSE_OOM_RETRY);
  After after;
  after.next = After::Next::kJobFailed;
  after.reason = next.reason;
  return after;
}

After AfterMeasuring(const storage::StartedRun& started, const v1::Run& run,
                     const std::vector<v1::Run>& earlier) {
  if (run.validity() == v1::VALIDITY_CONTAMINATED &&
      ContaminatedTries(run.launch(), earlier) < started.run.plan().retry_contaminated()) {
    return SameSizeAgain(run, v1::CAUSE_CONTAMINATION);
  }
  return After{};
}

After AfterFit(const storage::StartedRun& started, const v1::Run& run, std::vector<v1::Run> tries) {
  tries.push_back(run);
  const FitStep step = NextFit(started.job.spec(), tries);
  switch (step.next) {
    case FitStep::Next::kTry:
    case FitStep::Next::kVerify:
      return Again(step.batch_size, step.context_length, v1::CAUSE_FIT);
    case FitStep::Next::kFound:
      return After{};
    case FitStep::Next::kNothingFits:
      break;
  }
  After after;
  after.next = After::Next::kJobFailed;
  after.reason = step.reason;
  return after;
}

}  // namespace

FailedTry TryOf(const v1::Job& job, const v1::Run& run) {
  const measure::StepSize size = measure::SizeOf(run.workload());
  FailedTry tried;
  tried.outcome = run.outcome();
  tried.batch_size = size.batch_size;
  tried.context_length = size.context_length;
  tried.policy = job.spec().oom();
  tried.purpose = run.purpose();
  return tried;
}

storage::AfterRun TryInstead(const NextTry::Size& size) {
  return Again(size.batch_size, size.context_length, v1::CAUSE_OOM_RETRY);
}

uint32_t ContaminatedTries(uint32_t launch, const std::vector<v1::Run>& earlier) {
  return static_cast<uint32_t>(
      std::count_if(earlier.begin(), earlier.end(), [launch](const v1::Run& run) {
        return run.launch() == launch && run.validity() == v1::VALIDITY_CONTAMINATED;
      }));
}

storage::AfterRun Next(const storage::StartedRun& started, const v1::Run& run,
                       const std::vector<v1::Run>& earlier) {
  const bool fits = run.purpose() == v1::PURPOSE_FIT;
  switch (run.outcome()) {
    case v1::OUTCOME_OK:
      return fits ? AfterFit(started, run, earlier) : AfterMeasuring(started, run, earlier);
    case v1::OUTCOME_OUT_OF_MEMORY:
      return fits ? AfterFit(started, run, earlier) : AfterMemoryRanOut(started, run);
    case v1::OUTCOME_INTERRUPTED:
      return SameSizeAgain(run, v1::CAUSE_INTERRUPTION);
    case v1::OUTCOME_CANCELLED:
      // The wish to cancel has said by whom.
      return After{After::Next::kJobCancelled, 0, 0, ""};
    default:
      return AfterFailure(run);
  }
}

}  // namespace torchlap::run
