#include "server/measure/device_busy.h"

#include <google/protobuf/repeated_field.h>

#include <algorithm>
#include <numeric>

namespace torchlap::measure {
namespace {

using google::protobuf::RepeatedField;

constexpr int64_t kUtilisationPeriodNs = 1'000'000'000;
constexpr int kFewestReadings = 2;

int FirstMeasured(const v1::SampleBlock& samples) {
  const uint32_t first = samples.first_step();
  return static_cast<int>(samples.warmup_steps() - std::min(samples.warmup_steps(), first));
}

double SumFrom(const RepeatedField<int64_t>& times, int first) {
  return std::accumulate(times.begin() + std::min(first, times.size()), times.end(), 0.0);
}

std::optional<double> ByEvents(const v1::SampleBlock& samples) {
  const int first = FirstMeasured(samples);
  const double host = SumFrom(samples.step_ns(), first);
  const double phases =
      SumFrom(samples.device_forward_ns(), first) + SumFrom(samples.device_loss_ns(), first) +
      SumFrom(samples.device_backward_ns(), first) + SumFrom(samples.device_optimizer_ns(), first);
  const double device = phases > 0 ? phases : SumFrom(samples.device_step_ns(), first);
  if (!(host > 0) || !(device > 0)) return std::nullopt;
  return std::min(1.0, device / host);
}

std::optional<double> ByReadings(const v1::SampleBlock& samples, const v1::Readings& readings) {
  const int first = FirstMeasured(samples);
  const int last = samples.start_ns_size() - 1;
  if (last < first || samples.step_ns_size() <= last) return std::nullopt;
  const int64_t from_ns = samples.start_ns(first) + kUtilisationPeriodNs;
  const int64_t to_ns = samples.start_ns(last) + samples.step_ns(last);
  double sum = 0;
  int count = 0;
  for (const v1::DeviceReading& reading : readings.device()) {
    const bool counts =
        reading.has_utilisation_ratio() && reading.at_ns() >= from_ns && reading.at_ns() <= to_ns;
    if (!counts) continue;
    sum += reading.utilisation_ratio();
    ++count;
  }
  if (count < kFewestReadings) return std::nullopt;
  return std::min(1.0, sum / count);
}

}  // namespace

std::optional<double> DeviceBusyRatio(const v1::SampleBlock& samples,
                                      const v1::Readings& readings) {
  const std::optional<double> by_events = ByEvents(samples);
  const std::optional<double> by_readings = ByReadings(samples, readings);
  if (!by_events || !by_readings) return by_events ? by_events : by_readings;
  return std::min(*by_events, *by_readings);
}

}  // namespace torchlap::measure
