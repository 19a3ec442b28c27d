#include "server/worker/gpu_model.h"

#include <string_view>
#include <vector>

#include "proto/words.h"
#include "server/worker/errors.h"

namespace torchlap::worker {
namespace {

// Compute capability 7.5 is 75.
int Capability(const GpuModel& gpu) { return 10 * gpu.major + gpu.minor; }

std::string PrintCapability(const GpuModel& gpu) {
  return std::to_string(gpu.major) + "." + std::to_string(gpu.minor);
}

struct Format {
  std::string_view name;
  int computed_from;      // compute capability; 0: always
  int instructions_from;  // of tensor cores
};

Format FormatOf(v1::Precision precision) {
  switch (precision) {
    case v1::PRECISION_TF32:
      return {"TF32", 80, 80};
    case v1::PRECISION_BF16:
    case v1::PRECISION_BF16_WEIGHTS:
      return {"bfloat16", 80, 80};
    case v1::PRECISION_FP16:
      return {"float16", 53, 70};
    default:
      return {"float32", 0, 0};
  }
}

bool Computes(const GpuModel& gpu, v1::Precision precision) {
  return Capability(gpu) >= FormatOf(precision).computed_from;
}

// `fp32 or fp16`
std::string Alternatives(const GpuModel& gpu) {
  std::vector<std::string_view> words;
  for (const v1::Precision precision : {v1::PRECISION_FP32, v1::PRECISION_TF32, v1::PRECISION_BF16,
                                        v1::PRECISION_FP16, v1::PRECISION_BF16_WEIGHTS}) {
    if (Computes(gpu, precision)) words.push_back(Word(precision));
  }
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

}  // namespace

void CheckSupported(const GpuModel& gpu) {
  constexpr int kOldestKernels = 75;  // of the torch 2.11.0 wheel: sm_75 is its first architecture
  if (Capability(gpu) >= kOldestKernels) return;
  throw DeviceUnusable(gpu.name + " has compute capability " + PrintCapability(gpu) +
                       ", must be 7.5 or later: LibTorch 2.11.0 for CUDA 13 has no kernels for it");
}

void CheckPrecision(v1::Precision precision, const GpuModel& gpu) {
  if (Computes(gpu, precision)) return;
  throw InvalidRequest("precision is " + std::string(Word(precision)) + ", must be " +
                       Alternatives(gpu) + " on " + gpu.name + ", which has no " +
                       std::string(FormatOf(precision).name) + " (compute capability " +
                       PrintCapability(gpu) + ")");
}

bool HasInstructions(v1::Precision precision, const GpuModel& gpu) {
  return Capability(gpu) >= FormatOf(precision).instructions_from;
}

}  // namespace torchlap::worker
