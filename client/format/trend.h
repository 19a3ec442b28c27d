// What `trend` prints: series over time, and the steps in them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "client/format/document.h"
#include "client/format/terminal_plot.h"
#include "torchlap/v1/history.pb.h"

namespace torchlap::client::format {

struct TrendView {
  std::string phase = "step";  // its word
  // Nothing: only words and tables.
  std::optional<PlotArea> plot = {};
};

// For people of each series what it is, its plot, its steps, and on how much that stands. For
// programs a row a point, that of a step with what changed before it, or an array of the series.
// `response` has a series at least.
Document ShowTrend(const v1::GetTrendResponse& response, const TrendView& view);

// The segment of each point, from 1.
std::vector<uint32_t> SegmentsOf(const v1::TrendSeries& series);

// `driver 580.1 -> 580.9, torch unknown -> 2.9.1`; what stands in for nothing says so.
std::string ChangeWords(const v1::TrendStep& step);

// The runs in order, a segment's median through them, its steps, the baseline.
Plot TrendPlot(const v1::TrendSeries& series, const TrendView& view);

// In trend_json.cc, as the header of the library is heavy.
MakeObject TrendObject(const v1::GetTrendResponse& response, const std::string& phase);

}  // namespace torchlap::client::format
