#include "server/measure/device_summary.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "server/measure/workload_kind.h"

namespace torchlap::measure {
namespace {

struct Point {
  int64_t at_ns = 0;
  double value = 0;
};
using Series = std::vector<Point>;

// The measured steps, warm-up left out.
struct Window {
  int64_t begin_ns = 0;
  int64_t end_ns = 0;
  int steps = 0;
};

std::optional<Window> WindowOf(const v1::SampleBlock& samples) {
  const int steps = samples.step_ns_size();
  const uint32_t skipped = samples.warmup_steps() > samples.first_step()
                               ? samples.warmup_steps() - samples.first_step()
                               : 0;
  if (samples.start_ns_size() != steps || skipped >= static_cast<uint32_t>(steps)) {
    return std::nullopt;
  }
  const int first = static_cast<int>(skipped);
  return Window{samples.start_ns(first), samples.start_ns(steps - 1) + samples.step_ns(steps - 1),
                steps - first};
}

std::vector<v1::DeviceReading> Inside(const v1::Readings& readings, const Window& window) {
  std::vector<v1::DeviceReading> inside;
  for (const v1::DeviceReading& reading : readings.device()) {
    if (reading.at_ns() >= window.begin_ns && reading.at_ns() <= window.end_ns) {
      inside.push_back(reading);
    }
  }
  return inside;
}

// Of the readings that have it.
template <typename Number>
Series SeriesOf(const std::vector<v1::DeviceReading>& readings,
                bool (v1::DeviceReading::*has)() const, Number (v1::DeviceReading::*get)() const) {
  Series series;
  for (const v1::DeviceReading& reading : readings) {
    if ((reading.*has)()) {
      series.push_back({reading.at_ns(), static_cast<double>((reading.*get)())});
    }
  }
  return series;
}

int64_t LengthNs(const Series& series) {
  return series.empty() ? 0 : series.back().at_ns - series.front().at_ns;
}

// By trapezoids; of one point, or of several at one time, the first. Not empty.
double Mean(const Series& series) {
  if (LengthNs(series) <= 0) return series.front().value;
  double area = 0;
  for (size_t i = 1; i < series.size(); ++i) {
    area += (series[i].value + series[i - 1].value) / 2 *
            static_cast<double>(series[i].at_ns - series[i - 1].at_ns);
  }
  return area / static_cast<double>(LengthNs(series));
}

double Peak(const Series& series) {
  return std::max_element(series.begin(), series.end(),
                          [](const Point& a, const Point& b) { return a.value < b.value; })
      ->value;
}

void SetMeans(const std::vector<v1::DeviceReading>& inside, v1::Run* run) {
  using Reading = v1::DeviceReading;
  const Series power = SeriesOf(inside, &Reading::has_power_watts, &Reading::power_watts);
  if (!power.empty()) {
    run->mutable_device_summary()->set_power_mean_watts(Mean(power));
    run->mutable_device_summary()->set_power_peak_watts(Peak(power));
  }
  const Series clock = SeriesOf(inside, &Reading::has_sm_mhz, &Reading::sm_mhz);
  if (!clock.empty()) {
    run->mutable_device_summary()->set_sm_clock_mean_mhz(Mean(clock));
    run->mutable_device_summary()->set_sm_clock_peak_mhz(Peak(clock));
  }
  const Series heat =
      SeriesOf(inside, &Reading::has_temperature_celsius, &Reading::temperature_celsius);
  if (!heat.empty()) {
    run->mutable_device_summary()->set_temperature_mean_celsius(Mean(heat));
    run->mutable_device_summary()->set_temperature_peak_celsius(Peak(heat));
  }
}

struct Energy {
  double watts = 0;  // mean
  v1::EnergySource source = v1::ENERGY_SOURCE_UNSPECIFIED;
};

std::optional<Energy> EnergyOf(const std::vector<v1::DeviceReading>& inside) {
  const Series counter =
      SeriesOf(inside, &v1::DeviceReading::has_energy_mj, &v1::DeviceReading::energy_mj);
  if (LengthNs(counter) >= kShortestForEnergyNs) {
    // mJ in ns are 10^6 W. A counter that was set back is none.
    const double millijoules = counter.back().value - counter.front().value;
    if (millijoules > 0) {
      return Energy{millijoules * 1e6 / static_cast<double>(LengthNs(counter)),
                    v1::ENERGY_SOURCE_COUNTER};
    }
  }
  const Series power =
      SeriesOf(inside, &v1::DeviceReading::has_power_watts, &v1::DeviceReading::power_watts);
  if (LengthNs(power) < kShortestForEnergyNs) return std::nullopt;
  return Energy{Mean(power), v1::ENERGY_SOURCE_INTEGRATED};
}

void SetEnergy(const Energy& energy, const Window& window, v1::Run* run) {
  const double seconds = static_cast<double>(window.end_ns - window.begin_ns) / 1e9;
  const double step_joules = energy.watts * seconds / window.steps;
  v1::DeviceSummary* summary = run->mutable_device_summary();
  summary->set_energy_per_step_j(step_joules);
  summary->set_energy_source(energy.source);
  const double tokens = KindOf(run->workload()).StepTokens(run->workload());
  if (tokens > 0) summary->set_energy_per_token_mj(step_joules * 1e3 / tokens);
}

using Has = bool (v1::DeviceSummary::*)() const;
using Get = double (v1::DeviceSummary::*)() const;
using Set = void (v1::DeviceSummary::*)(double);

std::vector<double> Of(const std::vector<v1::Run>& runs, Has has, Get get) {
  std::vector<double> values;
  for (const v1::Run& run : runs) {
    if ((run.device_summary().*has)()) values.push_back((run.device_summary().*get)());
  }
  return values;
}

void PoolMean(const std::vector<v1::Run>& runs, Has has, Get get, Set set, v1::DeviceSummary* row) {
  const std::vector<double> values = Of(runs, has, get);
  if (values.empty()) return;
  double sum = 0;
  for (const double value : values) sum += value;
  (row->*set)(sum / static_cast<double>(values.size()));
}

void PoolPeak(const std::vector<v1::Run>& runs, Has has, Get get, Set set, v1::DeviceSummary* row) {
  const std::vector<double> values = Of(runs, has, get);
  if (!values.empty()) (row->*set)(*std::max_element(values.begin(), values.end()));
}

}  // namespace

void SummariseDevice(const v1::SampleBlock& samples, const v1::Readings& readings, v1::Run* run) {
  run->clear_device_summary();
  const std::optional<Window> window = WindowOf(samples);
  if (!window) return;
  const std::vector<v1::DeviceReading> inside = Inside(readings, *window);
  SetMeans(inside, run);
  if (run->workload().has_calibration() || run->device_uuid().starts_with("MIG-")) return;
  if (const auto energy = EnergyOf(inside)) SetEnergy(*energy, *window, run);
}

void PoolDeviceSummaries(const std::vector<v1::Run>& runs, v1::Run* row) {
  using Summary = v1::DeviceSummary;
  Summary pooled;
  for (const v1::Run& run : runs) {
    // The number of the marked one is larger.
    pooled.set_energy_source(
        std::max(pooled.energy_source(), run.device_summary().energy_source()));
  }
  PoolMean(runs, &Summary::has_energy_per_step_j, &Summary::energy_per_step_j,
           &Summary::set_energy_per_step_j, &pooled);
  PoolMean(runs, &Summary::has_energy_per_token_mj, &Summary::energy_per_token_mj,
           &Summary::set_energy_per_token_mj, &pooled);
  PoolMean(runs, &Summary::has_power_mean_watts, &Summary::power_mean_watts,
           &Summary::set_power_mean_watts, &pooled);
  PoolPeak(runs, &Summary::has_power_peak_watts, &Summary::power_peak_watts,
           &Summary::set_power_peak_watts, &pooled);
  PoolMean(runs, &Summary::has_sm_clock_mean_mhz, &Summary::sm_clock_mean_mhz,
           &Summary::set_sm_clock_mean_mhz, &pooled);
  PoolPeak(runs, &Summary::has_sm_clock_peak_mhz, &Summary::sm_clock_peak_mhz,
           &Summary::set_sm_clock_peak_mhz, &pooled);
  PoolMean(runs, &Summary::has_temperature_mean_celsius, &Summary::temperature_mean_celsius,
           &Summary::set_temperature_mean_celsius, &pooled);
  PoolPeak(runs, &Summary::has_temperature_peak_celsius, &Summary::temperature_peak_celsius,
           &Summary::set_temperature_peak_celsius, &pooled);
  row->clear_device_summary();
  if (pooled.ByteSizeLong() > 0) *row->mutable_device_summary() = std::move(pooled);
}

}  // namespace torchlap::measure
