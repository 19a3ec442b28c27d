#include "server/measure/advice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "proto/ranges.h"
#include "proto/words.h"
#include "server/measure/statistics.h"
#include "server/measure/summary.h"
#include "server/measure/workload_kind.h"

namespace torchlap::measure {
namespace {

constexpr uint64_t kLaunchesAgainstDrift = 7;
constexpr double kTargets[] = {0.01, 0.02, 0.05, 0.1};

// Saturates, as ResidentBytes does.
uint64_t Plus(uint64_t a, uint64_t b) {
  return a > std::numeric_limits<uint64_t>::max() - b ? std::numeric_limits<uint64_t>::max()
                                                      : a + b;
}

uint64_t Less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

uint64_t LargestAllocation(const v1::MemoryUse& memory) {
  return std::max(memory.peak_allocated_bytes(), memory.first_step_peak_allocated_bytes());
}

// Weights, gradients and optimizer state that are there when memory runs out.
uint64_t ResidentAtFailure(const v1::MemoryParts& parts, v1::Phase phase, bool first_step_done) {
  uint64_t bytes = parts.weights_bytes();
  if (phase == v1::PHASE_BACKWARD || phase == v1::PHASE_OPTIMIZER) {
    bytes = Plus(bytes, parts.gradients_bytes());
  }
  return first_step_done ? Plus(bytes, parts.optimizer_bytes()) : bytes;
}

bool Fits(const std::optional<uint64_t>& bytes, uint64_t device_bytes) {
  return bytes && *bytes <= device_bytes;
}

// Writes the advice about one run.
class Adviser {
 public:
  Adviser(const v1::SampleBlock& samples, const AdviceContext& context, v1::Run* run)
      : samples_(samples), context_(context), run_(*run), assessment_(*run->mutable_assessment()) {
    for (const v1::Evidence& evidence : assessment_.evidence()) reasons_.insert(evidence.reason());
  }

  void AdviseOnMemory() {
    const uint64_t device = DeviceBytes();
    const uint64_t needed = ResidentBytes(run_.workload());
    if (device == 0) return;
    if (needed > device) {
      AddBytes(v1::ADVICE_NOTHING_FITS, needed, device);
      AdviseBf16Weights(device);
      return;
    }
    const auto size = FindSizeThatFits(run_.workload(), assessment_.memory(), device);
    if (!size) return;
    v1::Advice* advice = AddBytes(v1::ADVICE_SMALLER_FITS, size->bytes, device);
    advice->set_number(size->size.batch_size);
    advice->set_number2(size->size.context_length);
  }

  void AdviseOnTimes() {
    AdviseOnNeighbours();
    AdviseOnThrottling();
    // What disturbed the run explains what its times look like.
    if (run_.validity() == v1::VALIDITY_CONTAMINATED) return;
    if (Has(v1::REASON_COLD_START)) AdviseWarmup();
    if (Has(v1::REASON_DRIFT)) Add(v1::ADVICE_DRIFT)->set_number(kLaunchesAgainstDrift);
    if (Has(v1::REASON_TWO_MODES)) Add(v1::ADVICE_TWO_MODES);
    // What explains the noise is said already.
    if (Has(v1::REASON_NOISE) && assessment_.advice().empty()) AdviseSteps();
  }

  void AdviseOnDevice() {
    const v1::Precision precision = KindOf(run_.workload()).Precision(run_.workload());
    const bool fp32 = precision == v1::PRECISION_FP32 || precision == v1::PRECISION_UNSPECIFIED;
    if (context_.is_cuda && fp32 && context_.has_tf32) Add(v1::ADVICE_USE_TF32);
    if (context_.is_cuda && fp32 && context_.has_bf16) Add(v1::ADVICE_USE_BF16);
    if (!context_.is_calibrated) Add(v1::ADVICE_CALIBRATE);
  }

 private:
  bool Has(v1::Reason reason) const { return reasons_.count(reason) > 0; }

  v1::Advice* Add(v1::AdviceCode code) {
    v1::Advice* advice = assessment_.add_advice();
    advice->set_code(code);
    return advice;
  }

  v1::Advice* AddBytes(v1::AdviceCode code, uint64_t bytes, uint64_t of) {
    v1::Advice* advice = Add(code);
    advice->set_bytes(bytes);
    advice->set_bytes2(of);
    return advice;
  }

  uint64_t DeviceBytes() const {
    if (context_.device_memory_bytes > 0) return context_.device_memory_bytes;
    return run_.failure().total_bytes();
  }

  void AdviseBf16Weights(uint64_t device) {
    const auto lighter = KindOf(run_.workload()).WithBf16Weights(run_.workload());
    if (!lighter) return;
    const uint64_t needed = ResidentBytes(*lighter);
    if (needed <= device) AddBytes(v1::ADVICE_BF16_WEIGHTS_FIT, needed, device);
  }

  // Times that do not settle at all need at least the steps that were seen to be cold.
  void AdviseWarmup() {
    uint64_t steps = run_.settles_at_step();
    for (const v1::Evidence& evidence : assessment_.evidence()) {
      if (evidence.reason() != v1::REASON_COLD_START) continue;
      steps = std::max<uint64_t>(steps, evidence.last_step() + 1);
    }
    Add(v1::ADVICE_MORE_WARMUP)->set_number(steps);
  }

  void AdviseOnNeighbours() {
    std::set<std::string> said;
    for (const v1::Evidence& evidence : assessment_.evidence()) {
      const bool computed = evidence.reason() == v1::REASON_FOREIGN_CPU ||
                            evidence.reason() == v1::REASON_FOREIGN_GPU;
      if (!computed || !said.insert(Who(evidence)).second) continue;
      v1::Advice* advice = Add(v1::ADVICE_NEIGHBOUR);
      advice->set_text(Who(evidence));
      advice->set_ratio(evidence.value());
    }
  }

