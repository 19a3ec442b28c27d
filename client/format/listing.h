// Lists that are not runs: queue, devices, presets, the daemon's status, cancelled jobs.
#pragma once

#include <string>
#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client::format {

// The same rows for people and for programs.
// `now_ns`: what a running job has run until.
Document ListQueue(const std::vector<v1::Job>& jobs, int64_t now_ns);
Document ListDevices(const std::vector<v1::Device>& devices);
Document ListPresets(const std::vector<v1::Preset>& presets);
// In a terminal's table one line with the counts where they are more than 20.
Document ListCancelled(const v1::CancelJobsResponse& response);
// One row for programs; for people one line a value. `address` is where it answered.
Document ListStatus(const v1::GetDaemonStatusResponse& status, const std::string& address);

}  // namespace torchlap::client::format
