// The axes along which runs are compared with each other: `--by precision`. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::measure {

// The host of runs that were not imported.
inline constexpr char kThisMachine[] = "here";

struct CompareAxis {
  enum class Kind {
    kNone,  // two sides that were chosen apart
    kPrecision,
    kAttention,
    kOptimizer,
    kDevice,
    kDeviceModel,
    kBatch,
    kContext,
    kSize,
    kThreads,
    kTiming,
    kTorchlap,
    kTorch,
    kDriver,
    kHost,
    kLabel,
  };
  Kind kind = Kind::kNone;
  std::string label;  // the key, of kLabel
};

// `precision`, `device-model`, `label:KEY` ... INVALID_ARGUMENT: another word.
absl::StatusOr<CompareAxis> ParseCompareAxis(const std::string& by);

// Where it is a field of the environment that only the environment knows.
bool IsOfEnvironment(const CompareAxis& axis);

// The run's value as a word: `bf16`, `8`, `small`, `gpu0`. Presets of another edition than a bare
// name means are `cs336-2026/xl`, shapes without a name `L12 h12 d768 f3072`. `environment` may be
// null. Empty: it has none, as a forward pass has no optimizer, or it is not known.
std::string ValueOf(const CompareAxis& axis, const v1::Run& run,
                    const v1::Environment* environment);

// The workload with nothing in it that the axis sets, so that workloads which differ in it alone
// have one canonical text (identity.h).
v1::Workload Without(const CompareAxis& axis, v1::Workload workload);

}  // namespace torchlap::measure
