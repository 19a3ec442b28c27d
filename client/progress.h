// How far a set of jobs is: state from what the service reports, and its display. Both without a
// clock of their own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/console.h"
#include "client/cost.h"
#include "client/format/traits.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// A job that is done, as a line tells it.
struct FinishedCell {
  v1::Job job;
  // The run that ended it; unset if the job was found finished.
  std::optional<v1::Run> run;
  // `, bf16, sdpa attention`: what tells it from the others of its set, beside pass and sizes.
  std::string distinction = {};
};

// A run that ended without ending its job, and the one that was begun after it: another size, or
// the same once more.
struct NextTry {
  v1::Run ended;
  v1::Run begun;
  std::string distinction = {};
};

// Not thread-safe.
class SweepProgress {
 public:
  // Takes one message in. Returns the jobs that are finished since, each once, also over snapshots
  // that repeat.
  std::vector<FinishedCell> Apply(const v1::WatchJobsResponse& change);

  // The tries that were begun since the last call.
  std::vector<NextTry> TakeTries();

  // Resume after this number; nothing before the first whole snapshot.
  std::optional<uint64_t> sequence() const { return sequence_; }
  // The next watch shall begin with a snapshot again.
  void ForgetSequence() { sequence_.reset(); }

  // All jobs are known and finished.
  bool finished() const;
  size_t total() const { return cells_.size(); }
  size_t done() const;
  // Jobs that ended in another state than SUCCEEDED; cancelled ones are among them.
  size_t failed() const;
  size_t cancelled() const;
  // By id.
  std::vector<uint64_t> job_ids() const;
  std::optional<v1::Job> first_job() const;

  // The job that is next of those that wait in the queue while none of them runs: the one that has
  // the fewest jobs ahead, else the first.
  std::optional<uint64_t> waiting_job() const;
  // Of waiting_job(), as far as it is known.
  v1::WaitReason waiting_reason() const;

  // What is measured now; nothing between two runs.
  struct Current {
    v1::Job job;
    v1::Progress progress;
    uint32_t launch = 0;  // from 0
    std::string name;     // short: `context 64, bf16`, as far as the cells differ
  };
  std::optional<Current> current() const;

  // By the work of each cell and the pace of those that are done, or else of the current one's
  // steps (cost.h); what has no known work takes as long as those that are done did. Nothing to go
  // by: nothing.
  std::optional<double> remaining_seconds() const;

 private:
  struct Cell {
    v1::Job job;
    std::optional<v1::Progress> progress;
    std::optional<v1::Run> measured;  // the last run that was no trace
    std::optional<v1::Run> ended;     // the last run, if it did not end the job
    uint32_t launch = 0;              // of the run that goes on
    bool reported = false;
  };

  void ApplySnapshot(const v1::JobSnapshot& snapshot, std::vector<FinishedCell>* finished);
  void ApplyEvent(const v1::JobEvent& event, std::vector<FinishedCell>* finished);
  void ApplyWaiting(const v1::Waiting& waiting);
  void ForgetOldReasons();
  void Report(Cell* cell, const v1::Run* run, std::vector<FinishedCell>* finished);
  void Begin(const v1::Run& run, Cell* cell);
  // The run followed cell.ended.
  void AddTry(const v1::Run& run, const Cell& cell);
  void Learn(const v1::Run& run, bool ends_job);
  // Looks for the settings in which the cells differ.
  void Compare();
  // Beside what WorkloadWords names.
  std::string DistinctionOf(const Cell& cell) const;
  std::string ShortName(const Cell& cell) const;
  std::optional<double> SecondsOfLaunch(const v1::JobSpec& spec) const;
  std::optional<double> SecondsLeft(const Cell& cell) const;

  std::map<uint64_t, Cell> cells_;
  std::optional<uint64_t> sequence_;
  bool snapshot_is_whole_ = false;
  bool is_told_of_waiting_ = false;
  std::vector<const format::Trait*> varying_;
  bool models_differ_ = false;
  std::vector<NextTry> tries_;
  Pace pace_;
  double finished_seconds_ = 0;  // device time of `timed_cells_` cells
  size_t timed_cells_ = 0;
};

// `17 small, forward-backward, batch 1, context 64: 152.3 ± 8.5 ms a step (3 of 10)`. Of several
// launches it has the last one, and says so: only the table has them together.
std::string FinishedLine(const FinishedCell& cell, size_t done, size_t total);

// `17 small, forward-backward, batch 300, context 256: OUT_OF_MEMORY in backward, trying batch
// 150`.
std::string NextTryLine(const NextTry& next);

// `1 failed, 2 cancelled`; `0 failed` where all that is done succeeded.
std::string UnsuccessfulWords(const SweepProgress& progress);

// `[=====     ] 3/10  small, ..., context 64: step 4/15, 152.3 ms  about 2 min 5 s left`, at most
// `columns` wide.
std::string ProgressLine(const SweepProgress& progress, int columns, bool color);

// A line for each finished cell and each further try, and on a terminal one below them that is
// redrawn.
class ProgressDisplay {
 public:
  // `quiet`: only what is said, no progress.
  explicit ProgressDisplay(const Console& console, bool quiet = false)
      : console_(console), quiet_(quiet) {}
  ~ProgressDisplay() { Clear(); }
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void Show(const SweepProgress& progress, const std::vector<FinishedCell>& finished,
            const std::vector<NextTry>& tries = {});
  // A line above the progress.
  void Say(const std::string& line);
  // The same where nothing is redrawn that says it.
  void SayWhereNothingIsDrawn(const std::string& line);
  bool is_quiet() const { return quiet_; }
  // Takes the progress off the screen.
  void Clear();

 private:
  const Console console_;
  const bool quiet_;
  bool drawn_ = false;
};

}  // namespace torchlap::client
