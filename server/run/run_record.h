// From what the daemon saw of a worker to the run that is stored. No clock, no process, no
// database.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <optional>
#include <string>

#include "storage/job_store.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::run {

// Why the daemon itself ended the worker.
enum class StopCause {
  kNone,
  kCancel,
  kTimeLimit,
  kShutdown,
  kBrokenProtocol,
  kCannotStart,
  kDeviceUnusable,
  kNoResources
};

// How a worker's life ended, as the daemon saw it.
struct WorkerEnd {
  StopCause stop_cause = StopCause::kNone;
  std::string stop_detail;  // kBrokenProtocol and what follows it: one line
  std::optional<int> exit_status;
  std::optional<int> exit_signal;
  bool kernel_killed_for_memory = false;  // the kernel's out-of-memory killer was at work meanwhile
  bool lingered = false;  // it was killed because it was still there long after its result
  std::string last_log_line;
};

// Collects the events of one run. Not thread-safe.
class RunRecord {
 public:
  // `run` as JobStore::Start made it.
  explicit RunRecord(v1::Run run);

  // Takes an event in. DATA_LOSS (one line) if it may not come now, speaks another version of the
  // protocol, or says what cannot be (server/run/event_check.h); nothing of it is taken then.
  absl::Status Take(v1::WorkerEvent event);

  // Whether its steps fit into the time that the run took, by the clock of this process. Nothing:
  // they do; else one line, for a WorkerEnd of kBrokenProtocol.
  std::optional<std::string> CheckTimeTaken(int64_t duration_ns) const;

  // Result or Failed has come: nothing more is expected but the end.
  bool is_complete() const { return result_ || failed_; }
  bool has_result() const { return result_; }
  // When the first measured step began, on the worker's clock; nothing: not known yet.
  std::optional<int64_t> measured_from_ns() const;
  // Where the run is. Steps of 0 while it is built.
  v1::Progress progress() const;

  // The run as it is to be stored. `host` is what the daemon knows of the environment. The outcome
  // is the worker's word where there is one; else why the daemon ended it; else how the process
  // ended. A result counts only if nothing but exit status 0 followed it, or the daemon was about
  // to end it. INTERRUPTED without a wish to stop: this host had no room for the worker.
  storage::FinishedRun Finish(const WorkerEnd& end, const v1::Environment& host,
                              int64_t duration_ns) &&;

  // A run that was never started, because its size cannot fit.
  storage::FinishedRun FinishSkipped(const v1::Failure& failure) &&;

 private:
  // DATA_LOSS for another run's; a worker that knows of none (yet) says nothing.
  absl::Status CheckRunId(const std::string& run_id) const;
  absl::Status TakeFailure(const v1::WorkerFailed& failed);
  absl::Status TakeResult(const v1::WorkerResult& result);
  absl::Status TakeSamples(const v1::SampleBlock& samples);
  void Judge(const WorkerEnd& end);
  void JudgeResult(const WorkerEnd& end);
  void JudgeFailure(const WorkerEnd& end);
  void JudgeStop(const WorkerEnd& end);
  void JudgeExit(const WorkerEnd& end);
  bool LackedRoom(const WorkerEnd& end) const;
  void Fail(v1::Outcome outcome, const std::string& detail);
  storage::FinishedRun Identify() &&;

  v1::Run run_;
  v1::SampleBlock samples_;
  std::optional<v1::WorkerBuilt> built_;
  std::optional<uint32_t> warmup_steps_;  // of a result
  v1::Neighbour neighbour_;
  bool said_hello_ = false;
  bool result_ = false;
  bool failed_ = false;
  std::string torchlap_version_;
  std::string torch_version_;
  std::optional<v1::Environment> environment_;
};

}  // namespace torchlap::run
