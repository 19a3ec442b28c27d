// `run_rollup`: counts and sums of runs by what they computed, how, for what, and what became of
// it. Kept in the transaction that changes a run.
//
// `runs` counts every finished run. The counts and sums of the phases are of those that stand for
// their launch: the last OK run of each that is not declared invalid (in purposes other than
// measure and warmup, each such run).
#pragma once

#include <SQLiteCpp/Database.h>

#include <cstdint>
#include <string>

namespace torchlap::storage {

// Within a transaction of the caller's. All throw SQLite::Exception.

// A run that has just ended: it is put in, and what stood for its launch until now is taken out.
void AddRunToRollup(SQLite::Database& database, int64_t run);

// The share of the finished runs of whole jobs. Which run stands for a launch may change with any
// of its runs: take the share out, change or delete runs, put it in again. `jobs`: an IdList
// (id_list.h).
void TakeJobsFromRollup(SQLite::Database& database, const std::string& jobs);
void PutJobsIntoRollup(SQLite::Database& database, const std::string& jobs);

// From nothing but the runs. Also of a file whose runs have no `invalid_reason` yet.
void CountRollupAnew(SQLite::Database& database);

}  // namespace torchlap::storage
