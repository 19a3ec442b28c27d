#include "server/host/device_telemetry.h"

#include <algorithm>
#include <utility>

namespace torchlap::host {
namespace {

// A message that holds a stamp and nothing else is no reading.
bool TellsSomething(const v1::DeviceReading& reading) {
  v1::DeviceReading stamp;
  stamp.set_at_ns(reading.at_ns());
  return reading.ByteSizeLong() > stamp.ByteSizeLong();
}

void ReadState(const NvmlLibrary& nvml, NvmlDevice device, v1::DeviceReading* reading) {
  if (const auto mhz = nvml.SmClockMhz(device); mhz.ok()) reading->set_sm_mhz(*mhz);
  if (const auto milliwatts = nvml.PowerMilliwatts(device); milliwatts.ok()) {
    reading->set_power_watts(*milliwatts / 1000.0);
  }
  if (const auto celsius = nvml.TemperatureCelsius(device); celsius.ok()) {
    reading->set_temperature_celsius(*celsius);
  }
  if (const auto ratio = nvml.UtilisationRatio(device); ratio.ok()) {
    reading->set_utilisation_ratio(*ratio);
  }
  if (const auto reasons = nvml.ThrottleReasons(device); reasons.ok()) {
    reading->set_throttle_reasons(*reasons);
  }
  if (const auto memory = nvml.Memory(device); memory.ok()) {
    reading->set_used_bytes(memory->used_bytes);
  }
}

void ReadCounters(const NvmlLibrary& nvml, NvmlDevice device, v1::DeviceReading* reading) {
  if (const auto energy = nvml.EnergyMillijoules(device); energy.ok()) {
    reading->set_energy_mj(*energy);
  }
  if (const auto time = nvml.ViolationNs(device, NvmlViolation::kThermal); time.ok()) {
    reading->set_thermal_violation_ns(*time);
  }
  if (const auto time = nvml.ViolationNs(device, NvmlViolation::kPower); time.ok()) {
    reading->set_power_violation_ns(*time);
  }
  if (const auto time = nvml.ViolationNs(device, NvmlViolation::kBoardLimit); time.ok()) {
    reading->set_hardware_violation_ns(*time);
  }
}

}  // namespace

v1::DeviceReading ReadDevice(const NvmlLibrary& nvml, NvmlDevice device, int64_t at_ns) {
  v1::DeviceReading reading;
  reading.set_at_ns(at_ns);
  ReadState(nvml, device, &reading);
  ReadCounters(nvml, device, &reading);
  return reading;
}

DeviceTelemetry::DeviceTelemetry(std::shared_ptr<const NvmlLibrary> nvml, const std::string& uuid,
                                 v1::Telemetry mode, std::function<int64_t()> now_ns,
                                 std::filesystem::path root)
    : nvml_(std::move(nvml)),
      mode_(mode == v1::TELEMETRY_UNSPECIFIED ? v1::TELEMETRY_SAMPLED : mode),
      now_ns_(std::move(now_ns)),
      root_(std::move(root)) {
  if (nvml_ == nullptr || mode_ == v1::TELEMETRY_OFF) return;
  device_ = nvml_->DeviceOf(uuid).value_or(nullptr);
}

void DeviceTelemetry::Begin() {
  if (device_ == nullptr) return;
  AddReading();
  // What was before the run only sets the stamp from which its uses count.
  const auto before = nvml_->ProcessUse(device_, 0);
  tells_uses_ = before.ok();
  if (tells_uses_) {
    for (const NvmlProcessUse& use : *before) {
      last_stamp_us_ = std::max(last_stamp_us_, use.stamp_us);
    }
  }
  uses_from_ns_ = uses_until_ns_ = now_ns_();
  if (mode_ == v1::TELEMETRY_SAMPLED) next_ns_ = uses_from_ns_ + interval_ns_;
}

void DeviceTelemetry::Sample() {
  if (device_ == nullptr) return;
  // The last place is for End().
  if (readings_.size() + 1 >= kMaxReadings) DropEverySecond();
  AddReading();
  AddUses();
  next_ns_ = now_ns_() + interval_ns_;
}

void DeviceTelemetry::End() {
  if (device_ == nullptr) return;
  next_ns_.reset();
  AddReading();
  AddUses();
}

std::optional<int64_t> DeviceTelemetry::NextSampleNs() const { return next_ns_; }

std::vector<v1::DeviceReading> DeviceTelemetry::Take() { return std::exchange(readings_, {}); }

std::optional<std::vector<ProcessUse>> DeviceTelemetry::Processes() const {
  const auto window_ns = static_cast<double>(uses_until_ns_ - uses_from_ns_);
  if (!tells_uses_ || window_ns <= 0) return std::nullopt;
  std::vector<ProcessUse> processes;
  for (const auto& [pid, use] : uses_) {
    processes.push_back({pid, use.who, use.busy_ns / window_ns});
  }
  std::stable_sort(processes.begin(), processes.end(),
                   [](const auto& a, const auto& b) { return a.sm_ratio > b.sm_ratio; });
  return processes;
}

void DeviceTelemetry::AddReading() {
  v1::DeviceReading reading = ReadDevice(*nvml_, device_, now_ns_());
  if (TellsSomething(reading)) readings_.push_back(std::move(reading));
}

void DeviceTelemetry::AddUses() {
  if (!tells_uses_) return;
  const int64_t now = now_ns_();
  const auto stretch_ns = static_cast<double>(now - std::exchange(uses_until_ns_, now));
  // A failure is a stretch in which nobody was seen.
  const auto uses = nvml_->ProcessUse(device_, last_stamp_us_);
  if (!uses.ok()) return;
  std::map<pid_t, std::pair<double, int>> sums;
  for (const NvmlProcessUse& use : *uses) {
    last_stamp_us_ = std::max(last_stamp_us_, use.stamp_us);
    auto& [sum, count] = sums[static_cast<pid_t>(use.pid)];
    sum += use.sm_ratio;
    ++count;
  }
  for (const auto& [pid, sum] : sums) {
    const auto [use, is_new] = uses_.try_emplace(pid);
    // Now: at the end of the run it may be gone.
    if (is_new) use->second.who = NameOf(pid, root_);
    use->second.busy_ns += stretch_ns * sum.first / sum.second;
  }
}

void DeviceTelemetry::DropEverySecond() {
  size_t kept = 0;
  for (size_t i = 0; i < readings_.size(); i += 2) std::swap(readings_[kept++], readings_[i]);
  readings_.resize(kept);
  interval_ns_ *= 2;
}

}  // namespace torchlap::host
