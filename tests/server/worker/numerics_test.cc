#include "server/worker/numerics.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "server/worker/initialisation.h"
#include "server/worker/precision.h"
#include "tests/server/worker/allocator_reset.h"
#include "tests/server/worker/tiny_workload.h"

namespace torchlap::worker {
namespace {

// A GPU by its name only: nothing is computed on it.
class NamedGpu : public Device {
 public:
  explicit NamedGpu(GpuModel gpu) : gpu_(std::move(gpu)) {}
  c10::Device torch_device() const override { return c10::Device(c10::DeviceType::CUDA, 0); }
  void Synchronise() override {}
  std::unique_ptr<DeviceClock> MakeClock() override { return nullptr; }
  void ResetPeaks() override {}
  MemoryPeak Peaks() const override { return {}; }
  v1::MemoryUse AtStart() const override { return {}; }
  v1::Failure DescribeOutOfMemory(const std::string&) const override { return {}; }
  std::optional<GpuModel> gpu() const override { return gpu_; }
  std::string cuda_version() const override { return "13.0"; }

 private:
  const GpuModel gpu_;
};

class NumericsTest : public ::testing::Test {
 protected:
  ~NumericsTest() override { SetMatmulPrecision(v1::PRECISION_FP32); }

  static Transformer Model(const v1::TransformerLm& workload) {
    return Transformer(workload, at::kCPU, WeightsType(workload.precision()), InitialiseParameter);
  }

  // What is said of the tiny model in `precision`, read back after it was set.
  static v1::Numerics Of(v1::Precision precision, const Device& device) {
    v1::TransformerLm workload = TinyModel();
    workload.set_precision(precision);
    SetMatmulPrecision(precision);
    return DescribeNumerics(workload, device, Model(workload));
  }

  static v1::Numerics AfterSteps(v1::Precision precision, v1::Attention attention) {
    v1::TransformerLm workload = TinyModel();
    workload.set_precision(precision);
    workload.set_attention(attention);
    return DescribeNumericsAfterSteps(workload, Model(workload), RandomTokens(31, 2, 8, at::kCPU));
  }

  const AllocatorReset reset_;
  const std::unique_ptr<Device> cpu_ = OpenCpuDevice(0);
  const NamedGpu gpu_{{"NVIDIA A100", 8, 0}};
};

TEST_F(NumericsTest, FormatsOnACpuAreReadBack) {
  const v1::Numerics fp32 = Of(v1::PRECISION_FP32, *cpu_);
  EXPECT_EQ(fp32.fp32_matmul(), "ieee");
  EXPECT_EQ(fp32.autocast(), "off");
  EXPECT_EQ(fp32.weights(), "float32");
  EXPECT_EQ(fp32.instructions(), "native");
  EXPECT_EQ(Of(v1::PRECISION_BF16, *cpu_).autocast(), "bfloat16");
  EXPECT_EQ(Of(v1::PRECISION_BF16, *cpu_).weights(), "float32");
  EXPECT_EQ(Of(v1::PRECISION_FP16, *cpu_).autocast(), "float16");
  EXPECT_EQ(Of(v1::PRECISION_BF16_WEIGHTS, *cpu_).autocast(), "off");
  EXPECT_EQ(Of(v1::PRECISION_BF16_WEIGHTS, *cpu_).weights(), "bfloat16");
}

TEST_F(NumericsTest, Tf32IsSaidWhereItIsAllowed) {
  EXPECT_EQ(Of(v1::PRECISION_TF32, gpu_).fp32_matmul(), "tf32");
  EXPECT_EQ(Of(v1::PRECISION_FP32, gpu_).fp32_matmul(), "ieee");
  EXPECT_EQ(Of(v1::PRECISION_BF16, gpu_).autocast(), "bfloat16");
}

TEST_F(NumericsTest, InstructionsAreTheGpusOwn) {
  EXPECT_EQ(Of(v1::PRECISION_BF16, gpu_).instructions(), "native");
  EXPECT_EQ(Of(v1::PRECISION_BF16, NamedGpu({"Tesla T4", 7, 5})).instructions(), "emulated");
}

TEST_F(NumericsTest, TheKernelOfAttentionIsKnownForSdpaAlone) {
  EXPECT_EQ(AfterSteps(v1::PRECISION_FP32, v1::ATTENTION_EXPLICIT).sdpa_kernel(), "");
  EXPECT_EQ(AfterSteps(v1::PRECISION_FP32, v1::ATTENTION_SDPA).sdpa_kernel(), "flash");
  EXPECT_EQ(AfterSteps(v1::PRECISION_BF16, v1::ATTENTION_SDPA).sdpa_kernel(), "flash");
}

TEST_F(NumericsTest, WithoutMemoryLeftTheKernelStaysUnknown) {
  v1::TransformerLm workload = TinyModel();
  workload.set_attention(v1::ATTENTION_SDPA);
  const Transformer model = Model(workload);
  const at::Tensor ids = RandomTokens(31, 2, 8, at::kCPU);
  const auto full = OpenCpuDevice(1);
  EXPECT_EQ(DescribeNumericsAfterSteps(workload, model, ids).sdpa_kernel(), "");
}

}  // namespace
}  // namespace torchlap::worker
