#include "server/measure/validity.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "proto/words.h"
#include "server/measure/noise_cause.h"
#include "server/measure/summary.h"
#include "server/measure/workload_kind.h"

namespace torchlap::measure {
namespace {

using T = ValidityThresholds;

// nvml.h, nvmlClocksEventReason*.
constexpr uint64_t kIdle = 0x1;
constexpr uint64_t kSoftwarePowerCap = 0x4;
constexpr uint64_t kHardwareSlowdown = 0x8;  // also set with each of the two below
constexpr uint64_t kSoftwareThermal = 0x20;
constexpr uint64_t kHardwareThermal = 0x40;
constexpr uint64_t kHardwarePowerBrake = 0x80;

// The reasons of a verdict; notes have none.
v1::Validity VerdictOf(const v1::Evidence& evidence) {
  switch (evidence.reason()) {
    case v1::REASON_FOREIGN_CPU:
    case v1::REASON_FOREIGN_GPU:
    case v1::REASON_THERMAL:
    case v1::REASON_POWER_BRAKE:
    case v1::REASON_HARDWARE_SLOWDOWN:
    case v1::REASON_CLOCK_DROP:
      return v1::VALIDITY_CONTAMINATED;
    case v1::REASON_COLD_START:
    case v1::REASON_DRIFT:
    case v1::REASON_TWO_MODES:
    case v1::REASON_NOISE:
    case v1::REASON_LOW_EFFICIENCY:
      return v1::VALIDITY_SUSPECT;
    case v1::REASON_NO_COUNTERS:
    case v1::REASON_PIDS_NOT_TRANSLATED:
    case v1::REASON_SHORT_WINDOW:
    case v1::REASON_FEW_STEPS:
    case v1::REASON_NO_WARMUP:
      return v1::VALIDITY_UNVERIFIED;
    case v1::REASON_NO_UTILISATION:
      // Of nobody else there is nothing that had to be told.
      return evidence.pid() == 0 ? v1::VALIDITY_CLEAN : v1::VALIDITY_UNVERIFIED;
    default:
      return v1::VALIDITY_CLEAN;
  }
}

v1::Evidence MakeEvidence(v1::Reason reason) {
  v1::Evidence evidence;
  evidence.set_reason(reason);
  return evidence;
}

v1::Evidence MakeEvidence(v1::Reason reason, double value, double threshold) {
  v1::Evidence evidence = MakeEvidence(reason);
  evidence.set_value(value);
  evidence.set_threshold(threshold);
  return evidence;
}

// Time that the device was slowed down, counted since the driver was loaded.
struct Counter {
  bool (v1::DeviceReading::*has)() const;
  uint64_t (v1::DeviceReading::*get)() const;
};

constexpr Counter kThermalCounter = {&v1::DeviceReading::has_thermal_violation_ns,
                                     &v1::DeviceReading::thermal_violation_ns};
constexpr Counter kPowerCounter = {&v1::DeviceReading::has_power_violation_ns,
                                   &v1::DeviceReading::power_violation_ns};
constexpr Counter kBoardCounter = {&v1::DeviceReading::has_hardware_violation_ns,
                                   &v1::DeviceReading::hardware_violation_ns};

// Consecutive measured steps, by their index in the block, `end` not among them.
struct Window {
  size_t begin = 0;
  size_t end = 0;
  int64_t wall_ns = 0;
  int64_t foreign_ns = 0;
  int64_t run_delay_ns = 0;

  void Take(const Window& next) {
    end = next.end;
    wall_ns += next.wall_ns;
    foreign_ns += next.foreign_ns;
    run_delay_ns += next.run_delay_ns;
  }
};

// The evidence about one run, step by step.
class Examination {
 public:
  Examination(const v1::SampleBlock& samples, const Surroundings& around, const v1::Run& run)
      : samples_(samples), around_(around), run_(run) {
    const auto steps = static_cast<size_t>(samples.step_ns_size());
    const uint32_t warm = samples.warmup_steps();
    const uint32_t first = samples.first_step();
    begin_ = std::min<size_t>(steps, warm > first ? warm - first : 0);
    for (size_t i = begin_; i < steps; ++i) measured_.Take(StepWindow(i));
    measured_.begin = begin_;
    for (size_t i = 0; i < steps; ++i) watched_.Take(StepWindow(i));
  }

