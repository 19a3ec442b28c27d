#include "server/worker/initialisation.h"

#include <ATen/Context.h>
#include <ATen/ops/randint.h>

#include <cmath>

namespace torchlap::worker {
namespace {

constexpr double kCut = 3.0;  // standard deviations

// Inverse of the normal distribution's cumulative function, of a uniform number between its values
// at the cuts.
void FillTruncatedNormal(const at::Tensor& tensor, double std) {
  const double bound = std::erf(kCut / std::sqrt(2.0));
  at::Tensor values = tensor;
  values.uniform_(-bound, bound).erfinv_().mul_(std * std::sqrt(2.0));
  values.clamp_(-kCut * std, kCut * std);  // rounding may step over the cut
}

}  // namespace

void Seed(uint64_t seed) { at::manual_seed(seed); }

void InitialiseParameter(const std::string& name, const at::Tensor& parameter) {
  if (parameter.dim() == 1) {
    parameter.fill_(1.0);
    return;
  }
  const bool embedding = name == "token_embeddings.weight";
  const auto in_and_out = static_cast<double>(parameter.size(0) + parameter.size(1));
  FillTruncatedNormal(parameter, embedding ? 1.0 : std::sqrt(2.0 / in_and_out));
}

at::Tensor RandomTokens(int64_t vocabulary, int64_t batch, int64_t context, c10::Device device) {
  return at::randint(vocabulary, {batch, context},
                     at::TensorOptions().device(device).dtype(at::kLong));
}

}  // namespace torchlap::worker
