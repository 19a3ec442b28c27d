#include "server/run/next_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "proto/words.h"
#include "server/measure/workload_kind.h"
#include "server/run/busy_wait.h"
#include "server/run/fit_search.h"
#include "storage/own_fault.h"

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

After Failed(const std::string& reason) {
  After after;
  after.next = After::Next::kJobFailed;
  after.reason = reason;
  return after;
}

bool MemoryWasHeld(const v1::Run& run) {
  return run.outcome() == v1::OUTCOME_OUT_OF_MEMORY && !storage::IsOwnFault(run.failure());
}

bool IsSameSize(const v1::Run& a, const v1::Run& b) {
  const measure::StepSize one = measure::SizeOf(a.workload());
  const measure::StepSize other = measure::SizeOf(b.workload());
  return one.batch_size == other.batch_size && one.context_length == other.context_length;
}

// Runs of the same launch and size that lacked what others held, this one the last.
std::vector<v1::Run> RunsThatLacked(const v1::Run& run, const std::vector<v1::Run>& earlier) {
  std::vector<v1::Run> runs;
  for (const v1::Run& one : earlier) {
    const bool is_same = one.launch() == run.launch() && IsSameSize(one, run);
    if (is_same && MemoryWasHeld(one)) runs.push_back(one);
  }
  runs.push_back(run);
  return runs;
}

After AfterMemoryRanOut(const storage::StartedRun& started, const v1::Run& run) {
  const NextTry next = AfterOutOfMemory(TryOf(started.job, run));
  if (next.size)
    return Again(next.size->batch_size, next.size->context_length, v1::CAUSE_OOM_RETRY);
  return Failed(next.reason);
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
  return Failed(step.reason);
}

// By no fault of its own: the size may well fit once the memory is free. The dispatcher looks for
// that before the next run.
After AfterMemoryWasHeld(const v1::Run& run, const std::vector<v1::Run>& earlier) {
  const std::vector<v1::Run> runs = RunsThatLacked(run, earlier);
  const int64_t waited_ns = run.started_at_ns() + run.duration_ns() - runs.front().started_at_ns();
  if (runs.size() < kMostHeldRuns && waited_ns < kLongestBusyWaitNs) {
    return SameSizeAgain(run, v1::CAUSE_MEMORY_HELD);
  }
  return Failed(fmt::format("{}; so it was in {} runs, and --if-busy run takes what is free",
                            run.failure().detail(), runs.size()));
}

After AfterOutOfMemoryRun(const storage::StartedRun& started, const v1::Run& run,
                          const std::vector<v1::Run>& earlier) {
  if (MemoryWasHeld(run)) {
    const v1::IfBusy if_busy = started.job.spec().if_busy();
    if (if_busy == v1::IF_BUSY_FAIL) return Failed(run.failure().detail());
    if (if_busy != v1::IF_BUSY_RUN) return AfterMemoryWasHeld(run, earlier);
  }
  if (run.failure().phase() != v1::PHASE_BUILD && run.purpose() == v1::PURPOSE_FIT) {
    return AfterFit(started, run, earlier);
  }
  return AfterMemoryRanOut(started, run);
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
  tried.phase = run.failure().phase();
  tried.detail = run.failure().detail();
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
      return AfterOutOfMemoryRun(started, run, earlier);
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