  std::vector<v1::Evidence> Gather() {
    evidence_ = around_.before;
    if (around_.is_cuda) {
      FindWaiting();
      FindForeignGpu();
      FindSlowdowns();
      FindClockDrop();
    } else {
      FindForeignCpu();
    }
    if (!IsCalibration()) {
      FindSeriesFaults();
      FindLowEfficiency();
    }
    FindGaps();
    return std::move(evidence_);
  }

 private:
  bool IsCalibration() const { return run_.purpose() == v1::PURPOSE_CALIBRATE; }

  size_t MeasuredCount() const { return measured_.end - begin_; }

  // From the start of a step to the start of the next.
  Window StepWindow(size_t i) const {
    const auto at = static_cast<int>(i);
    Window window{i, i + 1, samples_.step_ns(at), 0, 0};
    if (at + 1 < samples_.start_ns_size()) {
      window.wall_ns = std::max(samples_.start_ns(at + 1) - samples_.start_ns(at), window.wall_ns);
    }
    if (at < samples_.foreign_cpu_ns_size()) window.foreign_ns = samples_.foreign_cpu_ns(at);
    if (at < samples_.run_delay_ns_size()) window.run_delay_ns = samples_.run_delay_ns(at);
    return window;
  }

  // Measured steps in windows of kWindowNs or more; a short rest belongs to the last one. None
  // where all of them together are shorter.
  std::vector<Window> Windows() const {
    std::vector<Window> windows;
    if (measured_.wall_ns < T::kWindowNs) return windows;
    for (size_t i = begin_; i < measured_.end; ++i) {
      if (windows.empty() || windows.back().wall_ns >= T::kWindowNs) {
        windows.push_back(StepWindow(i));
      } else {
        windows.back().Take(StepWindow(i));
      }
    }
    if (windows.size() > 1 && windows.back().wall_ns < T::kWindowNs) {
      const Window rest = windows.back();
      windows.pop_back();
      windows.back().Take(rest);
    }
    return windows;
  }

  double CoreNs(const Window& window) const {
    return static_cast<double>(window.wall_ns) * std::max<uint32_t>(1, around_.cores);
  }

  double ForeignThreshold() const {
    const double by_cores = T::kForeignCpuCores / std::max<uint32_t>(1, around_.cores);
    return std::max(T::kForeignCpuLeastShare, std::min(T::kForeignCpuShare, by_cores));
  }

  static bool Waited(const Window& window) {
    return static_cast<double>(window.run_delay_ns) >
           T::kRunDelayShare * static_cast<double>(window.wall_ns);
  }

  bool HasForeignCpu(const Window& window) const {
    if (window.wall_ns < T::kWindowNs) return false;
    if (static_cast<double>(window.foreign_ns) <= ForeignThreshold() * CoreNs(window)) return false;
    return window.foreign_ns >= T::kLeastForeignNs || Waited(window);
  }

  // Neighbouring windows that pass become one piece of evidence.
  template <typename Passes, typename Add>
  void MarkWindows(Passes passes, Add add) {
    std::optional<Window> marked;
    for (const Window& window : Windows()) {
      if (!passes(window)) {
        if (marked) add(*marked);
        marked.reset();
      } else if (marked) {
        marked->Take(window);
      } else {
        marked = window;
      }
    }
    if (marked) add(*marked);
  }

