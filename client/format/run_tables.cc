#include "client/format/run_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "client/format/numbers.h"

namespace torchlap::client::format {
namespace {

std::string MsText(bool known, double ns) { return known ? Significant(ns / 1e6, 5) : "-"; }

// With its interval where there is one.
std::string MedianText(const v1::PhaseSummary& summary) {
  const bool has_interval = summary.has_median_low_ns() && summary.has_median_high_ns() &&
                            summary.median_high_ns() > summary.median_low_ns();
  if (!has_interval) return MsText(summary.has_median_ns(), summary.median_ns());
  return InInterval(summary.median_ns() / 1e6, summary.median_low_ns() / 1e6,
                    summary.median_high_ns() / 1e6);
}

struct SampleColumn {
  const char* title;
  const google::protobuf::RepeatedField<int64_t>& (v1::SampleBlock::*times)() const;
};

constexpr SampleColumn kSampleColumns[] = {
    {"forward (ms)", &v1::SampleBlock::forward_ns},
    {"loss (ms)", &v1::SampleBlock::loss_ns},
    {"backward (ms)", &v1::SampleBlock::backward_ns},
    {"optimizer (ms)", &v1::SampleBlock::optimizer_ns},
    {"step (ms)", &v1::SampleBlock::step_ns},
    {"others' CPU (ms)", &v1::SampleBlock::foreign_cpu_ns},
    {"waited (ms)", &v1::SampleBlock::run_delay_ns},
};

bool IsTimed(const SampleColumn& column, const std::vector<v1::SampleBlock>& blocks) {
  return std::any_of(blocks.begin(), blocks.end(), [&column](const v1::SampleBlock& block) {
    return !(block.*column.times)().empty();
  });
}

void AppendSampleRows(const v1::SampleBlock& block, const std::vector<SampleColumn>& columns,
                      Grid* grid) {
  for (int i = 0; i < block.step_ns_size(); ++i) {
    const uint32_t step = block.first_step() + static_cast<uint32_t>(i);
    std::vector<std::string>& row = grid->rows.emplace_back();
    row = {std::to_string(step), step < block.warmup_steps() ? "warm-up" : "-"};
    for (const SampleColumn& column : columns) {
      const auto& times = (block.*column.times)();
      row.push_back(i < times.size() ? fmt::format("{:.3f}", static_cast<double>(times[i]) / 1e6)
                                     : "-");
    }
  }
}

// `12.5`, or `-` where the device does not tell.
template <typename Number>
std::string Reading(bool known, Number number) {
  return known ? fmt::format("{}", number) : "-";
}

}  // namespace

Grid PhaseGrid(const v1::Run& run) {
  Grid grid;
  grid.titles = {"phase", "mean (ms)", "median (ms) [95 %]", "min (ms)", "max (ms)", "p95 (ms)",
                 "CV",    "outliers"};
  for (const NamedPhase& phase : kNamedPhases) {
    const v1::PhaseSummary& summary = (run.*phase.summary)();
    if (!summary.has_mean_ns()) continue;
    std::optional<double> std_ms;
    if (summary.has_std_ns()) std_ms = summary.std_ns() / 1e6;
    grid.rows.push_back({phase.name, Measured(summary.mean_ns() / 1e6, std_ms), MedianText(summary),
                         MsText(summary.has_min_ns(), summary.min_ns()),
                         MsText(summary.has_max_ns(), summary.max_ns()),
                         MsText(summary.has_p95_ns(), summary.p95_ns()),
                         summary.has_cv() ? Percent(summary.cv()) : "-",
                         summary.has_outliers() ? std::to_string(summary.outliers()) : "-"});
  }
  return grid;
}

Grid SampleGrid(const std::vector<v1::SampleBlock>& blocks) {
  std::vector<SampleColumn> columns;
  Grid grid;
  grid.caption = "steps are counted from 0";
  grid.titles = {"step", "warm-up"};
  for (const SampleColumn& column : kSampleColumns) {
    if (!IsTimed(column, blocks)) continue;
    columns.push_back(column);
    grid.titles.emplace_back(column.title);
  }
  for (const v1::SampleBlock& block : blocks) AppendSampleRows(block, columns, &grid);
  return grid;
}

// The counters are of use as differences only; they are in json.
Grid DeviceGrid(const v1::Readings& readings) {
  Grid grid;
  grid.titles = {"at (s)", "SM (MHz)", "power (W)", "C", "utilisation", "used", "throttled"};
  for (const v1::DeviceReading& reading : readings.device()) {
    const int64_t since_first = reading.at_ns() - readings.device(0).at_ns();
    grid.rows.push_back(
        {fmt::format("{:.2f}", static_cast<double>(since_first) / 1e9),
         Reading(reading.has_sm_mhz(), reading.sm_mhz()),
         Reading(reading.has_power_watts(), reading.power_watts()),
         Reading(reading.has_temperature_celsius(), reading.temperature_celsius()),
         reading.has_utilisation_ratio() ? PercentShort(reading.utilisation_ratio()) : "-",
         reading.has_used_bytes() ? BytesShort(reading.used_bytes()) : "-",
         reading.has_throttle_reasons() ? fmt::format("{:#x}", reading.throttle_reasons()) : "-"});
  }
  return grid;
}

}  // namespace torchlap::client::format
