// Plots of characters.
#pragma once

#include <cstddef>
#include <vector>

#include "client/format/document.h"
#include "client/format/plot.h"

namespace torchlap::client::format {

struct PlotArea {
  size_t width = 80;   // of a line, labels included
  size_t height = 16;  // rows from the topmost value to the lowest; 5 at least
  bool is_ascii = false;
};

// Title, the plot with its axes, the axes' titles, the legend. Points that are no finite numbers,
// or not above 0 on a logarithmic axis, are left out. One point, or equal values, stand in the
// middle. Nothing to draw: no lines. Names of others are made visible (proto/base/visible_text.h).
Lines DrawPlot(const Plot& plot, const PlotArea& area);

// 3 to 5 round numbers, the first not above `low`, the last not below `high`; where the two are
// equal, around them. Logarithmic: both above 0.
std::vector<Tick> RoundTicks(double low, double high, bool is_log);

}  // namespace torchlap::client::format
