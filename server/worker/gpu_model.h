// What kind of GPU it is, and which number formats such a one computes.
#pragma once

#include <string>

#include "torchlap/v1/workload.pb.h"

namespace torchlap::worker {

struct GpuModel {
  std::string name;  // the driver's, `Tesla T4`
  int major = 0;     // compute capability
  int minor = 0;
};

// Throws DeviceUnusable, in one line, if the GPU is older than what LibTorch 2.11.0 for CUDA 13 has
// kernels for: compute capability 7.5.
void CheckSupported(const GpuModel& gpu);

// Throws InvalidRequest, with what would be right, if the GPU lacks the number format: TF32 and
// bfloat16 came with compute capability 8.0, float16 with 5.3 (table "Arithmetic Instructions" of
// NVIDIA's CUDA C++ Programming Guide).
void CheckPrecision(v1::Precision precision, const GpuModel& gpu);

// Whether the GPU has matrix instructions for the format, and does not emulate them: TF32 and
// bfloat16 from 8.0 on, float16 from 7.0 on. fp32 always.
bool HasInstructions(v1::Precision precision, const GpuModel& gpu);

}  // namespace torchlap::worker
