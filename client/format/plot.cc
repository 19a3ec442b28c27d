#include "client/format/plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace torchlap::client::format {

bool IsEmpty(PlotRange range) {
  const double size = std::max(std::abs(range.low), std::abs(range.high));
  return range.high - range.low <= size * 1e-12;
}

PlotRange Around(double value) {
  const double margin = value == 0 ? 1 : std::abs(value) / 10;
  return {value - margin, value + margin};
}

PlotRange XValues(const Plot& plot) {
  constexpr double kLargest = std::numeric_limits<double>::max();
  PlotRange range{kLargest, -kLargest};
  const auto widen = [&range](double value) {
    range = {std::min(range.low, value), std::max(range.high, value)};
  };
  for (const PlotLine& line : plot.lines) {
    for (const PlotPoint& point : line.points) widen(point.x);
  }
  for (const Tick& tick : plot.x.ticks) widen(tick.at);
  return range;
}

PlotRange WithMargins(PlotRange range, bool is_log) {
  constexpr double kShare = 0.05;
  if (IsEmpty(range)) return Around(range.low);
  if (is_log) {
    const double factor = std::pow(range.high / range.low, kShare);
    return {range.low / factor, range.high * factor};
  }
  const double margin = (range.high - range.low) * kShare;
  return {range.low - margin, range.high + margin};
}

}  // namespace torchlap::client::format
