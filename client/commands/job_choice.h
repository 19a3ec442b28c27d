// From a selection to jobs.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <vector>

#include "client/daemon_channel.h"
#include "client/selector.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// The first `most` of a list of jobs, page by page.
absl::StatusOr<std::vector<v1::Job>> ListJobsUpTo(uint32_t most, v1::ListJobsRequest request,
                                                  DaemonChannel* channel);

// Every page of a list of jobs.
absl::StatusOr<std::vector<v1::Job>> ListAllJobs(v1::ListJobsRequest request,
                                                 DaemonChannel* channel);

// A selector for the calls that take one: labels are looked up among the jobs and become ids.
// `states`: which jobs a label may mean; empty for all. NOT_FOUND: no job has the labels.
absl::StatusOr<v1::Selector> ChooseJobs(const Selection& selection,
                                        const std::vector<v1::JobState>& states,
                                        DaemonChannel* channel);

}  // namespace torchlap::client
