#include "server/worker/request_check.h"

#include <initializer_list>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include "proto/ranges.h"
#include "proto/words.h"
#include "server/worker/errors.h"

namespace torchlap::worker {
namespace {

[[noreturn]] void Refuse(std::string_view field, std::string_view value, std::string_view right) {
  throw InvalidRequest(std::string(field) + " is " + std::string(value) + ", must be " +
                       std::string(right));
}

std::string Print(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

void RefuseIf(const std::optional<std::string>& wrong) {
  if (wrong) throw InvalidRequest(*wrong);
}

// Nothing is left to default: every one of the fields must be given, and lie in its range.
void CheckAllGiven(const google::protobuf::Message& message, std::initializer_list<int> fields) {
  for (const int field : fields) RefuseIf(CheckGiven(message, field));
}

// Refuses a value without a word: UNSPECIFIED, or one of a newer daemon.
template <typename Enum>
void CheckWord(std::string_view field, Enum value) {
  if (Word(value).empty()) Refuse(field, "number " + std::to_string(value), Words<Enum>());
}

void CheckShape(const v1::TransformerLm& model) {
  CheckAllGiven(model, {model.kVocabSizeFieldNumber, model.kDModelFieldNumber,
                        model.kDFfFieldNumber, model.kLayersFieldNumber, model.kHeadsFieldNumber});
  // Rotary embeddings turn pairs, so a head's width is even.
  if (model.d_model() % (2 * uint64_t{model.heads()}) != 0) {
    Refuse("d_model", std::to_string(model.d_model()),
           "an even multiple of heads, which is " + std::to_string(model.heads()));
  }
}

void CheckModel(const v1::TransformerLm& model) {
  CheckShape(model);
  CheckWord("pass_type", model.pass_type());
  CheckWord("precision", model.precision());
  CheckWord("attention", model.attention());
  if (model.pass_type() == v1::PASS_TYPE_TRAIN_STEP) CheckWord("optimizer", model.optimizer());
  CheckAllGiven(model, {model.kBatchSizeFieldNumber, model.kContextLengthFieldNumber});
}

void CheckPlan(const v1::Plan& plan) {
  CheckAllGiven(plan, {plan.kWarmupStepsFieldNumber, plan.kMeasureStepsFieldNumber});
  RefuseIf(CheckRanges(plan));
  CheckWord("timing", plan.timing());
  if (plan.execution() != v1::EXECUTION_UNSPECIFIED) CheckWord("execution", plan.execution());
}

// What only a GPU can do.
void CheckForCpu(const v1::WorkerRequest& request) {
  const v1::Plan& plan = request.plan();
  const v1::Precision precision = request.workload().transformer_lm().precision();
  if (precision == v1::PRECISION_TF32) {
    Refuse("precision", Word(precision),
           "fp32, bf16, fp16 or bf16-weights on a CPU device: no CPU has tf32");
  }
  if (plan.timing() == v1::TIMING_EVENTS) {
    Refuse("timing", Word(plan.timing()),
           "separate or combined on a CPU device: it has no device events");
  }
  if (plan.execution() == v1::EXECUTION_CUDA_GRAPH) {
    Refuse("execution", Word(plan.execution()), "eager on a CPU device");
  }
  if (plan.has_memory_fraction()) {
    Refuse("memory_fraction", Print(plan.memory_fraction()),
           "unset on a CPU device: its limit is the device's memory");
  }
}

void CheckForGraph(const v1::WorkerRequest& request) {
  const v1::TransformerLm& model = request.workload().transformer_lm();
  if (request.plan().timing() != v1::TIMING_COMBINED) {
    Refuse("timing", Word(request.plan().timing()),
           "combined with execution cuda-graph: the phases of a graph cannot be told apart");
  }
  if (model.pass_type() == v1::PASS_TYPE_TRAIN_STEP && model.optimizer() != v1::OPTIMIZER_FUSED) {
    Refuse("optimizer", Word(model.optimizer()),
           "fused with execution cuda-graph: course counts its steps on the host");
  }
}

void CheckGrant(const v1::DeviceGrant& device) {
  CheckWord("device.kind", device.kind());
  CheckAllGiven(device, {device.kThreadsFieldNumber});
  if (device.kind() == v1::DEVICE_KIND_CUDA && device.uuid().empty()) {
    Refuse("device.uuid", "empty", "the UUID of a GPU or MIG instance");
  }
}

// It has a plan of its own: of that of the request only the seed is used.
void CheckCalibration(const v1::WorkerRequest& request) {
  RefuseIf(CheckRanges(request.workload()));
  CheckGrant(request.device());
}

}  // namespace

void CheckRequest(const v1::WorkerRequest& request) {
  if (request.workload().has_calibration()) return CheckCalibration(request);
  if (!request.workload().has_transformer_lm()) {
    Refuse("workload", "unset", "transformer_lm or calibration");
  }
  CheckModel(request.workload().transformer_lm());
  CheckPlan(request.plan());
  CheckGrant(request.device());
  if (request.device().kind() == v1::DEVICE_KIND_CPU) CheckForCpu(request);
  if (request.plan().execution() == v1::EXECUTION_CUDA_GRAPH) CheckForGraph(request);
}

}  // namespace torchlap::worker
