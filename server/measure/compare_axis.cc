#include "server/measure/compare_axis.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "proto/words.h"
#include "server/measure/presets.h"

namespace torchlap::measure {
namespace {

using Kind = CompareAxis::Kind;

constexpr std::string_view kLabelPrefix = "label:";

struct AxisWord {
  const char* word;
  Kind kind;
};
constexpr AxisWord kWords[] = {
    {"precision", Kind::kPrecision},
    {"attention", Kind::kAttention},
    {"optimizer", Kind::kOptimizer},
    {"device", Kind::kDevice},
    {"device-model", Kind::kDeviceModel},
    {"batch", Kind::kBatch},
    {"context", Kind::kContext},
    {"size", Kind::kSize},
    {"threads", Kind::kThreads},
    {"timing", Kind::kTiming},
    {"torchlap", Kind::kTorchlap},
    {"torch", Kind::kTorch},
    {"driver", Kind::kDriver},
    {"host", Kind::kHost},
};

absl::Status NoAxis(const std::string& by) {
  std::string words;
  for (const AxisWord& axis : kWords) words += std::string(axis.word) + ", ";
  return absl::InvalidArgumentError("by is " + by + ", must be " + words + "or label:KEY");
}

std::string SizeOf(const v1::TransformerLm& model) {
  if (model.preset().empty()) {
    return "L" + std::to_string(model.layers()) + " h" + std::to_string(model.heads()) + " d" +
           std::to_string(model.d_model()) + " f" + std::to_string(model.d_ff());
  }
  v1::TransformerLm by_name;
  by_name.set_preset(model.preset());
  const bool is_meant = ResolveShape(&by_name).ok() && by_name.edition() == model.edition();
  return is_meant ? model.preset() : model.edition() + "/" + model.preset();
}

std::string OfModel(Kind kind, const v1::TransformerLm& model) {
  switch (kind) {
    case Kind::kPrecision:
      return std::string(Word(model.precision()));
    case Kind::kAttention:
      return std::string(Word(model.attention()));
    case Kind::kOptimizer:
      return std::string(Word(model.optimizer()));
    case Kind::kBatch:
      return std::to_string(model.batch_size());
    case Kind::kContext:
      return std::to_string(model.context_length());
    case Kind::kSize:
      return SizeOf(model);
    default:
      return "";
  }
}

std::string OfRun(const CompareAxis& axis, const v1::Run& run) {
  switch (axis.kind) {
    case Kind::kDevice:
      return run.device();
    case Kind::kDeviceModel:
      return run.device_model();
    case Kind::kThreads:
      return run.has_threads() ? std::to_string(run.threads()) : "";
    case Kind::kTiming:
      return std::string(Word(run.plan().timing()));
    case Kind::kHost:
      return run.host().empty() ? kThisMachine : run.host();
    case Kind::kLabel: {
      const auto found = run.labels().find(axis.label);
      return found == run.labels().end() ? "" : found->second;
    }
    default:
      return "";
  }
}

std::string OfEnvironment(Kind kind, const v1::Environment& environment) {
  switch (kind) {
    case Kind::kTorchlap:
      return environment.torchlap_version();
    case Kind::kTorch:
      return environment.torch_version();
    default:
      return environment.driver_version();
  }
}

bool IsOfModel(Kind kind) {
  constexpr std::array kKinds = {Kind::kPrecision, Kind::kAttention, Kind::kOptimizer,
                                 Kind::kBatch,     Kind::kContext,   Kind::kSize};
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end();
}

void ClearShape(v1::TransformerLm* model) {
  model->clear_d_model();
  model->clear_d_ff();
  model->clear_layers();
  model->clear_heads();
}

}  // namespace

absl::StatusOr<CompareAxis> ParseCompareAxis(const std::string& by) {
  if (by.size() > kLabelPrefix.size() && by.compare(0, kLabelPrefix.size(), kLabelPrefix) == 0) {
    return CompareAxis{Kind::kLabel, by.substr(kLabelPrefix.size())};
  }
  const auto* found = std::find_if(std::begin(kWords), std::end(kWords),
                                   [&by](const AxisWord& axis) { return by == axis.word; });
  if (found == std::end(kWords)) return NoAxis(by);
  return CompareAxis{found->kind, ""};
}

bool IsOfEnvironment(const CompareAxis& axis) {
  return axis.kind == Kind::kTorchlap || axis.kind == Kind::kTorch || axis.kind == Kind::kDriver;
}

std::string ValueOf(const CompareAxis& axis, const v1::Run& run,
                    const v1::Environment* environment) {
  if (IsOfModel(axis.kind)) {
    return run.workload().has_transformer_lm() ? OfModel(axis.kind, run.workload().transformer_lm())
                                               : "";
  }
  if (!IsOfEnvironment(axis)) return OfRun(axis, run);
  return environment == nullptr ? "" : OfEnvironment(axis.kind, *environment);
}

v1::Workload Without(const CompareAxis& axis, v1::Workload workload) {
  if (!workload.has_transformer_lm()) return workload;
  v1::TransformerLm* model = workload.mutable_transformer_lm();
  switch (axis.kind) {
    case Kind::kPrecision:
      model->clear_precision();
      break;
    case Kind::kAttention:
      model->clear_attention();
      break;
    case Kind::kOptimizer:
      model->clear_optimizer();
      break;
    case Kind::kBatch:
      model->clear_batch_size();
      break;
    case Kind::kContext:
      model->clear_context_length();
      break;
    case Kind::kSize:
      ClearShape(model);
      break;
    default:
      break;
  }
  return workload;
}

}  // namespace torchlap::measure
