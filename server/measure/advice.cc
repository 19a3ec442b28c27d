#include "server/measure/advice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "proto/idle_memory.h"
#include "proto/words.h"
#include "server/measure/further_steps.h"
#include "server/measure/validity.h"
#include "server/measure/workload_kind.h"

namespace torchlap::measure {
namespace {

constexpr uint64_t kLaunchesAgainstDrift = 7;
// Steps that are a little faster next time should not be too few again.
constexpr double kWindowMargin = 1.2;
// A device that waits for the host for a fifth of a step is slower for it, beyond doubt.
constexpr double kLeastBusyRatio = 0.8;

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

// What explains noise better than too few steps do.
bool ExplainsNoise(v1::AdviceCode code) {
  switch (code) {
    case v1::ADVICE_MORE_WARMUP:
    case v1::ADVICE_DRIFT:
    case v1::ADVICE_TWO_MODES:
    case v1::ADVICE_NEIGHBOUR:
    case v1::ADVICE_QUIET_DEVICE:
    case v1::ADVICE_THROTTLED:
      return true;
    default:
      return false;
  }
}

// What `fit` asks of a size before it verifies one: whether memory holds it, whatever its time.
bool IsTryOfFit(const v1::Run& run) {
  return run.purpose() == v1::PURPOSE_FIT && run.actual_measure_steps() <= 1;
}

bool NoiseIsExplained(const v1::Run& run) {
  const auto& advice = run.assessment().advice();
  return run.validity() == v1::VALIDITY_CONTAMINATED ||
         std::any_of(advice.begin(), advice.end(),
                     [](const v1::Advice& piece) { return ExplainsNoise(piece.code()); });
}

bool IsNoisy(const v1::Run& run) {
  const auto& evidence = run.assessment().evidence();
  return std::any_of(evidence.begin(), evidence.end(),
                     [](const v1::Evidence& piece) { return piece.reason() == v1::REASON_NOISE; });
}

// Takes LONGER_WINDOW out, and returns its number; 0: there was none.
uint64_t TakeLongerWindow(google::protobuf::RepeatedPtrField<v1::Advice>* advice) {
  for (int i = 0; i < advice->size(); ++i) {
    if (advice->Get(i).code() != v1::ADVICE_LONGER_WINDOW) continue;
    const uint64_t steps = advice->Get(i).number();
    advice->DeleteSubrange(i, 1);
    return steps;
  }
  return 0;
}

bool HasLongerWindow(const v1::Run& run) {
  const auto& advice = run.assessment().advice();
  return std::any_of(advice.begin(), advice.end(), [](const v1::Advice& piece) {
    return piece.code() == v1::ADVICE_LONGER_WINDOW;
  });
}

// As the first piece: before what is about the device. One number of steps, not two. Of a run that
// the counters could not follow the noise says too little to ask for more than they need.
void AddMoreSteps(const FurtherSteps& further, v1::Run* run) {
  if (further.is_too_many && HasLongerWindow(*run)) return;
  auto* advice = run->mutable_assessment()->mutable_advice();
  const uint64_t of_window = TakeLongerWindow(advice);
  v1::Advice* more = advice->Add();
  more->set_code(further.is_too_many ? v1::ADVICE_NOISE_REMAINS : v1::ADVICE_MORE_STEPS);
  more->set_number(std::max(further.steps, of_window));
  more->set_ratio(further.target);
  for (int i = advice->size() - 1; i > 0; --i) advice->SwapElements(i, i - 1);
}

// Writes the advice about one run.
class Adviser {
 public:
  Adviser(const AdviceContext& context, v1::Run* run)
      : context_(context), run_(*run), assessment_(*run->mutable_assessment()) {
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
    const StepSize size = SizeOf(run_.workload());
    // A try of `fit` is what would be advised.
    const bool is_try = run_.purpose() == v1::PURPOSE_FIT;
    if (is_try || (size.batch_size <= 1 && size.context_length <= 1)) return;
    v1::Advice* advice = AddBytes(v1::ADVICE_FIT, needed, device);
    advice->set_number(size.batch_size);
    advice->set_number2(size.context_length);
  }

  void AdviseOnTimes() {
    AdviseOnNeighbours();
    AdviseOnThrottling();
    // What disturbed the run explains what its times look like.
    if (run_.validity() == v1::VALIDITY_CONTAMINATED) return;
    if (Has(v1::REASON_COLD_START)) AdviseWarmup();
    if (Has(v1::REASON_DRIFT)) Add(v1::ADVICE_DRIFT)->set_number(kLaunchesAgainstDrift);
    if (Has(v1::REASON_TWO_MODES)) Add(v1::ADVICE_TWO_MODES);
    AdviseOnWindow();
    if (run_.plan().launches() <= 1) AdviseSteps();
  }

