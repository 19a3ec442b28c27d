// `submit`: the sweep and its jobs.
#pragma once

#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client::format {

// `sweep:3 jobs 17 18`, `{"sweep_id": 3, "job_ids": [17, 18]}`, or a row a job.
Document ShowSubmitted(const v1::SubmitJobsResponse& response);
// The same of several sweeps; for programs a row a job.
Document ShowSubmitted(const std::vector<v1::SubmitJobsResponse>& responses);
MakeObject SubmittedObject(const v1::SubmitJobsResponse& response);

}  // namespace torchlap::client::format
