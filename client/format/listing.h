// Lists that are not runs: queue, devices, presets, the daemon's status, cancelled jobs.
#pragma once

#include <ostream>
#include <vector>

#include "client/format/format.h"
#include "client/format/grid.h"
#include "client/format/sheet.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client::format {

// The same rows for people and for programs.
struct Listing {
  Grid grid;
  Sheet sheet;
};

Listing ListQueue(const std::vector<v1::Job>& jobs);
Listing ListDevices(const std::vector<v1::Device>& devices);
Listing ListPresets(const std::vector<v1::Preset>& presets);
Listing ListCancelled(const v1::CancelJobsResponse& response);
// One row in the sheet; for people one line a value. `address` is where it answered.
Listing ListStatus(const v1::GetDaemonStatusResponse& status, const std::string& address);

// Any format but writeup.
void WriteListing(Format format, const Listing& listing, std::ostream& out);

}  // namespace torchlap::client::format
