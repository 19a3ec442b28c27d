// What `suite` prints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client::format {

// A row a suite. In a terminal's table (`in_short`) what does not fit is cut.
Document ListSuites(const std::vector<v1::Suite>& suites, bool in_short);

// One line: when it runs.
Document ShowSuiteAdded(const v1::AddSuiteRequest& suite, const v1::AddSuiteResponse& response);

// One line.
Document ShowSuiteRemoved(const std::string& name);

// A sweep of a file as it would be submitted.
struct CheckedSweep {
  v1::SubmitJobsRequest request;
  std::string baseline;                              // empty: none
  std::optional<v1::ForecastJobsResponse> forecast;  // nothing: the daemon was not asked
};

// A row a sweep, what all would take where the daemon was asked, with the cells that cannot fit and
// the `command` that prints all cells, and what was checked: `checked`, one line.
Document ShowSuiteCheck(const std::vector<CheckedSweep>& sweeps, const std::string& checked,
                        const std::string& command);

}  // namespace torchlap::client::format