  void FindForeignCpu() {
    if (samples_.foreign_cpu_ns().empty()) return;
    const size_t before = evidence_.size();
    const auto add = [&](const Window& window) {
      AddNeighbour(window, static_cast<double>(window.foreign_ns) / CoreNs(window),
                   ForeignThreshold(), watched_.foreign_ns);
    };
    MarkWindows([&](const Window& window) { return HasForeignCpu(window); }, add);
    // Too little in each window, too much in all.
    if (evidence_.size() == before && HasForeignCpu(measured_)) add(measured_);
  }

  void FindWaiting() {
    MarkWindows([](const Window& window) { return Waited(window); },
                [&](const Window& window) {
                  AddNeighbour(window,
                               static_cast<double>(window.run_delay_ns) /
                                   static_cast<double>(window.wall_ns),
                               T::kRunDelayShare, watched_.run_delay_ns);
                });
  }

  // `total_ns`: what the share is a part of, over all steps; the neighbour's time is known over all
  // of them only.
  void AddNeighbour(const Window& window, double share, double threshold, int64_t total_ns) {
    v1::Evidence evidence = MakeEvidence(v1::REASON_FOREIGN_CPU, std::min(share, 1.0), threshold);
    const auto of_process = static_cast<double>(around_.readings.neighbour_cpu_ns());
    const double part = std::min(1.0, of_process / static_cast<double>(total_ns));
    const double of_it = part * evidence.value();
    // That its threads waited says nothing of who has ended.
    if (of_it >= T::kNamedShare || !around_.is_cuda) evidence.set_process_value(of_it);
    if (of_it >= T::kNamedShare) {
      evidence.set_pid(around_.readings.neighbour_pid());
      evidence.set_process(around_.readings.neighbour_process());
      evidence.set_user(around_.readings.neighbour_user());
    }
    Add(std::move(evidence), window.begin, window.end - 1);
  }

  void FindForeignGpu() {
    const GpuProcesses& gpu = around_.gpu;
    const bool is_alone = IsAlone();
    if (!is_alone && PidsSayNothing()) {
      evidence_.push_back(MakeEvidence(v1::REASON_PIDS_NOT_TRANSLATED));
      return;
    }
    if (!is_alone) {
      for (const ForeignUse& use : gpu.foreign) AddForeign(use);
    }
    const bool was_asked = !gpu.looks.empty();
    if (was_asked && !gpu.has_own_pids && !NobodyIsHidden()) {
      evidence_.push_back(MakeEvidence(v1::REASON_PIDS_NOT_TRANSLATED));
    }
    if (was_asked && !gpu.tells_use && (is_alone || !SomebodyElseComputes())) {
      evidence_.push_back(MakeEvidence(v1::REASON_NO_UTILISATION));
    }
  }

  bool SomebodyElseComputes() const {
    const auto& foreign = around_.gpu.foreign;
    return std::any_of(foreign.begin(), foreign.end(),
                       [](const ForeignUse& use) { return use.computes; });
  }

  // Our worker computes during the measured steps. Where the driver tells of processes then, and
  // not of it, they have other numbers there, or are not told.
  bool PidsSayNothing() const {
    const GpuProcesses& gpu = around_.gpu;
    if (gpu.has_worker) return false;
    const bool was_listed =
        std::any_of(gpu.looks.begin(), gpu.looks.end(),
                    [this](const ProcessLook& look) { return IsMeasured(look.at_ns); });
    if (was_listed || gpu.has_own_pids) return was_listed;
    return std::any_of(gpu.foreign.begin(), gpu.foreign.end(), [this](const ForeignUse& use) {
      return std::any_of(use.stretches.begin(), use.stretches.end(),
                         [this](const UseStretch& one) { return AmongNs(one) > 0; });
    });
  }

  // The driver's lists as they were during the measured steps, or at their end.
  std::vector<ProcessLook> LooksAtSteps() const {
    std::vector<ProcessLook> looks;
    std::copy_if(around_.gpu.looks.begin(), around_.gpu.looks.end(), std::back_inserter(looks),
                 [this](const ProcessLook& look) { return IsAtSteps(look); });
    return looks;
  }