  void AdviseOnDevice() {
    const v1::Precision precision = KindOf(run_.workload()).Precision(run_.workload());
    const bool fp32 = precision == v1::PRECISION_FP32 || precision == v1::PRECISION_UNSPECIFIED;
    if (context_.is_cuda && fp32 && context_.has_tf32) Add(v1::ADVICE_USE_TF32);
    if (context_.is_cuda && fp32 && context_.has_bf16) Add(v1::ADVICE_USE_BF16);
    if (!context_.is_calibrated) Add(v1::ADVICE_CALIBRATE);
    if (run_.matmul_peak_ratio() > 1) AdviseCalibratingAgain();
    if (run_.validity() != v1::VALIDITY_CONTAMINATED) AdviseOnHost();
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

  // Contexts and displays have their part in the device's memory.
  uint64_t DeviceBytes() const {
    // It was ruled out by these.
    const bool is_skipped = run_.outcome() == v1::OUTCOME_SKIPPED;
    if (is_skipped && run_.failure().total_bytes() > 0) return run_.failure().total_bytes();
    const v1::MemoryUse& memory = run_.memory();
    if (memory.device_free_bytes() > 0) {
      const uint64_t foreign = memory.device_foreign_bytes();
      const bool is_idle = foreign <= MostIdleBytes(TotalBytes());
      return memory.device_free_bytes() + (is_idle ? 0 : foreign);
    }
    if (context_.device_memory_bytes > 0) return context_.device_memory_bytes;
    return run_.failure().total_bytes();
  }

  std::optional<uint64_t> TotalBytes() const {
    if (run_.memory().device_total_bytes() > 0) return run_.memory().device_total_bytes();
    if (context_.device_memory_bytes > 0) return context_.device_memory_bytes;
    return std::nullopt;
  }

  void AdviseOnHost() {
    const double busy = context_.device_busy_ratio.value_or(1);
    if (!context_.is_cuda || busy >= kLeastBusyRatio) return;
    v1::Advice* advice = Add(v1::ADVICE_HOST_BOUND);
    advice->set_ratio(busy);
    advice->set_number(uint64_t{2} * SizeOf(run_.workload()).batch_size);
  }

  void AdviseBf16Weights(uint64_t device) {
    const auto lighter = KindOf(run_.workload()).WithBf16Weights(run_.workload());
    if (!lighter) return;
    const uint64_t needed = ResidentBytes(*lighter);
    if (needed <= device) {
      AddBytes(v1::ADVICE_BF16_WEIGHTS_FIT, needed, device);
      return;
    }
    // A forward holds the weights alone, in fp32 if they fit so: NOTHING_FITS says that.
    const uint64_t in_fp32 = assessment_.memory().weights_bytes();
    const uint64_t in_bf16 = KindOf(*lighter).Resident(*lighter).weights_bytes();
    if (in_fp32 > device && in_bf16 <= device) {
      AddBytes(v1::ADVICE_FORWARD_BF16_WEIGHTS_FIT, in_bf16, device);
    }
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
    std::map<std::string, v1::Advice*> of_whom;
    for (const v1::Evidence& evidence : assessment_.evidence()) {
      const bool computed = evidence.reason() == v1::REASON_FOREIGN_CPU ||
                            evidence.reason() == v1::REASON_FOREIGN_GPU;
      if (!computed) continue;
      v1::Advice*& advice = of_whom[Who(evidence)];
      if (advice == nullptr) advice = AddNeighbour(Who(evidence));
      advice->set_ratio(std::max(advice->ratio(), evidence.value()));
    }
  }

  v1::Advice* AddNeighbour(const std::string& who) {
    v1::Advice* advice = Add(TriesAreOver() ? v1::ADVICE_QUIET_DEVICE : v1::ADVICE_NEIGHBOUR);
    advice->set_text(who);
    if (TriesAreOver()) {
      advice->set_number(run_.contaminated_tries() + 1);
      advice->set_number2(run_.plan().retry_contaminated() + 1);
    }
    return advice;
  }

  // The same command would do the same again.
  bool TriesAreOver() const {
    return run_.plan().retry_contaminated() > 0 &&
           run_.contaminated_tries() >= run_.plan().retry_contaminated();
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
    if (!Has(v1::REASON_NOISE) || NoiseIsExplained(run_)) return;
    if (const auto further = StepsForTarget({run_})) AddMoreSteps(*further, &run_);
  }

  // Experiments are as short as they are meant to be.
  void AdviseOnWindow() {
    const bool is_measured =
        run_.purpose() == v1::PURPOSE_MEASURE || run_.purpose() == v1::PURPOSE_UNSPECIFIED;
    if (!is_measured || !(run_.step().mean_ns() > 0)) return;
    for (const v1::Evidence& evidence : assessment_.evidence()) {
      if (evidence.reason() != v1::REASON_SHORT_WINDOW || !(evidence.value() > 0)) continue;
      const double more = evidence.threshold() / evidence.value() * kWindowMargin;
      const auto steps = static_cast<uint64_t>(std::ceil(run_.actual_measure_steps() * more));
      Add(v1::ADVICE_LONGER_WINDOW)
          ->set_number(std::max<uint64_t>(steps, ValidityThresholds::kFewestSteps));
    }
  }

  void AdviseCalibratingAgain() {
    v1::Advice* advice = Add(v1::ADVICE_CALIBRATE_AGAIN);
    advice->set_text(run_.calibration_run_id());
    advice->set_ratio(context_.calibration_load.value_or(0));
  }

  const AdviceContext& context_;
  v1::Run& run_;
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
  Adviser adviser(context, run);
  if (out_of_memory) {
    adviser.AdviseOnMemory();
  } else if (!IsTryOfFit(*run)) {
    adviser.AdviseOnTimes();
    adviser.AdviseOnDevice();
  }
}

void AdviseOnLaunches(const std::vector<v1::Run>& launches, v1::Run* row) {
  const bool is_noisy = std::any_of(launches.begin(), launches.end(), IsNoisy);
  if (row->plan().launches() <= 1 || !is_noisy || NoiseIsExplained(*row)) return;
  if (const auto further = StepsForTarget(launches)) AddMoreSteps(*further, row);
}

}  // namespace torchlap::measure
