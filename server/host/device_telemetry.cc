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

void ReadOwn(const NvmlLibrary& nvml, NvmlDevice device, v1::DeviceReading* reading) {
  if (const auto ratio = nvml.UtilisationRatio(device); ratio.ok()) {
    reading->set_utilisation_ratio(*ratio);
  }
  if (const auto memory = nvml.Memory(device); memory.ok()) {
    reading->set_used_bytes(memory->used_bytes);
  }
  if (const auto energy = nvml.EnergyMillijoules(device); energy.ok()) {
    reading->set_energy_mj(*energy);
  }
}

void ReadClock(const NvmlLibrary& nvml, NvmlDevice gpu, v1::DeviceReading* reading) {
  if (const auto mhz = nvml.SmClockMhz(gpu); mhz.ok()) reading->set_sm_mhz(*mhz);
  if (const auto milliwatts = nvml.PowerMilliwatts(gpu); milliwatts.ok()) {
    reading->set_power_watts(*milliwatts / 1000.0);
  }
  if (const auto celsius = nvml.TemperatureCelsius(gpu); celsius.ok()) {
    reading->set_temperature_celsius(*celsius);
  }
  if (const auto reasons = nvml.ThrottleReasons(gpu); reasons.ok()) {
    reading->set_throttle_reasons(*reasons);
  }
}

void ReadViolations(const NvmlLibrary& nvml, NvmlDevice gpu, v1::DeviceReading* reading) {
  if (const auto time = nvml.ViolationNs(gpu, NvmlViolation::kThermal); time.ok()) {
    reading->set_thermal_violation_ns(*time);
  }
  if (const auto time = nvml.ViolationNs(gpu, NvmlViolation::kPower); time.ok()) {
    reading->set_power_violation_ns(*time);
  }
  if (const auto time = nvml.ViolationNs(gpu, NvmlViolation::kBoardLimit); time.ok()) {
    reading->set_hardware_violation_ns(*time);
  }
}

template <typename Entry>
void DropEverySecond(std::vector<Entry>* entries) {
  size_t kept = 0;
  for (size_t i = 0; i < entries->size(); i += 2) std::swap((*entries)[kept++], (*entries)[i]);
  entries->resize(kept);
}

}  // namespace

v1::DeviceReading ReadDevice(const NvmlLibrary& nvml, NvmlDevice device, int64_t at_ns) {
  v1::DeviceReading reading;
  reading.set_at_ns(at_ns);
  const NvmlDevice gpu = nvml.GpuOf(device);
  ReadOwn(nvml, device, &reading);
  ReadClock(nvml, gpu, &reading);
  ReadViolations(nvml, gpu, &reading);
  return reading;
}

DeviceTelemetry::DeviceTelemetry(std::shared_ptr<const NvmlLibrary> nvml, const std::string& uuid,
                                 v1::Telemetry mode, const Clock* clock, std::filesystem::path root)
    : nvml_(std::move(nvml)),
      mode_(mode == v1::TELEMETRY_UNSPECIFIED ? v1::TELEMETRY_SAMPLED : mode),
      clock_(*clock),
      root_(std::move(root)) {
  if (nvml_ == nullptr || mode_ == v1::TELEMETRY_OFF) return;
  device_ = nvml_->DeviceOf(uuid).value_or(nullptr);
}

void DeviceTelemetry::Begin(pid_t worker) {
  if (device_ == nullptr) return;
  worker_ = worker;
  began_ns_ = clock_.MonotonicNs();
  use_.has_own_pids = SeesHostPids(root_);
  if (auto watch = nvml_->WatchXids(device_); watch.ok()) xid_watch_ = *std::move(watch);
  AddReading();
  AddProcesses();
  if (mode_ == v1::TELEMETRY_SAMPLED) next_ns_ = clock_.MonotonicNs() + interval_ns_;
}

void DeviceTelemetry::Sample() {
  if (device_ == nullptr) return;
  // The last place is for End().
  if (readings_.size() + 1 >= kMaxReadings) {
    DropEverySecond(&readings_);
    interval_ns_ *= 2;
  }
  AddReading();
  AddProcesses();
  next_ns_ = clock_.MonotonicNs() + interval_ns_;
}

void DeviceTelemetry::End() {
  if (device_ == nullptr) return;
  next_ns_.reset();
  AddReading();
  AddProcesses();
  AddXids();
}

std::optional<int64_t> DeviceTelemetry::NextSampleNs() const { return next_ns_; }

std::vector<v1::DeviceReading> DeviceTelemetry::Take() { return std::exchange(readings_, {}); }

DeviceUse DeviceTelemetry::Use() const {
  DeviceUse use = use_;
  for (const auto& [pid, process] : processes_) use.processes.push_back(process);
  return use;
}

void DeviceTelemetry::AddReading() {
  v1::DeviceReading reading = ReadDevice(*nvml_, device_, clock_.MonotonicNs());
  if (TellsSomething(reading)) readings_.push_back(std::move(reading));
}

void DeviceTelemetry::AddProcesses() {
  // Who has ended since the last look may still be in the samples.
  std::set<pid_t> known = std::exchange(listed_, {});
  const int64_t now_ns = clock_.MonotonicNs();
  if (const auto processes = UnnamedProcessesOn(*nvml_, device_); processes.ok()) {
    use_.looks_ns.push_back(now_ns);
    for (const GpuProcess& process : *processes) {
      listed_.insert(process.pid);
      ProcessUse* use = UseOf(process.pid);
      use->computes = use->computes || process.computes;
    }
  }
  known.insert(listed_.begin(), listed_.end());
  // For want of a list of its own: short runs end before a second look.
  known.insert(worker_);
  AddSamples(known);
}

void DeviceTelemetry::AddSamples(const std::set<pid_t>& known) {
  const auto samples = nvml_->ProcessUse(device_, last_stamp_us_);
  if (!samples.ok()) return;
  use_.tells_samples = true;
  const int64_t now_ns = clock_.MonotonicNs();
  const int64_t wall_us = clock_.WallNs() / 1000;
  for (const NvmlProcessUse& sample : *samples) {
    const auto pid = static_cast<pid_t>(sample.pid);
    const auto stamp_us = static_cast<int64_t>(sample.stamp_us);
    if (sample.sm_ratio > 1 || !known.contains(pid) || stamp_us < 0 || stamp_us > wall_us) continue;
    last_stamp_us_ = std::max(last_stamp_us_, sample.stamp_us);
    const int64_t at_ns = now_ns - (wall_us - stamp_us) * 1000;
    if (at_ns >= began_ns_) AddSample(pid, {at_ns, sample.sm_ratio});
  }
}

void DeviceTelemetry::AddSample(pid_t pid, const UseSample& sample) {
  std::vector<UseSample>& samples = UseOf(pid)->samples;
  if (samples.size() >= kMaxUseSamples) DropEverySecond(&samples);
  const auto is_earlier = [](const UseSample& a, const UseSample& b) { return a.at_ns < b.at_ns; };
  samples.insert(std::upper_bound(samples.begin(), samples.end(), sample, is_earlier), sample);
}

ProcessUse* DeviceTelemetry::UseOf(pid_t pid) {
  const auto [use, is_new] = processes_.try_emplace(pid);
  if (is_new) {
    use->second.pid = pid;
    // Now: at the end of the run it may be gone.
    use->second.who = NameOf(pid, root_);
  }
  return &use->second;
}

void DeviceTelemetry::AddXids() {
  if (xid_watch_ == nullptr) return;
  xids_ = xid_watch_->Take();
  xid_watch_.reset();
}

}  // namespace torchlap::host
