// `show 17` and `show 17.2`.
#pragma once

#include <cstdint>
#include <ostream>
#include <vector>

#include "torchlap/v1/job.pb.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client::format {

// A run with all that is kept about it. Blocks in the order of their steps.
struct RunDetails {
  v1::RunDetail detail;
  std::vector<v1::SampleBlock> samples;
};

// What the job asks for and how it went, then a table of its attempts with bytes asked for and
// free, verdicts that are not clean, and what its last run advises.
void WriteJob(const v1::Job& job, std::ostream& out);
// Verdict with its evidence, what was in force, phases, memory, environment, the device's readings,
// a table of all steps, and advice.
void WriteRun(const RunDetails& run, std::ostream& out);

// One object each. `runs` of a job are objects with all columns of an export; a run is such an
// object with `samples`, `environment`, `readings` and `assessment` added (and `calibration`, of a
// run of that purpose).
void WriteJobJson(const v1::Job& job, std::ostream& out);
void WriteRunJson(const RunDetails& run, std::ostream& out);

// `{"sweep_id": 3, "job_ids": [17, 18]}`.
void WriteSubmittedJson(const v1::SubmitJobsResponse& response, std::ostream& out);

}  // namespace torchlap::client::format
