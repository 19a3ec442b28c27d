#include "client/format/pivot_cells.h"

#include <fmt/format.h>

#include <cmath>

#include "client/format/column_cells.h"
#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/subject.h"

namespace torchlap::client::format {
namespace {

constexpr double kMillisecondNs = 1e6;

bool IsOk(const v1::Run& run) { return run.outcome() == v1::OUTCOME_OK; }

std::string PhaseText(const RunColumn& mean, const v1::Run& run, double mean_ns) {
  std::optional<double> std_ms = Neighbour(mean, run, "std_ns");
  if (std_ms) *std_ms /= kMillisecondNs;
  return Measured(mean_ns / kMillisecondNs, std_ms);
}

struct Estimate {
  double number;
  std::optional<double> half_width;
};

std::optional<Estimate> EstimateOf(const PivotValue& value, const v1::Run& run) {
  if (!IsOk(run)) return std::nullopt;
  const auto number =
      value.is_phase ? Neighbour(value.column, run, "median_ns") : StoredNumber(value.column, run);
  if (!number || !std::isfinite(*number) || *number <= 0) return std::nullopt;
  Estimate estimate{*number, std::nullopt};
  if (IsMedian(value)) estimate.half_width = HalfWidth(value.column, run);
  return estimate;
}

}  // namespace

std::string ValueTitle(const PivotValue& value) {
  if (value.is_phase) return value.name + " (ms)";
  return ColumnTitle(value.column);
}

std::vector<std::string> ValueNames(const PivotValue& value) {
  if (!value.is_phase) return {value.column.shown_name};
  return {value.column.shown_name, value.name + "_std_ms"};
}

std::string NumberText(const PivotValue& value, const v1::Run& run) {
  if (!IsOk(run)) return WhyNoNumber(run);
  const auto number = StoredNumber(value.column, run);
  if (!number) return kNotApplicable;
  return value.is_phase ? PhaseText(value.column, run, *number)
                        : ColumnText(value.column, run, *number);
}

std::vector<Value> Numbers(const PivotValue& value, const v1::Run& run) {
  std::vector<Value> numbers(ValueNames(value).size());
  if (!IsOk(run)) return numbers;
  numbers.front() = RunValues({value.column}).Of(run).front();
  if (!value.is_phase) return numbers;
  if (const auto std_ns = Neighbour(value.column, run, "std_ns")) {
    numbers.back() = *std_ns / kMillisecondNs;
  }
  return numbers;
}

// The errors are small and independent, so relative ones add in quadrature; of a ratio they are
// those of its logarithm, which makes the interval of B over A the inverse of that of A over B.
std::optional<Ratio> RatioOf(const PivotValue& value, const v1::Run& run, const v1::Run& base) {
  const auto own = EstimateOf(value, run);
  const auto other = EstimateOf(value, base);
  if (!own || !other || !HaveSameSizes(run, base)) return std::nullopt;
  const double times = own->number / other->number;
  Ratio ratio{IsTime(value) ? 1 / times : times, std::nullopt, std::nullopt};
  if (!own->half_width || !other->half_width) return ratio;
  const double error =
      std::hypot(*own->half_width / own->number, *other->half_width / other->number);
  ratio.low = ratio.ratio * std::exp(-error);
  ratio.high = ratio.ratio * std::exp(error);
  return ratio;
}

std::string RatioText(const Ratio& ratio) {
  if (!ratio.low || !ratio.high) return fmt::format("{:.2f}x", ratio.ratio);
  constexpr double kNarrow = 0.02;  // two decimals would hide the interval
  const int decimals = *ratio.high - *ratio.low < kNarrow ? 3 : 2;
  return fmt::format("{:.{}f}x [{:.{}f}, {:.{}f}]", ratio.ratio, decimals, *ratio.low, decimals,
                     *ratio.high, decimals);
}

bool IsMedian(const PivotValue& value) {
  return value.column.path.front()->message_type() == v1::PhaseSummary::descriptor() &&
         (value.is_phase || FieldName(value.column) == "median_ns");
}

bool IsTime(const PivotValue& value) { return value.column.stored == v1::UNIT_NANOSECONDS; }

bool HaveSameSizes(const v1::Run& a, const v1::Run& b) {
  const Subject of_a = SubjectOf(a);
  const Subject of_b = SubjectOf(b);
  const bool share_batch =
      a.requested_batch_size() != b.requested_batch_size() || of_a.batch_size == of_b.batch_size;
  const bool share_context = a.requested_context_length() != b.requested_context_length() ||
                             of_a.context_length == of_b.context_length;
  return share_batch && share_context;
}

}  // namespace torchlap::client::format
