#include "server/daemon/nvml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/server/daemon/temporary_folder.h"

namespace torchlap::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kMib = 1048576;

class Nvml : public testing::Test {
 protected:
  NvmlAnswer Ask(const std::string& machine) {
    const auto file = folder_.Write("machine", machine);
    setenv("TORCHLAP_FAKE_NVML", file.c_str(), 1);
    return AskNvml(TORCHLAP_FAKE_NVML_LIBRARY);
  }

  TemporaryFolder folder_;
};

TEST_F(Nvml, WithoutTheLibraryThereAreNoDevicesAndNoComplaint) {
  const NvmlAnswer answer = AskNvml("libtorchlap-no-such-library.so.1");
  EXPECT_THAT(answer.devices, IsEmpty());
  EXPECT_THAT(answer.notes, IsEmpty());
  EXPECT_EQ(answer.driver_version, "");
}

TEST_F(Nvml, ALibraryThatIsNoneIsNoted) {
  const auto file = folder_.Write("libbroken.so", "this is no ELF file");
  const NvmlAnswer answer = AskNvml(file);
  EXPECT_THAT(answer.devices, IsEmpty());
  EXPECT_THAT(answer.notes, ElementsAre(HasSubstr("libbroken.so")));
}

TEST_F(Nvml, ALibraryWithoutTheFunctionsIsNoted) {
  const NvmlAnswer answer = AskNvml("libm.so.6");
  EXPECT_THAT(answer.devices, IsEmpty());
  EXPECT_THAT(answer.notes, ElementsAre(HasSubstr("nvmlInit_v2")));
}

TEST_F(Nvml, AMachineWithADriverAndNoGpuHasNone) {
  const NvmlAnswer answer = Ask("driver 550.54.15\n");
  EXPECT_EQ(answer.driver_version, "550.54.15");
  EXPECT_THAT(answer.devices, IsEmpty());
  EXPECT_THAT(answer.notes, IsEmpty());
}

TEST_F(Nvml, OneGpuIsListedWithUuidModelAndMemory) {
  const NvmlAnswer answer = Ask("gpu GPU-1111 40960 NVIDIA A100-SXM4-40GB\n");
  ASSERT_EQ(answer.devices.size(), 1U);
  EXPECT_EQ(answer.devices[0].name, "cuda:0");
  EXPECT_EQ(answer.devices[0].uuid, "GPU-1111");
  EXPECT_EQ(answer.devices[0].model, "NVIDIA A100-SXM4-40GB");
  EXPECT_EQ(answer.devices[0].memory_bytes, 40960 * kMib);
}

TEST_F(Nvml, EightGpusAreNumberedAsTheDriverNumbersThem) {
  std::string machine;
  for (int i = 0; i < 8; ++i) machine += "gpu GPU-" + std::to_string(i) + " 81920 NVIDIA H100\n";
  const NvmlAnswer answer = Ask(machine);
  ASSERT_EQ(answer.devices.size(), 8U);
  EXPECT_EQ(answer.devices[7].name, "cuda:7");
  EXPECT_EQ(answer.devices[7].uuid, "GPU-7");
}

TEST_F(Nvml, OfAGpuInMigModeTheInstancesAreOffered) {
  const NvmlAnswer answer =
      Ask("gpu GPU-0 40960 NVIDIA A100\n"
          "mig-gpu GPU-1 40960 NVIDIA A100\n"
          "mig MIG-a 4864 NVIDIA A100 MIG 1g.5gb\nmig-gap\nmig MIG-b 9856 NVIDIA A100 MIG 2g.10gb\n"
          "gpu GPU-2 40960 NVIDIA A100\n");
  ASSERT_EQ(answer.devices.size(), 4U);
  EXPECT_EQ(answer.devices[0].uuid, "GPU-0");
  EXPECT_EQ(answer.devices[1].name, "cuda:1.0");
  EXPECT_EQ(answer.devices[1].uuid, "MIG-a");
  EXPECT_EQ(answer.devices[2].name, "cuda:1.2");
  EXPECT_EQ(answer.devices[2].memory_bytes, 9856 * kMib);
  EXPECT_EQ(answer.devices[3].name, "cuda:2");
  EXPECT_THAT(answer.notes, IsEmpty());
}

TEST_F(Nvml, AGpuInMigModeWithoutInstancesIsNoted) {
  const NvmlAnswer answer = Ask("mig-gpu GPU-1 40960 NVIDIA A100\n");
  EXPECT_THAT(answer.devices, IsEmpty());
  EXPECT_THAT(answer.notes,
              ElementsAre("cuda:0 is left out: it is in MIG mode and has no instance"));
}

TEST_F(Nvml, ADriverThatDoesNotAnswerIsNoted) {
  const NvmlAnswer answer = Ask("init-error 18\ngpu GPU-1 40960 NVIDIA A100\n");
  EXPECT_THAT(answer.devices, IsEmpty());
  EXPECT_THAT(answer.notes, ElementsAre(HasSubstr("Driver/library version mismatch")));
}

TEST_F(Nvml, AGpuThatIsLostDoesNotTakeTheOthersWithIt) {
  const NvmlAnswer answer = Ask("broken 15\ngpu GPU-1 40960 NVIDIA A100\n");
  ASSERT_EQ(answer.devices.size(), 1U);
  EXPECT_EQ(answer.devices[0].name, "cuda:1");
  EXPECT_THAT(answer.notes, ElementsAre("cuda:0 is left out: GPU is lost"));
}

TEST_F(Nvml, AGpuThatSharesTheHostsMemoryIsOfferedWithoutANumber) {
  const NvmlAnswer answer = Ask("gpu GPU-1 0 NVIDIA GB10\n");
  ASSERT_EQ(answer.devices.size(), 1U);
  EXPECT_EQ(answer.devices[0].memory_bytes, 0U);
}

TEST_F(Nvml, ItCanBeAskedAgain) {
  EXPECT_EQ(Ask("gpu GPU-1 1 A\n").devices.size(), 1U);
  EXPECT_EQ(Ask("gpu GPU-1 1 A\ngpu GPU-2 1 A\n").devices.size(), 2U);
}

}  // namespace
}  // namespace torchlap::daemon
