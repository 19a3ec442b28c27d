#include "server/worker/gpu_model.h"

#include <gtest/gtest.h>

#include <string>

#include "server/worker/errors.h"

namespace torchlap::worker {
namespace {

const GpuModel kPascal{"Tesla P100", 6, 0};
const GpuModel kTuring{"Tesla T4", 7, 5};
const GpuModel kAmpere{"NVIDIA A100", 8, 0};

std::string Refusal(v1::Precision precision, const GpuModel& gpu) {
  try {
    CheckPrecision(precision, gpu);
  } catch (const InvalidRequest& error) {
    return error.what();
  }
  return "";
}

TEST(GpuModelTest, AFormatThatTheGpuLacksIsRefusedWithTheAlternatives) {
  EXPECT_EQ(Refusal(v1::PRECISION_TF32, kTuring),
            "precision is tf32, must be fp32 or fp16 on Tesla T4, which has no TF32 (compute "
            "capability 7.5)");
  EXPECT_EQ(Refusal(v1::PRECISION_BF16, kTuring),
            "precision is bf16, must be fp32 or fp16 on Tesla T4, which has no bfloat16 (compute "
            "capability 7.5)");
  EXPECT_NE(Refusal(v1::PRECISION_BF16_WEIGHTS, kTuring), "");
  EXPECT_EQ(Refusal(v1::PRECISION_FP16, {"Tesla M40", 5, 2}),
            "precision is fp16, must be fp32 on Tesla M40, which has no float16 (compute "
            "capability 5.2)");
}

TEST(GpuModelTest, ANewerGpuHasEveryFormat) {
  for (const v1::Precision precision : {v1::PRECISION_FP32, v1::PRECISION_TF32, v1::PRECISION_BF16,
                                        v1::PRECISION_FP16, v1::PRECISION_BF16_WEIGHTS}) {
    EXPECT_EQ(Refusal(precision, kAmpere), "");
    EXPECT_TRUE(HasInstructions(precision, kAmpere));
  }
}

TEST(GpuModelTest, Float16IsComputedBeforeThereWereMatrixInstructionsForIt) {
  EXPECT_EQ(Refusal(v1::PRECISION_FP16, kPascal), "");
  EXPECT_FALSE(HasInstructions(v1::PRECISION_FP16, kPascal));
  EXPECT_TRUE(HasInstructions(v1::PRECISION_FP16, kTuring));
  EXPECT_TRUE(HasInstructions(v1::PRECISION_FP32, kPascal));
}

TEST(GpuModelTest, AGpuWithoutKernelsIsNamedWithItsCapability) {
  EXPECT_NO_THROW(CheckSupported(kTuring));
  try {
    CheckSupported(kPascal);
    FAIL() << "nothing was thrown";
  } catch (const DeviceUnusable& error) {
    EXPECT_STREQ(error.what(),
                 "Tesla P100 has compute capability 6.0, must be 7.5 or later: LibTorch 2.11.0 for "
                 "CUDA 13 has no kernels for it");
  }
}

}  // namespace
}  // namespace torchlap::worker
