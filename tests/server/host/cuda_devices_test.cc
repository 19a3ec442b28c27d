#include "server/host/cuda_devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "tests/server/host/fake_machine.h"

namespace torchlap::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kMib = 1048576;

class Nvml : public testing::Test {
 protected:
  NvmlAnswer Ask(const std::string& machine,
                 const std::string& library = TORCHLAP_FAKE_NVML_LIBRARY) {
    machine_.Describe(machine);
    return AskNvml(library);
  }

  FakeMachine machine_;
};

TEST_F(Nvml, WithoutTheLibraryThereAreNoDevicesAndNoComplaint) {
  const NvmlAnswer answer = AskNvml("libtorchlap-no-such-library.so.1");
  EXPECT_TRUE(absl::IsNotFound(answer.library));
  EXPECT_THAT(answer.devices, IsEmpty());
  EXPECT_THAT(Notes(answer), IsEmpty());
  EXPECT_EQ(answer.driver_version, "");
}

TEST_F(Nvml, ALibraryThatIsNoneIsNoted) {
  machine_.Write("libbroken.so", "this is no ELF file");
  const NvmlAnswer answer = AskNvml((machine_.root() / "libbroken.so").string());
  EXPECT_THAT(answer.devices, IsEmpty());
  EXPECT_THAT(Notes(answer), ElementsAre(HasSubstr("libbroken.so")));
}

TEST_F(Nvml, ALibraryWithoutTheFunctionsIsNoted) {
  const NvmlAnswer answer = AskNvml("libm.so.6");
  EXPECT_THAT(answer.devices, IsEmpty());
  EXPECT_THAT(Notes(answer), ElementsAre("no CUDA devices: libm.so.6: has no function nvmlInit"));
}

TEST_F(Nvml, AMachineWithADriverAndNoGpuHasNone) {
  const NvmlAnswer answer = Ask("driver 580.65.06\n");
  EXPECT_TRUE(answer.library.ok());
  EXPECT_EQ(answer.driver_version, "580.65.06");
  EXPECT_THAT(answer.devices, IsEmpty());
  EXPECT_THAT(Notes(answer), IsEmpty());
}

TEST_F(Nvml, OneGpuIsListedWithUuidModelAndMemory) {
  const NvmlAnswer answer = Ask("gpu GPU-1111 40960 NVIDIA A100-SXM4-40GB\n");
  ASSERT_EQ(answer.devices.size(), 1U);
  EXPECT_EQ(answer.devices[0].name, "cuda:0");
  EXPECT_EQ(answer.devices[0].uuid, "GPU-1111");
  EXPECT_EQ(answer.devices[0].model, "NVIDIA A100-SXM4-40GB");
  EXPECT_EQ(answer.devices[0].memory_bytes, 40960 * kMib);
  EXPECT_EQ(answer.devices[0].problem, "");
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
  EXPECT_THAT(Notes(answer), IsEmpty());
}

TEST_F(Nvml, AGpuInMigModeWithoutInstancesIsNoted) {
  const NvmlAnswer answer = Ask("mig-gpu GPU-1 40960 NVIDIA A100\nmig-gap\n");
  EXPECT_THAT(answer.devices, IsEmpty());
  EXPECT_THAT(Notes(answer),
              ElementsAre("cuda:0 is left out: it is in MIG mode and has no instance"));
}

struct Refusal {
  int error;
  absl::StatusCode code;
  std::string words;
};

void PrintTo(const Refusal& refusal, std::ostream* stream) { *stream << refusal.words; }

class NvmlRefusal : public Nvml, public testing::WithParamInterface<Refusal> {};

TEST_P(NvmlRefusal, IsNotedInTheDriversWords) {
  const NvmlAnswer answer =
      Ask("init-error " + std::to_string(GetParam().error) + "\ngpu GPU-1 40960 NVIDIA A100\n");
  EXPECT_THAT(answer.devices, IsEmpty());
  EXPECT_EQ(answer.library.code(), GetParam().code);
  EXPECT_THAT(Notes(answer), ElementsAre(HasSubstr(": " + GetParam().words)));
}

INSTANTIATE_TEST_SUITE_P(
    AtStart, NvmlRefusal,
    testing::Values(Refusal{18, absl::StatusCode::kFailedPrecondition,
                            "Driver/library version mismatch"},
                    Refusal{9, absl::StatusCode::kUnavailable, "Driver Not Loaded"},
                    Refusal{4, absl::StatusCode::kPermissionDenied, "Insufficient Permissions"},
                    Refusal{999, absl::StatusCode::kInternal, "Unknown Error"}));

TEST_F(Nvml, AGpuThatIsLostDoesNotTakeTheOthersWithIt) {
  const NvmlAnswer answer = Ask("broken 15\ngpu GPU-1 40960 NVIDIA A100\nbroken 4\n");
  ASSERT_EQ(answer.devices.size(), 1U);
  EXPECT_EQ(answer.devices[0].name, "cuda:1");
  ASSERT_EQ(answer.left_out.size(), 2U);
  EXPECT_TRUE(answer.left_out[0].is_lost);
  EXPECT_FALSE(answer.left_out[1].is_lost);
  EXPECT_THAT(Notes(answer), ElementsAre("cuda:0 is left out: GPU is lost",
                                         "cuda:2 is left out: Insufficient Permissions"));
}

TEST_F(Nvml, AGpuThatSharesTheHostsMemoryIsOfferedWithoutANumber) {
  const NvmlAnswer answer = Ask("gpu GPU-1 0 NVIDIA GB10\n");
  ASSERT_EQ(answer.devices.size(), 1U);
  EXPECT_EQ(answer.devices[0].memory_bytes, 0U);
}

