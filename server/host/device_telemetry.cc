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
  last_stamp_us_ = static_cast<uint64_t>(clock_.WallNs() / 1000);
  use_.has_own_pids = SeesHostPids(root_);
  if (auto watch = nvml_->WatchXids(device_); watch.ok()) xid_watch_ = *std::move(watch);
  AddReading();
  AddProcesses();
  if (mode_ == v1::TELEMETRY_SAMPLED) next_ns_ = clock_.MonotonicNs() + interval_ns_;
}

void DeviceTelemetry::Sample() {
  if (device_ == nullptr) return;
  MakeRoom();
  AddReading();
  AddProcesses();
  next_ns_ = clock_.MonotonicNs() + interval_ns_;
}

void DeviceTelemetry::Measured(int64_t from_ns, bool has_ended) {
  if (device_ == nullptr || !began_ns_ || has_ended_) return;
  if (from_ns < *began_ns_ || from_ns > clock_.MonotonicNs()) return;
  measured_from_ns_ = from_ns;
  const bool may_ask = has_ended || (mode_ == v1::TELEMETRY_SAMPLED && !has_asked_from_start_);
  if (!may_ask) return;
  has_ended_ = has_ended;
  // Before the reading, which takes as long: soon after the last step lists have whoever was there.
  AddProcesses(has_asked_from_start_ ? Since::kLastStamp : Since::kMeasuredStep);
  has_asked_from_start_ = true;
  if (!has_ended) return;
  MakeRoom();
  AddReading();
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

// The last place is for End().
void DeviceTelemetry::MakeRoom() {
  if (readings_.size() + 1 < kMaxReadings) return;
  DropEverySecond(&readings_);
  interval_ns_ *= 2;
}

void DeviceTelemetry::AddReading() {
  v1::DeviceReading reading = ReadDevice(*nvml_, device_, clock_.MonotonicNs());
  if (TellsSomething(reading)) readings_.push_back(std::move(reading));
}

void DeviceTelemetry::AddProcesses(Since since) {
  // Who has ended since the last look may still be in the driver's answer.
  std::set<pid_t> known = std::exchange(listed_, {});
  AddLook(&known);
  // For want of a list of its own: short runs end before a second look.
  known.insert(worker_);
  AddUse(since, known);
}

void DeviceTelemetry::AddLook(std::set<pid_t>* known) {
  const int64_t now_ns = clock_.MonotonicNs();
  const auto memory = nvml_->Memory(device_);
  const auto processes = UnnamedProcessesOn(*nvml_, device_);
  if (!processes.ok()) return;
  ProcessLook& look = use_.looks.emplace_back();
  look.at_ns = now_ns;
  look.processes = processes->size();
  if (memory.ok()) look.hidden_bytes = HiddenBytes(*memory, *processes);
  for (const GpuProcess& process : *processes) {
    listed_.insert(process.pid);
    ProcessUse* use = UseOf(process.pid);
    use->computes = use->computes || process.computes;
  }
  known->insert(listed_.begin(), listed_.end());
}

uint64_t DeviceTelemetry::QuestionUs(Since since, int64_t now_ns, int64_t wall_us) const {
  const auto wall_us_at = [&](int64_t at_ns) {
    return static_cast<uint64_t>(std::max<int64_t>(0, wall_us - (now_ns - at_ns) / 1000));
  };
  uint64_t from_us = wall_us_at(now_ns - kMemoryNs);
  if (measured_from_ns_) from_us = std::max(from_us, wall_us_at(*measured_from_ns_));
  return since == Since::kLastStamp ? std::max(from_us, last_stamp_us_) : from_us;
}

void DeviceTelemetry::AddUse(Since since, const std::set<pid_t>& known) {
  const int64_t now_ns = clock_.MonotonicNs();
  const int64_t wall_us = clock_.WallNs() / 1000;
  const uint64_t since_us = QuestionUs(since, now_ns, wall_us);
  const auto entries = nvml_->ProcessUse(device_, since_us);
  if (!entries.ok()) return;
  use_.tells_use = true;
  const auto monotonic_ns = [&](int64_t at_us) { return now_ns - (wall_us - at_us) * 1000; };
  for (const NvmlProcessUse& entry : *entries) {
    const auto pid = static_cast<pid_t>(entry.pid);
    const auto stamp_us = static_cast<int64_t>(entry.stamp_us);
    if (entry.sm_ratio > 1 || !known.contains(pid)) continue;
    if (entry.stamp_us > static_cast<uint64_t>(wall_us) + kAnswerLateUs) continue;
    last_stamp_us_ = std::max(last_stamp_us_, entry.stamp_us);
    AddStretch(pid, {monotonic_ns(static_cast<int64_t>(since_us)), monotonic_ns(stamp_us),
                     entry.sm_ratio});
  }
}

void DeviceTelemetry::AddStretch(pid_t pid, const UseStretch& stretch) {
  std::vector<UseStretch>& stretches = UseOf(pid)->stretches;
  if (stretches.size() >= kMaxUseStretches) DropEverySecond(&stretches);
  const auto is_earlier = [](const UseStretch& a, const UseStretch& b) {
    return a.at_ns < b.at_ns;
  };
  stretches.insert(std::upper_bound(stretches.begin(), stretches.end(), stretch, is_earlier),
                   stretch);
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
