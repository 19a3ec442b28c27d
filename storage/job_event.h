// The numbered changes of jobs: written in the transaction of the change.
#pragma once

#include <SQLiteCpp/Database.h>

#include <cstdint>

#include "torchlap/v1/job.pb.h"

namespace torchlap::storage {

struct JobChange {
  uint64_t job_id = 0;
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;  // after the change
  int64_t at_ns = 0;
  // The run that began or ended with the change; 0: none.
  uint32_t run_number = 0;
  bool run_began = false;
};

void RecordEvent(SQLite::Database& database, const JobChange& change);

}  // namespace torchlap::storage