  bool IsAtSteps(const ProcessLook& look) const {
    return IsMeasured(look.at_ns) || IsMeasured(look.at_ns - T::kListsLateNs);
  }

  bool NobodyIsHidden() const {
    const std::vector<ProcessLook> looks = LooksAtSteps();
    return !looks.empty() && std::all_of(looks.begin(), looks.end(), [](const ProcessLook& look) {
      return look.hidden_bytes && *look.hidden_bytes <= T::kHiddenBytes;
    });
  }

  // In a pid namespace that gives our worker another number: it cannot be hidden when nobody is.
  bool IsAlone() const {
    const GpuProcesses& gpu = around_.gpu;
    if (gpu.has_own_pids || gpu.has_worker || !NobodyIsHidden()) return false;
    const std::vector<ProcessLook> looks = LooksAtSteps();
    return std::all_of(looks.begin(), looks.end(),
                       [](const ProcessLook& look) { return look.processes == 1; });
  }

  // How long of a stretch lies among the measured steps.
  int64_t AmongNs(const UseStretch& stretch) const {
    const std::optional<int64_t> from = MeasuredFrom();
    if (!from) return 0;
    const int64_t begin = std::max(stretch.from_ns, *from);
    return std::max<int64_t>(0, std::min(stretch.at_ns, *from + measured_.wall_ns) - begin);
  }

  // The least share of the multiprocessors that it must have had there.
  double LeastShare(const UseStretch& stretch) const {
    const int64_t among_ns = AmongNs(stretch);
    if (among_ns == 0) return 0;
    const double ratio = std::min(stretch.sm_ratio, 1.0);
    const int64_t outside_ns = stretch.at_ns - stretch.from_ns - among_ns;
    const double least =
        ratio - (1 - ratio) * static_cast<double>(outside_ns) / static_cast<double>(among_ns);
    return std::max(0.0, least);
  }

  void AddForeign(const ForeignUse& use) {
    v1::Evidence evidence = MakeEvidence(v1::REASON_RESIDENT);
    evidence.set_pid(use.pid);
    evidence.set_process(use.process);
    evidence.set_user(use.user);
    if (around_.gpu.tells_use) return AddByItsStretches(use, std::move(evidence));
    if (use.computes) evidence.set_reason(v1::REASON_NO_UTILISATION);
    evidence_.push_back(std::move(evidence));
  }

  void AddByItsStretches(const ForeignUse& use, v1::Evidence evidence) {
    std::vector<UseStretch> busy = use.stretches;
    std::erase_if(busy, [this](const auto& one) { return LeastShare(one) <= T::kForeignSmShare; });
    evidence.set_value(MeanShare(busy));
    evidence.set_threshold(T::kForeignSmShare);
    const bool is_work = use.computes ? !busy.empty() : DrewAllAlong(busy);
    if (is_work) evidence.set_reason(v1::REASON_FOREIGN_GPU);
    if (busy.empty()) {
      evidence_.push_back(std::move(evidence));
      return;
    }
    int64_t from_ns = busy.front().from_ns;
    for (const UseStretch& stretch : busy) from_ns = std::min(from_ns, stretch.from_ns);
    Add(std::move(evidence), StepAt(from_ns), StepAt(busy.back().at_ns));
  }

  bool DrewAllAlong(const std::vector<UseStretch>& busy) const {
    double busy_ns = 0;
    for (const UseStretch& one : busy) {
      busy_ns += LeastShare(one) * static_cast<double>(AmongNs(one));
    }
    return busy.size() >= T::kFewestDrawnStretches &&
           busy_ns > T::kDrawnSmShare * static_cast<double>(measured_.wall_ns);
  }

  // Over the parts that lie among the measured steps.
  double MeanShare(const std::vector<UseStretch>& stretches) const {
    double busy_ns = 0;
    double all_ns = 0;
    for (const UseStretch& stretch : stretches) {
      const auto among_ns = static_cast<double>(AmongNs(stretch));
      busy_ns += LeastShare(stretch) * among_ns;
      all_ns += among_ns;
    }
    return all_ns > 0 ? busy_ns / all_ns : 0;
  }

