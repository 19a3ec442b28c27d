#include "server/worker/adamw.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace torchlap::worker {
namespace {

at::Tensor ParameterWithGradient(double value, double gradient) {
  at::Tensor parameter = at::full({3}, value);
  parameter.set_requires_grad(true);
  parameter.mutable_grad() = at::full({3}, gradient);
  return parameter;
}

double First(const at::Tensor& tensor) { return tensor.detach()[0].item<double>(); }

// By hand, in double: one entry of the course's loop.
double CourseByHand(double value, double gradient, int steps) {
  double first = 0, second = 0;
  for (int t = 1; t <= steps; ++t) {
    value *= 1 - 1e-3 * 0.01;
    first = 0.9 * first + 0.1 * gradient;
    second = 0.999 * second + 0.001 * gradient * gradient;
    const double rate = 1e-3 * std::sqrt(1 - std::pow(0.999, t)) / (1 - std::pow(0.9, t));
    value -= rate * first / (std::sqrt(second) + 1e-8);
  }
  return value;
}

TEST(AdamWTest, TheCourseVariantFollowsTheFormulaOverSeveralSteps) {
  const at::Tensor parameter = ParameterWithGradient(0.5, -0.25);
  const auto optimizer = MakeAdamW(v1::OPTIMIZER_COURSE, {parameter});
  for (int i = 0; i < 3; ++i) optimizer->Step();
  EXPECT_NEAR(First(parameter), CourseByHand(0.5, -0.25, 3), 1e-6);
}

// With gradients far above eps it does not matter where eps is added.
TEST(AdamWTest, TheFusedVariantComputesTheSame) {
  const at::Tensor course = ParameterWithGradient(0.5, -0.25);
  const at::Tensor fused = ParameterWithGradient(0.5, -0.25);
  const auto course_optimizer = MakeAdamW(v1::OPTIMIZER_COURSE, {course});
  const auto fused_optimizer = MakeAdamW(v1::OPTIMIZER_FUSED, {fused});
  for (int i = 0; i < 3; ++i) {
    course_optimizer->Step();
    fused_optimizer->Step();
  }
  EXPECT_NE(First(fused), 0.5);
  EXPECT_NEAR(First(fused), First(course), 1e-6);
}

TEST(AdamWTest, WeightsDecayEvenWithoutAGradient) {
  const at::Tensor parameter = ParameterWithGradient(2.0, 0.0);
  MakeAdamW(v1::OPTIMIZER_COURSE, {parameter})->Step();
  EXPECT_NEAR(First(parameter), 2.0 * (1 - 1e-5), 1e-7);
}

}  // namespace
}  // namespace torchlap::worker
