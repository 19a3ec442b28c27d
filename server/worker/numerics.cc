#include "server/worker/numerics.h"

#include <ATen/Context.h>
#include <ATen/SDPBackend.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/cpu/Utils.h>
#include <c10/util/Exception.h>

#include <string>

#include "server/worker/precision.h"

namespace torchlap::worker {
namespace {

std::string FormatName(c10::ScalarType type) {
  switch (type) {
    case c10::kFloat:
      return "float32";
    case c10::kBFloat16:
      return "bfloat16";
    case c10::kHalf:
      return "float16";
    default:
      return c10::toString(type);
  }
}

std::string Fp32Matmul(c10::DeviceType device) {
  const auto backend =
      device == c10::DeviceType::CUDA ? at::Float32Backend::CUDA : at::Float32Backend::MKLDNN;
  const at::Float32Precision precision =
      at::globalContext().float32Precision(backend, at::Float32Op::MATMUL);
  // NONE: nobody said anything, and the libraries keep to IEEE.
  return precision == at::Float32Precision::NONE ? "ieee" : at::precision2str(precision);
}

// In a scope like that of a step.
std::string Autocast(c10::DeviceType device, v1::Precision precision) {
  const AutocastScope scope(device, AutocastType(precision));
  if (!at::autocast::is_autocast_enabled(device)) return "off";
  return FormatName(at::autocast::get_autocast_dtype(device));
}

// Whether the CPU that runs this has one of two features, by LibTorch's names for them.
bool CpuHas(const std::string& one, const std::string& other) {
  const auto features = at::cpu::get_cpu_capabilities();
  const auto has = [&features](const std::string& name) {
    const auto found = features.find(name);
    return found != features.end() && found->second.isBool() && found->second.toBool();
  };
  return has(one) || has(other);
}

std::string KernelName(at::SDPBackend kernel) {
  switch (kernel) {
    case at::SDPBackend::math:
      return "math";
    case at::SDPBackend::flash_attention:
      return "flash";
    case at::SDPBackend::efficient_attention:
      return "efficient";
    case at::SDPBackend::cudnn_attention:
      return "cudnn";
    default:
      return "";
  }
}

// Empty if there is no memory left to find out.
std::string SdpaKernel(const v1::TransformerLm& workload, const Transformer& model,
                       const at::Tensor& ids) {
  // As in a step: the choice depends on formats and on whether there will be a backward.
  const at::AutoGradMode grad_mode(workload.pass_type() != v1::PASS_TYPE_FORWARD);
  const AutocastScope autocast(ids.device().type(), AutocastType(workload.precision()));
  try {
    return KernelName(static_cast<at::SDPBackend>(model.ChosenSdpa(ids)));
  } catch (const c10::OutOfMemoryError&) {
    return "";
  }
}

}  // namespace

bool IsNative(v1::Precision precision, const Device& device) {
  if (const auto gpu = device.gpu()) return HasInstructions(precision, *gpu);
  switch (precision) {
    case v1::PRECISION_BF16:
    case v1::PRECISION_BF16_WEIGHTS:
      return CpuHas("avx512_bf16", "amx_bf16");
    case v1::PRECISION_FP16:
      return CpuHas("avx512_fp16", "amx_fp16");
    default:
      return true;
  }
}

v1::Numerics DescribeNumerics(const v1::TransformerLm& workload, const Device& device,
                              const Transformer& model) {
  const c10::DeviceType type = device.torch_device().type();
  v1::Numerics numerics;
  numerics.set_fp32_matmul(Fp32Matmul(type));
  numerics.set_autocast(Autocast(type, workload.precision()));
  numerics.set_weights(FormatName(model.parameters().front().tensor.scalar_type()));
  numerics.set_instructions(IsNative(workload.precision(), device) ? "native" : "emulated");
  return numerics;
}

v1::Numerics DescribeNumericsAfterSteps(const v1::TransformerLm& workload, const Transformer& model,
                                        const at::Tensor& ids) {
  v1::Numerics numerics;
  const at::Tensor& weight = model.parameters().front().tensor;
  if (weight.grad().defined() && weight.grad().scalar_type() != weight.scalar_type()) {
    numerics.set_weights(FormatName(weight.scalar_type()) + ", gradients " +
                         FormatName(weight.grad().scalar_type()));
  }
  if (workload.attention() == v1::ATTENTION_SDPA) {
    numerics.set_sdpa_kernel(SdpaKernel(workload, model, ids));
  }
  return numerics;
}

}  // namespace torchlap::worker
