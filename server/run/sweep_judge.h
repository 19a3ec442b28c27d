// What a suite's sweep has shown when it has ended: which cells have changed becomes findings.
// Decisions: server/measure/cell_change.h.
#pragma once

#include <absl/status/status.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include "proto/base/clock.h"
#include "storage/database.h"
#include "storage/finding_store.h"

namespace torchlap::run {

// Only sweeps of suites are judged: who measures by hand looks at what comes out, and a cell that
// is measured once has no history. Runs by hand are part of a cell's history all the same, those of
// other users are not. Not thread-safe but for Stop; the arguments outlive it.
class SweepJudge {
 public:
  // `is_private`: of a baseline, too, the owner's runs alone count.
  SweepJudge(storage::Database* database, const Clock* clock, bool is_private)
      : database_(database), store_(database), clock_(clock), is_private_(is_private) {}

  // Judges every sweep that has ended and was not judged yet, also those that ended while there was
  // no daemon, and those that were judged before and of which runs were declared invalid, or valid
  // again, since. One that cannot be judged now is tried again at the next call; why is logged when
  // it is not what it was.
  void JudgeAll();
  // From here on nothing more is judged: JudgeAll leaves a sweep of many cells where it is, and
  // whoever judges later begins it anew.
  void Stop() { stops_ = true; }

 private:
  absl::Status Judge(const storage::EndedSweep& sweep);
  void Complain(uint64_t sweep_id, const absl::Status& status);

  storage::Database* const database_;
  storage::FindingStore store_;
  const Clock* const clock_;
  const bool is_private_;
  std::atomic<bool> stops_ = false;
  std::map<uint64_t, std::string> complaints_;  // by sweep; 0: of the list
};

}  // namespace torchlap::run
