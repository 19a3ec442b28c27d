// What `baseline` prints.
#pragma once

#include <string>

#include "client/format/document.h"
#include "torchlap/v1/history.pb.h"

namespace torchlap::client::format {

// One line, and how to use what was set.
Document ShowBaselineSet(const v1::SetBaselineResponse& response);

// One line.
Document ShowBaselineCleared(const v1::ClearBaselineResponse& response);

// A row a series. In a terminal's table (`in_short`) reasons may be cut.
Document ListBaselines(v1::ListBaselinesResponse response, bool in_short);

}  // namespace torchlap::client::format