  std::optional<int64_t> MeasuredFrom() const {
    if (samples_.start_ns_size() <= static_cast<int>(begin_)) return std::nullopt;
    return samples_.start_ns(static_cast<int>(begin_));
  }

  bool IsMeasured(int64_t at_ns) const {
    const std::optional<int64_t> from = MeasuredFrom();
    return from && at_ns >= *from && at_ns <= *from + measured_.wall_ns;
  }

  bool DuringSteps(const v1::DeviceReading& reading) const { return IsMeasured(reading.at_ns()); }

  size_t StepAt(int64_t at_ns) const {
    size_t step = begin_;
    while (step + 1 < measured_.end && samples_.start_ns(static_cast<int>(step + 1)) <= at_ns) {
      ++step;
    }
    return step;
  }

  void FindSlowdowns() {
    AddCounted(v1::REASON_THERMAL, kThermalCounter);
    AddCounted(v1::REASON_BOARD_LIMIT, kBoardCounter);
    AddCounted(v1::REASON_POWER_CAP, kPowerCounter);
    FindThrottling(v1::REASON_THERMAL, kSoftwareThermal | kHardwareThermal, 0);
    FindThrottling(v1::REASON_POWER_BRAKE, kHardwarePowerBrake, 0);
    FindThrottling(v1::REASON_HARDWARE_SLOWDOWN, kHardwareSlowdown,
                   kHardwareThermal | kHardwarePowerBrake);
    FindThrottling(v1::REASON_POWER_CAP, kSoftwarePowerCap, 0);
  }

  void AddCounted(v1::Reason reason, const Counter& counter) {
    const double share = SlowedShare(counter);
    if (share <= T::kSlowedShare) return;
    evidence_.push_back(MakeEvidence(reason, std::min(share, 1.0), T::kSlowedShare));
  }

  // The readings that have the counter: the last before the measured steps and the first after
  // them; for want of these the first and the last of all.
  struct Edges {
    const v1::DeviceReading* before = nullptr;
    const v1::DeviceReading* after = nullptr;
    bool hold_steps = false;
  };

  Edges EdgesOf(const Counter& counter) const {
    const std::optional<int64_t> from = MeasuredFrom();
    const int64_t until = from.value_or(0) + measured_.wall_ns;
    Edges edges;
    bool begins_before = false;
    bool ends_after = false;
    for (const v1::DeviceReading& reading : around_.readings.device()) {
      if (!(reading.*counter.has)()) continue;
      const bool is_before = from && reading.at_ns() <= *from;
      if (is_before || edges.before == nullptr) edges.before = &reading;
      if (!ends_after) edges.after = &reading;
      begins_before = begins_before || is_before;
      ends_after = ends_after || (from && reading.at_ns() >= until);
    }
    edges.hold_steps = begins_before && ends_after;
    return edges;
  }

  // What a counter of slowed time grew by, of the time between its readings.
  double SlowedShare(const Counter& counter) const {
    const Edges edges = EdgesOf(counter);
    if (edges.before == nullptr || edges.after->at_ns() <= edges.before->at_ns()) return 0;
    const uint64_t before = (edges.before->*counter.get)();
    const uint64_t after = (edges.after->*counter.get)();
    // A driver that was loaded anew counts from 0.
    if (after < before) return 0;
    return static_cast<double>(after - before) /
           static_cast<double>(edges.after->at_ns() - edges.before->at_ns());
  }

