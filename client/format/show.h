// `show 17` and `show 17.2`.
#pragma once

#include <cstdint>
#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/job.pb.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client::format {

// What was stable around a run, by name: `torch`, `driver`, `cores` ...
Fields EnvironmentFields(const v1::Environment& environment);

// A run with all that is kept about it. Blocks in the order of their steps.
struct RunDetails {
  v1::RunDetail detail;
  std::vector<v1::SampleBlock> samples;
};

// For people what the job asks for and how it went, then a table of its attempts with bytes asked
// for and free, verdicts, and the advice of `cells`, the rows that `export` has for the job.
Document ShowJob(const v1::Job& job, const std::vector<v1::Run>& cells);
// The jobs of a sweep, one after another, each as ShowJob shows it without advice; at least one.
Document ShowSweep(const std::vector<v1::Job>& jobs);
// For people the verdict with its evidence, what was in force, phases, memory, environment, the
// device's readings, a table of all steps, and advice.
Document ShowRun(const RunDetails& run);

// For programs one object each. `runs` of a job are objects with all columns of an export; a run is
// such an object with `samples`, `environment`, `readings` and `assessment` added (and
// `calibration`, of a run of that purpose).
MakeObject JobObject(const v1::Job& job);
// `{"sweep_id": 3, ..., "jobs": [...]}`.
MakeObject SweepObject(const std::vector<v1::Job>& jobs);
MakeObject RunDetailsObject(const RunDetails& run);

}  // namespace torchlap::client::format