  // `stress-ng (pid 812, ann)`; empty where nobody was caught.
  static std::string Who(const v1::Evidence& evidence) {
    if (evidence.pid() == 0) return evidence.process();
    std::string who = evidence.process() + " (pid " + std::to_string(evidence.pid());
    if (!evidence.user().empty()) who += ", " + evidence.user();
    return who + ")";
  }

  void AdviseOnThrottling() {
    std::string words;
    for (const v1::Reason reason : {v1::REASON_THERMAL, v1::REASON_POWER_BRAKE,
                                    v1::REASON_HARDWARE_SLOWDOWN, v1::REASON_CLOCK_DROP}) {
      if (!Has(reason)) continue;
      if (!words.empty()) words += ", ";
      words += Word(reason);
    }
    if (!words.empty()) Add(v1::ADVICE_THROTTLED)->set_text(words);
  }

  void AdviseSteps() {
    const std::vector<double> times = MeasuredSteps(samples_, run_.plan().timing());
    const std::optional<double> half_width = MeanHalfWidth(times);
    if (!half_width) return;
    const double reached = *half_width / *Mean(times);
    const double target = Target(reached, static_cast<double>(times.size()));
    if (reached <= target) return;
    v1::Advice* advice = Add(v1::ADVICE_MORE_STEPS);
    advice->set_number(StepsFor(target, reached, static_cast<double>(times.size())));
    advice->set_ratio(target);
  }

  // The half width falls with the square root of the number of steps.
  static uint64_t StepsFor(double target, double reached, double steps) {
    return static_cast<uint64_t>(std::ceil(steps * (reached / target) * (reached / target)));
  }

  double Target(double reached, double steps) const {
    if (run_.plan().has_target_precision()) return run_.plan().target_precision();
    const double most = DefaultOf<v1::Plan>(v1::Plan::kMaxStepsFieldNumber);
    for (const double target : kTargets) {
      if (static_cast<double>(StepsFor(target, reached, steps)) <= most) return target;
    }
    return *std::rbegin(kTargets);
  }

  const v1::SampleBlock& samples_;
  const AdviceContext& context_;
  const v1::Run& run_;
  v1::Assessment& assessment_;
  std::set<v1::Reason> reasons_;
};

bool GetsAdvice(v1::Purpose purpose) {
  return purpose == v1::PURPOSE_MEASURE || purpose == v1::PURPOSE_WARMUP ||
         purpose == v1::PURPOSE_FIT || purpose == v1::PURPOSE_UNSPECIFIED;
}

}  // namespace

v1::MemoryParts PartsOfMemory(const v1::Run& run, bool first_step_done) {
  v1::MemoryParts parts = KindOf(run.workload()).Resident(run.workload());
  if (run.outcome() == v1::OUTCOME_OK && LargestAllocation(run.memory()) > 0) {
    parts.set_activations_bytes(Less(LargestAllocation(run.memory()), ResidentBytes(parts)));
  }
  if (run.outcome() == v1::OUTCOME_OUT_OF_MEMORY && run.failure().has_allocated_bytes()) {
    const uint64_t seen = Plus(run.failure().allocated_bytes(), run.failure().asked_bytes());
    parts.set_activations_bytes(
        Less(seen, ResidentAtFailure(parts, run.failure().phase(), first_step_done)));
  }
  return parts;
}

std::optional<uint64_t> ForecastBytes(const v1::Workload& workload, const v1::MemoryParts& parts,
                                      const StepSize& size) {
  const StepSize seen = SizeOf(workload);
  if (!parts.has_activations_bytes() || seen.batch_size == 0 || seen.context_length == 0) {
    return std::nullopt;
  }
  const double activations = static_cast<double>(parts.activations_bytes()) *
                             KindOf(workload).ActivationScale(workload, size);
  return Plus(ResidentBytes(parts), static_cast<uint64_t>(activations));
}

std::optional<MemoryForecast> FindSizeThatFits(const v1::Workload& workload,
                                               const v1::MemoryParts& parts,
                                               uint64_t device_bytes) {
  StepSize size = SizeOf(workload);
  while (size.batch_size > 1 || size.context_length > 1) {
    uint32_t* shrinks = size.batch_size > 1 ? &size.batch_size : &size.context_length;
    *shrinks /= 2;
    const std::optional<uint64_t> bytes = ForecastBytes(workload, parts, size);
    if (Fits(bytes, device_bytes)) return MemoryForecast{size, *bytes};
  }
  return std::nullopt;
}

void Advise(const v1::SampleBlock& samples, const AdviceContext& context, v1::Run* run) {
  if (run->has_assessment()) {
    run->mutable_assessment()->clear_advice();
    run->mutable_assessment()->clear_memory();
  }
  if (!GetsAdvice(run->purpose())) return;
  const bool out_of_memory =
      run->outcome() == v1::OUTCOME_OUT_OF_MEMORY || run->outcome() == v1::OUTCOME_SKIPPED;
  if (!out_of_memory && run->outcome() != v1::OUTCOME_OK) return;
  *run->mutable_assessment()->mutable_memory() =
      PartsOfMemory(*run, samples.step_ns_size() > 0 || samples.first_step() > 0);
  Adviser adviser(samples, context, run);
  if (out_of_memory) {
    adviser.AdviseOnMemory();
  } else {
    adviser.AdviseOnTimes();
    adviser.AdviseOnDevice();
  }
}

}  // namespace torchlap::measure
