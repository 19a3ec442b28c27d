#include "server/measure/advice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "proto/ranges.h"
#include "proto/words.h"
#include "server/measure/presets.h"
#include "server/measure/statistics.h"
#include "server/measure/summary.h"

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

uint64_t Resident(const v1::MemoryParts& parts) {
  return Plus(Plus(parts.weights_bytes(), parts.gradients_bytes()), parts.optimizer_bytes());
}

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

// What a token keeps for the backward, apart from and in attention's scores.
struct KeptPerToken {
  double linear = 0;
  double scores = 0;
};

KeptPerToken Kept(const v1::TransformerLm& model, double context) {
  const double d = model.d_model();
  const double layers = model.layers();
  KeptPerToken kept;
  kept.linear = layers * (16 * d + 5.0 * model.d_ff()) + 3.0 * model.vocab_size();
  if (model.attention() != v1::ATTENTION_SDPA) kept.scores = 3 * layers * model.heads() * context;
  return kept;
}

// How much more of it there is than at the size of the model.
double ActivationScale(const v1::TransformerLm& model, uint32_t batch_size,
                       uint32_t context_length) {
  const KeptPerToken seen = Kept(model, model.context_length());
  const KeptPerToken asked = Kept(model, context_length);
  const double tokens_seen = double{1} * model.batch_size() * model.context_length();
  const double tokens = double{1} * batch_size * context_length;
  return tokens * (asked.linear + asked.scores) / (tokens_seen * (seen.linear + seen.scores));
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
    const v1::TransformerLm& model = run_.workload().transformer_lm();
    const uint64_t device = DeviceBytes();
    const uint64_t needed = ResidentBytes(model);
    if (device == 0) return;
    if (needed > device) {
      AddBytes(v1::ADVICE_NOTHING_FITS, needed, device);
      AdviseBf16Weights(model, device);
      return;
    }
    const auto size = FindSizeThatFits(model, assessment_.memory(), device);
    if (!size) return;
    v1::Advice* advice = AddBytes(v1::ADVICE_SMALLER_FITS, size->bytes, device);
    advice->set_number(size->batch_size);
    advice->set_number2(size->context_length);
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
    const v1::TransformerLm& model = run_.workload().transformer_lm();
    const bool fp32 =
        model.precision() == v1::PRECISION_FP32 || model.precision() == v1::PRECISION_UNSPECIFIED;
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

  void AdviseBf16Weights(v1::TransformerLm model, uint64_t device) {
    if (model.precision() == v1::PRECISION_BF16_WEIGHTS) return;
    model.set_precision(v1::PRECISION_BF16_WEIGHTS);
    const uint64_t needed = ResidentBytes(model);
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
  v1::TransformerLm model = run.workload().transformer_lm();
  v1::MemoryParts parts;
  const v1::PassType pass = model.pass_type();
  model.set_pass_type(v1::PASS_TYPE_FORWARD);
  const uint64_t weights = ResidentBytes(model);
  parts.set_weights_bytes(weights);
  if (pass != v1::PASS_TYPE_FORWARD) parts.set_gradients_bytes(weights);
  if (pass == v1::PASS_TYPE_TRAIN_STEP) parts.set_optimizer_bytes(Plus(weights, weights));
  if (run.outcome() == v1::OUTCOME_OK && LargestAllocation(run.memory()) > 0) {
    parts.set_activations_bytes(Less(LargestAllocation(run.memory()), Resident(parts)));
  }
  if (run.outcome() == v1::OUTCOME_OUT_OF_MEMORY && run.failure().has_allocated_bytes()) {
    const uint64_t seen = Plus(run.failure().allocated_bytes(), run.failure().asked_bytes());
    parts.set_activations_bytes(
        Less(seen, ResidentAtFailure(parts, run.failure().phase(), first_step_done)));
  }
  return parts;
}

std::optional<uint64_t> ForecastBytes(const v1::TransformerLm& model, const v1::MemoryParts& parts,
                                      uint32_t batch_size, uint32_t context_length) {
  if (!parts.has_activations_bytes() || model.batch_size() == 0 || model.context_length() == 0) {
    return std::nullopt;
  }
  const double activations = static_cast<double>(parts.activations_bytes()) *
                             ActivationScale(model, batch_size, context_length);
  return Plus(Resident(parts), static_cast<uint64_t>(activations));
}

std::optional<MemoryForecast> FindSizeThatFits(const v1::TransformerLm& model,
                                               const v1::MemoryParts& parts,
                                               uint64_t device_bytes) {
  uint32_t batch = model.batch_size();
  uint32_t context = model.context_length();
  while (batch > 1 || context > 1) {
    uint32_t* shrinks = batch > 1 ? &batch : &context;
    *shrinks /= 2;
    const std::optional<uint64_t> bytes = ForecastBytes(model, parts, batch, context);
    if (Fits(bytes, device_bytes)) return MemoryForecast{batch, context, *bytes};
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