  // Readings among the steps that have one of `bits` and none of `without`.
  void FindThrottling(v1::Reason reason, uint64_t bits, uint64_t without) {
    size_t seen = 0;
    size_t throttled = 0;
    std::optional<size_t> first;
    size_t last = 0;
    for (const v1::DeviceReading& reading : around_.readings.device()) {
      if (!DuringSteps(reading) || !reading.has_throttle_reasons()) continue;
      ++seen;
      if ((reading.throttle_reasons() & bits) == 0 || (reading.throttle_reasons() & without) != 0) {
        continue;
      }
      ++throttled;
      last = StepAt(reading.at_ns());
      first = first.value_or(last);
    }
    if (!first) return;
    const double share = static_cast<double>(throttled) / static_cast<double>(seen);
    if (share > T::kSlowedShare) Add(MakeEvidence(reason, share, T::kSlowedShare), *first, last);
  }

  void FindClockDrop() {
    // A GPU at its power limit is as it should be, and its clock is what the power allows.
    const bool is_capped = SlowedShare(kPowerCounter) > T::kSlowedShare;
    std::optional<double> start;
    double lowest = 1;
    size_t step = 0;
    for (const v1::DeviceReading& reading : around_.readings.device()) {
      const bool is_idle = (reading.throttle_reasons() & kIdle) != 0;
      if (!DuringSteps(reading) || !reading.has_sm_mhz() || is_idle) continue;
      start = start.value_or(reading.sm_mhz());
      if (is_capped || (reading.throttle_reasons() & kSoftwarePowerCap) != 0) continue;
      if (*start > 0 && reading.sm_mhz() / *start < lowest) {
        lowest = reading.sm_mhz() / *start;
        step = StepAt(reading.at_ns());
      }
    }
    if (lowest < T::kClockFloor) {
      Add(MakeEvidence(v1::REASON_CLOCK_DROP, lowest, T::kClockFloor), step, step);
    }
  }

  void FindSeriesFaults() {
    const NoiseCauses found = FindNoiseCauses(MeasuredSteps(samples_, run_.plan().timing()));
    AddFinding(v1::REASON_COLD_START, found.cold_start);
    AddFinding(v1::REASON_DRIFT, found.drift);
    AddFinding(v1::REASON_TWO_MODES, found.two_modes);
    AddFinding(v1::REASON_NOISE, found.noise);
  }

  void AddFinding(v1::Reason reason, const std::optional<SeriesFinding>& finding) {
    if (!finding) return;
    Add(MakeEvidence(reason, finding->value, finding->threshold), begin_ + finding->first,
        begin_ + finding->last);
  }

  void FindLowEfficiency() {
    if (!run_.has_flops_per_s() || MeasuredCount() < T::kFewestForEfficiency) return;
    CompareFlops(around_.sibling, T::kSiblingShare);
    if (!around_.calibration) return;
    const double flops = KindOf(run_.workload()).StepFlops(run_.workload());
    const double at_peak_seconds = flops / around_.calibration->flops_per_s;
    if (at_peak_seconds >= T::kLargeStepSeconds) CompareFlops(around_.calibration, T::kPeakShare);
  }

  void CompareFlops(const std::optional<EfficiencyReference>& reference, double threshold) {
    if (!reference || !(reference->flops_per_s > 0)) return;
    const double share = run_.flops_per_s() / reference->flops_per_s;
    if (share >= threshold) return;
    v1::Evidence evidence = MakeEvidence(v1::REASON_LOW_EFFICIENCY, share, threshold);
    evidence.set_run_id(reference->run_id);
    evidence_.push_back(std::move(evidence));
  }

  void FindGaps() {
    if (!HasCounters()) evidence_.push_back(MakeEvidence(v1::REASON_NO_COUNTERS));
    if (measured_.wall_ns < T::kShortNs) {
      evidence_.push_back(MakeEvidence(v1::REASON_SHORT_WINDOW,
                                       static_cast<double>(measured_.wall_ns) / 1e9,
                                       static_cast<double>(T::kShortNs) / 1e9));
    }
    if (MeasuredCount() < T::kFewestSteps) {
      evidence_.push_back(MakeEvidence(v1::REASON_FEW_STEPS, static_cast<double>(MeasuredCount()),
                                       T::kFewestSteps));
    }
    const bool needs_warmup = run_.purpose() != v1::PURPOSE_WARMUP && !IsCalibration();
    if (needs_warmup && samples_.warmup_steps() == 0) {
      evidence_.push_back(MakeEvidence(v1::REASON_NO_WARMUP, 0, 1));
    }
  }

