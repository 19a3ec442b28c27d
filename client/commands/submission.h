// Submitting, as `run` and `submit` do it.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "client/daemon_channel.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// INVALID_ARGUMENT: the sweep's name is a number. Gives the request an id and submits it. If the
// connection breaks it is sent once more: by its id the daemon knows whether it has it already.
// Where no answer comes the error says that it may have been accepted, and the id is kept for the
// same command (client/unanswered.h).
absl::StatusOr<v1::SubmitJobsResponse> SubmitOnce(v1::SubmitJobsRequest request,
                                                  DaemonChannel* channel);

// `sweep:19, jobs 4 to 7: 4 cells`: what is about to be measured.
std::string StartLine(const v1::SubmitJobsResponse& submitted);

// What a submit that cannot print its result leaves its caller with, on one line, so that nobody
// submits twice.
std::string SubmittedWords(const v1::SubmitJobsResponse& submitted);

}  // namespace torchlap::client
