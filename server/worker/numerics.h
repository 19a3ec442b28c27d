// How numbers are computed, as LibTorch says it: read back, not assumed.
#pragma once

#include "server/worker/device.h"
#include "server/worker/transformer.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::worker {

// Whether the device has instructions for the format, and does not emulate it.
bool IsNative(v1::Precision precision, const Device& device);

// Everything but the kernel of attention, of a model that was built.
v1::Numerics DescribeNumerics(const v1::TransformerLm& workload, const Device& device,
                              const Transformer& model);

// What is known only after a step: the format of the weights beside that of their gradients, if the
// two differ, and the kernel that scaled_dot_product_attention chooses for the model and `ids`
// (B, T). Computes a little, and so is for after the last step.
v1::Numerics DescribeNumericsAfterSteps(const v1::TransformerLm& workload, const Transformer& model,
                                        const at::Tensor& ids);

}  // namespace torchlap::worker