  // Whether others were looked for while the steps were measured: that nobody was seen by somebody
  // who was not there says nothing.
  bool WereOthersLookedFor() const {
    const GpuProcesses& gpu = around_.gpu;
    const auto is_look = [this](const UseStretch& stretch) {
      return static_cast<double>(AmongNs(stretch)) >=
                 T::kLeastAmong * static_cast<double>(stretch.at_ns - stretch.from_ns) &&
             AmongNs(stretch) > 0;
    };
    const auto has_look = [&](const std::vector<UseStretch>& stretches) {
      return std::any_of(stretches.begin(), stretches.end(), is_look);
    };
    if (has_look(gpu.of_worker)) return true;
    if (std::any_of(gpu.foreign.begin(), gpu.foreign.end(),
                    [&](const ForeignUse& use) { return has_look(use.stretches); })) {
      return true;
    }
    // Of a neighbour who computes lists say only that it is there. A driver that tells of use, and
    // has not told of our worker's either, has not told what the steps were beside.
    const bool is_beside = SomebodyElseComputes() && !IsAlone();
    if (is_beside && gpu.tells_use && gpu.has_worker) return false;
    return std::any_of(gpu.looks.begin(), gpu.looks.end(), [&](const ProcessLook& look) {
      return is_beside ? IsMeasured(look.at_ns) : IsAtSteps(look);
    });
  }

  bool HasCounters() const {
    if (!around_.is_cuda) return !samples_.foreign_cpu_ns().empty();
    if (!WereOthersLookedFor()) return false;
    if (EdgesOf(kThermalCounter).hold_steps) return true;
    const auto& readings = around_.readings.device();
    return std::any_of(readings.begin(), readings.end(), [this](const auto& reading) {
      return DuringSteps(reading) && reading.has_throttle_reasons();
    });
  }

  void Add(v1::Evidence evidence, size_t first, size_t last) {
    evidence.set_first_step(samples_.first_step() + static_cast<uint32_t>(first));
    evidence.set_last_step(samples_.first_step() + static_cast<uint32_t>(last));
    evidence_.push_back(std::move(evidence));
  }

  const v1::SampleBlock& samples_;
  const Surroundings& around_;
  const v1::Run& run_;
  size_t begin_ = 0;  // of the measured steps, as an index in the block
  Window measured_;
  Window watched_;  // all steps of the block
  std::vector<v1::Evidence> evidence_;
};

}  // namespace

void Judge(const v1::SampleBlock& samples, const Surroundings& around, v1::Run* run) {
  run->clear_validity();
  run->clear_validity_reasons();
  if (run->has_assessment()) run->mutable_assessment()->clear_evidence();
  const bool is_measured = !MeasuredSteps(samples, run->plan().timing()).empty();
  if (run->outcome() != v1::OUTCOME_OK || !is_measured || run->purpose() == v1::PURPOSE_TRACE) {
    return;
  }
  v1::Validity verdict = v1::VALIDITY_CLEAN;
  std::set<v1::Reason> reasons;
  for (v1::Evidence& evidence : Examination(samples, around, *run).Gather()) {
    const v1::Validity of_reason = VerdictOf(evidence);
    verdict = std::max(verdict, of_reason);
    if (of_reason != v1::VALIDITY_CLEAN) reasons.insert(evidence.reason());
    *run->mutable_assessment()->add_evidence() = std::move(evidence);
  }
  run->set_validity(verdict);
  for (const v1::Reason reason : reasons) {
    if (!run->validity_reasons().empty()) run->mutable_validity_reasons()->push_back(',');
    run->mutable_validity_reasons()->append(Word(reason));
  }
}

}  // namespace torchlap::measure
