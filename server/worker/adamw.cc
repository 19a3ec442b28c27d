#include "server/worker/adamw.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <cstdint>
#include <utility>

namespace torchlap::worker {
namespace {

constexpr double kLearningRate = 1e-3;
constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.999;
constexpr double kEpsilon = 1e-8;
constexpr double kWeightDecay = 0.01;

// Decay first, eps outside the bias correction.
class CourseAdamW final : public AdamW {
 public:
  explicit CourseAdamW(std::vector<at::Tensor> parameters) : parameters_(std::move(parameters)) {
    moments_.resize(parameters_.size());
  }

  void Step() override {
    const at::NoGradGuard no_grad;
    ++step_;
    for (size_t i = 0; i < parameters_.size(); ++i) Update(parameters_[i], &moments_[i]);
  }

 private:
  struct Moments {
    at::Tensor first, second;
  };

  void Update(at::Tensor& parameter, Moments* state);

  std::vector<at::Tensor> parameters_;
  std::vector<Moments> moments_;
  int64_t step_ = 0;
};

// The course writes state.get("m", torch.zeros_like(p)): the zeros are made in every step and
// dropped in all but the first. That is part of the time that a user of that loop sees, so it is
// done here too.
at::Tensor StateOrZeros(const at::Tensor& state, const at::Tensor& parameter) {
  at::Tensor zeros = at::zeros_like(parameter);
  return state.defined() ? state : zeros;
}

// The blocks drop temporaries where Python drops them: they are as large as the parameter, and
// memory that is free again early is used again while it is warm.
void CourseAdamW::Update(at::Tensor& parameter, Moments* state) {
  const at::Tensor& gradient = parameter.grad();
  at::Tensor first = StateOrZeros(state->first, parameter);
  at::Tensor second = StateOrZeros(state->second, parameter);
  parameter.mul_(1 - kLearningRate * kWeightDecay);
  {
    const at::Tensor kept = first.mul(kBeta1);
    first = kept.add(gradient.mul(1 - kBeta1));
  }
  {
    const at::Tensor kept = second.mul(kBeta2);
    at::Tensor fresh = gradient.pow(2);
    fresh = fresh.mul(1 - kBeta2);
    second = kept.add(fresh);
  }
  const auto step = static_cast<double>(step_);
  const double rate =
      kLearningRate * std::sqrt(1 - std::pow(kBeta2, step)) / (1 - std::pow(kBeta1, step));
  at::Tensor change = first.mul(rate);
  {
    const at::Tensor divisor = second.sqrt().add(kEpsilon);
    change = change.div(divisor);
  }
  parameter.sub_(change);
  *state = {first, second};
}

class FusedAdamW final : public AdamW {
 public:
  explicit FusedAdamW(std::vector<at::Tensor> parameters) : parameters_(std::move(parameters)) {}

  void Step() override {
    const at::NoGradGuard no_grad;
    if (steps_.empty()) MakeState();
    std::vector<at::Tensor> gradients;
    gradients.reserve(parameters_.size());
    for (const at::Tensor& parameter : parameters_) gradients.push_back(parameter.grad());
    at::_foreach_add_(steps_, 1);
    at::_fused_adamw_(parameters_, gradients, first_, second_, /*max_exp_avg_sqs=*/{}, steps_,
                      kLearningRate, kBeta1, kBeta2, kWeightDecay, kEpsilon, /*amsgrad=*/false,
                      /*maximize=*/false);
  }

 private:
  void MakeState() {
    for (const at::Tensor& parameter : parameters_) {
      first_.push_back(at::zeros_like(parameter));
      second_.push_back(at::zeros_like(parameter));
      steps_.push_back(at::zeros({}, parameter.options().dtype(at::kFloat)));
    }
  }

  std::vector<at::Tensor> parameters_;
  std::vector<at::Tensor> first_, second_, steps_;  // step counts are tensors in this operator
};

}  // namespace

std::unique_ptr<AdamW> MakeAdamW(v1::Optimizer variant, std::vector<at::Tensor> parameters) {
  if (variant == v1::OPTIMIZER_FUSED) return std::make_unique<FusedAdamW>(std::move(parameters));
  return std::make_unique<CourseAdamW>(std::move(parameters));
}

}  // namespace torchlap::worker