TEST_F(Nvml, ADriverTooOldForCuda13IsNamedWithTheOneThatIsNeeded) {
  const NvmlAnswer answer = Ask("driver 535.161\ngpu GPU-1 40960 NVIDIA A100\n");
  EXPECT_TRUE(answer.driver_too_old);
  ASSERT_EQ(answer.devices.size(), 1U);
  EXPECT_EQ(answer.devices[0].problem, "driver 535.161 is too old for CUDA 13: needs 580 or newer");
  EXPECT_THAT(Notes(answer),
              ElementsAre("cuda:0 cannot be used: driver 535.161 is too old for CUDA 13: needs 580 "
                          "or newer"));
}

TEST_F(Nvml, TheCudaThatADriverRunsCountsNotItsBranch) {
  // The forward-compatibility package brings a newer CUDA to an older branch.
  EXPECT_EQ(Ask("driver 570.1\ncuda 13000\ngpu GPU-1 1 A\n").devices.at(0).problem, "");
  EXPECT_NE(Ask("driver 570.1\ncuda 12080\ngpu GPU-1 1 A\n").devices.at(0).problem, "");
  EXPECT_EQ(Ask("driver 590.1\ncuda 13010\ngpu GPU-1 1 A\n").devices.at(0).problem, "");
}

TEST_F(Nvml, AGpuThatCuda13LeftOutIsNamed) {
  EXPECT_EQ(Ask("gpu GPU-1 1 V100\ncapability 7 0\n").devices.at(0).problem,
            "compute capability 7.0 is too old for CUDA 13: needs 7.5 or newer");
  EXPECT_EQ(Ask("gpu GPU-1 1 T4\ncapability 7 5\n").devices.at(0).problem, "");
}

TEST_F(Nvml, ALibraryFromBeforeVersionedFunctionsListsItsDevices) {
  const NvmlAnswer answer = Ask("driver 340.108\ngpu GPU-1 4096 Tesla K40\ngpu GPU-2 4096 K40\n",
                                TORCHLAP_FAKE_NVML_UNVERSIONED_LIBRARY);
  ASSERT_EQ(answer.devices.size(), 2U);
  EXPECT_EQ(answer.devices[1].uuid, "GPU-2");
  EXPECT_EQ(answer.devices[1].problem, "driver 340.108 is too old for CUDA 13: needs 580 or newer");
}

TEST_F(Nvml, ItCanBeAskedAgain) {
  EXPECT_EQ(Ask("gpu GPU-1 1 A\n").devices.size(), 1U);
  EXPECT_EQ(Ask("gpu GPU-1 1 A\ngpu GPU-2 1 A\n").devices.size(), 2U);
}

TEST_F(Nvml, ItCanBeAskedWhileALibraryIsHeld) {
  const auto held = machine_.Open("gpu GPU-1 1 A\n");
  EXPECT_EQ(AskNvml(TORCHLAP_FAKE_NVML_LIBRARY).devices.size(), 1U);
  EXPECT_EQ(held->DeviceCount().value_or(0), 1U);
}

TEST_F(Nvml, TheCoresOfAGpusNodeAreThoseThatTheKernelNames) {
  machine_.Describe("gpu GPU-1 40960 A\npci 0x0 0x65 0x0\ngpu GPU-2 40960 A\npci 0x1 0xca 0x1f\n");
  machine_.Write("sys/bus/pci/devices/0000:65:00.0/local_cpulist", "0-2,8\n");
  machine_.Write("sys/bus/pci/devices/0001:ca:1f.0/local_cpulist", "3\n");
  const NvmlAnswer answer = AskNvml(TORCHLAP_FAKE_NVML_LIBRARY, machine_.root());
  ASSERT_EQ(answer.devices.size(), 2U);
  EXPECT_THAT(answer.devices[0].local_cores, ElementsAre(0, 1, 2, 8));
  EXPECT_THAT(answer.devices[1].local_cores, ElementsAre(3));
}

TEST_F(Nvml, AMigInstanceIsNearTheCoresOfItsGpu) {
  machine_.Describe(
      "mig-gpu GPU-1 40960 A\npci 0 0x65 0\nmig MIG-1 4864 A MIG 1g.5gb\nmig MIG-2 4864 A MIG "
      "1g.5gb\n");
  machine_.Write("sys/bus/pci/devices/0000:65:00.0/local_cpulist", "4-5\n");
  const NvmlAnswer answer = AskNvml(TORCHLAP_FAKE_NVML_LIBRARY, machine_.root());
  ASSERT_EQ(answer.devices.size(), 2U);
  for (const CudaDevice& instance : answer.devices) {
    EXPECT_THAT(instance.local_cores, ElementsAre(4, 5));
  }
}

TEST_F(Nvml, WhereTheNodeIsNotKnownNoCoresAreLocal) {
  machine_.Describe("gpu GPU-1 40960 A\npci 0 0x65 0\ngpu GPU-2 40960 A\n");
  machine_.Write("sys/bus/pci/devices/0000:66:00.0/local_cpulist", "4-5\n");
  for (const CudaDevice& gpu : AskNvml(TORCHLAP_FAKE_NVML_LIBRARY, machine_.root()).devices) {
    EXPECT_THAT(gpu.local_cores, IsEmpty());
  }
  machine_.Write("sys/bus/pci/devices/0000:65:00.0/local_cpulist", "\n");
  EXPECT_THAT(AskNvml(TORCHLAP_FAKE_NVML_LIBRARY, machine_.root()).devices[0].local_cores,
              IsEmpty());
}

}  // namespace
}  // namespace torchlap::host
