// Seeded values: weights and token ids. The same seed gives the same numbers on the same kind of
// device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace torchlap::worker {

// Seeds LibTorch's default generators. Everything below draws from them, in order of calls.
void Seed(uint64_t seed);

// As server/measure/README.md, section 1, says: gains (one axis) are 1; embeddings N(0, 1) cut at
// 3; other weights N(0, 2 / (in + out)) cut at 3 standard deviations.
void InitialiseParameter(const std::string& name, const at::Tensor& parameter);

// (batch, context) int64, uniform over 0 to vocabulary - 1.
at::Tensor RandomTokens(int64_t vocabulary, int64_t batch, int64_t context, c10::Device device);

}  // namespace torchlap::worker
