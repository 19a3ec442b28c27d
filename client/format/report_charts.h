// What the charts of a report show: from runs to charts (svg_chart.h), each with the table of its
// numbers beside it. All give HTML; empty where there is nothing to show. Pure.
#pragma once

#include <string>
#include <vector>

#include "client/format/report_page.h"

namespace torchlap::client::format {

// A bar a phase and cell: the median and its 95 % interval. A chart for each of the Tables().
std::string PhaseCharts(const std::vector<v1::Run>& cells);

// The steps of one run, warm-up and disturbed steps marked.
std::string StepChart(const ReportRun& run);

// The peak of memory against batch and context, as far as the cells differ in them, else a bar a
// cell. What did not fit stands at what it asked for. The device's limit is drawn unless it is far
// above.
std::string MemoryCharts(const std::vector<v1::Run>& cells);

// The cells against the caller's baseline: time over time of the baseline. Those that only one side
// has are counted.
std::string BaselineChart(const std::vector<v1::ComparedCell>& compared);

// A line a series of at least three runs, with the steps that were found: below it when each was,
// how large, and what changed in the environment.
std::string TrendCharts(const std::vector<v1::TrendSeries>& trends);

// What tells a row from the others: `small, context 64`.
std::vector<std::string> CellNames(const std::vector<v1::Run>& cells);

}  // namespace torchlap::client::format
