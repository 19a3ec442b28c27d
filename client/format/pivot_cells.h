// One cell of a pivot table (pivot.h): its numbers, or why there are none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/format/sheet.h"
#include "client/pivot.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// `step median (ms)`, `tokens/s`: of people's columns.
std::string ValueTitle(const PivotValue& value);

// Of programs' columns: `step_median_ms`; of a phase `step_mean_ms` and `step_std_ms`.
std::vector<std::string> ValueNames(const PivotValue& value);

// `152.3`, ended where its noise begins; of a phase `152.3 ± 8.5`. `-`: a run that ended OK without
// that number. Of others WhyNoNumber (column_cells.h).
std::string NumberText(const PivotValue& value, const v1::Run& run);

// As many as ValueNames, in full; unknown where the run has no number.
std::vector<Value> Numbers(const PivotValue& value, const v1::Run& run);

// How many times as fast; of what is no time, how many times as much. The interval is set where
// both are medians that have one.
struct Ratio {
  double ratio;
  std::optional<double> low;
  std::optional<double> high;
};

// Nothing where one of them has no number, or they ran at other sizes. A phase is compared by its
// medians.
std::optional<Ratio> RatioOf(const PivotValue& value, const v1::Run& run, const v1::Run& base);

// `1.87x [1.80, 1.95]`
std::string RatioText(const Ratio& ratio);

// Whether a ratio of this value can have an interval.
bool IsMedian(const PivotValue& value);

// Whether less is better.
bool IsTime(const PivotValue& value);

// Whether the sizes that ran are the same.
bool HaveSameSizes(const v1::Run& a, const v1::Run& b);

}  // namespace torchlap::client::format
