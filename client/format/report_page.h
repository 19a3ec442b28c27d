// One page about the results of jobs, that needs nothing but itself: no network, no script.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/format/document.h"
#include "client/format/legend.h"
#include "torchlap/v1/history.pb.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// Runs whose steps are drawn; the page says how many more there are.
inline constexpr size_t kMostStepCharts = 40;

// A run with its steps: blocks in their order.
struct ReportRun {
  v1::Run run;
  std::vector<v1::SampleBlock> samples;
};

// What the page tells. What is empty or unset is left out of it.
struct Report {
  std::string title;      // in the user's words
  std::string selection;  // as typed: `last`, `sweep:3`
  std::string host;
  std::string user;
  std::string daemon_version;
  int64_t made_at_ns = 0;

  std::vector<v1::Run> cells;  // rows of the result table
  std::vector<ReportRun> runs;
  uint64_t more_runs = 0;          // with steps, that are not among `runs`
  std::vector<Block> experiments;  // warm-ups, fits, calibrations, as their commands show them
  std::vector<v1::ComparedCell> compared;  // A: the caller's baseline
  std::vector<v1::TrendSeries> trends;
  std::vector<DeviceNote> environments;  // one an environment
};

// The whole page, HTML. Numbers are those of the result table and of `show`, by the same functions.
std::string ReportPage(const Report& report);

}  // namespace torchlap::client::format
