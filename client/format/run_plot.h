// From rows of an export to a plot of them.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "client/format/document.h"
#include "client/format/plot.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// As typed.
struct PlotWords {
  std::optional<std::string> x = {};   // an axis, or a column with numbers
  std::optional<std::string> y = {};   // a column with numbers
  std::optional<std::string> by = {};  // an axis
  bool log_x = false;
  bool log_y = false;
  std::optional<std::string> title = {};
};

// What x and by may be: `context`, `batch`, `size` ...
std::vector<std::string> PlotAxisNames();

// The columns with numbers, which x and y may be, with their units.
std::vector<std::string> PlotColumnNames();

// INVALID_ARGUMENT: a word that is none of those, `by` is `x`, or log_x where `x` has no numbers.
absl::Status CheckPlotWords(const PlotWords& words);

struct RunPlot {
  Plot plot;
  Lines notes;  // which rows are not drawn, and why; which are drawn and not what they seem
};

// Rows with a value of y, by x. What else varies between them makes the lines, `by` first. Sizes of
// models and words are categories, evenly spaced. Bars are the 95 % interval where y is a median,
// one standard deviation where it is a mean. Bytes and large numbers are in larger units, which the
// titles say. Where nothing is said: y is the median of the step, x the axis with numbers that has
// most values, else the model's size. INVALID_ARGUMENT: as CheckPlotWords. NOT_FOUND: no row can be
// drawn; the message names one and says why.
absl::StatusOr<RunPlot> PlotRuns(const std::vector<v1::Run>& rows, const PlotWords& words);

}  // namespace torchlap::client::format
