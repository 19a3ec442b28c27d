#include "server/host/device_processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/host/fake_machine.h"

namespace torchlap::host {
namespace {

using testing::Optional;

constexpr uint64_t kMib = 1048576;

class DeviceProcesses : public testing::Test {
 protected:
  std::vector<GpuProcess> On(const NvmlLibrary& nvml, const std::string& uuid = "GPU-1") {
    auto processes = ProcessesOn(nvml, *nvml.DeviceOf(uuid), machine_.root());
    EXPECT_TRUE(processes.ok()) << processes.status();
    return processes.value_or(std::vector<GpuProcess>());
  }
  std::optional<uint64_t> Foreign(const NvmlLibrary& nvml, pid_t own_pid) {
    return ForeignBytes(nvml, "GPU-1", own_pid, machine_.root());
  }

  FakeMachine machine_;
};

TEST_F(DeviceProcesses, AreNamedWithUserParentAndMemory) {
  machine_.AddProcess(4211, "python3", 4000, 0);
  const auto nvml = machine_.Open("gpu GPU-1 40960 A\nprocess 4211 11468 compute\n");
  const auto processes = On(*nvml);
  ASSERT_EQ(processes.size(), 1U);
  EXPECT_EQ(processes[0].pid, 4211);
  EXPECT_EQ(processes[0].who.name, "python3");
  EXPECT_EQ(processes[0].who.user, "root");
  EXPECT_EQ(processes[0].who.parent, 4000);
  EXPECT_THAT(processes[0].used_bytes, Optional(11468 * kMib));
  EXPECT_TRUE(processes[0].computes);
  EXPECT_FALSE(processes[0].draws);
}

TEST_F(DeviceProcesses, MayCallThemselvesAnythingAndAreShownVisibly) {
  const auto nvml = machine_.Open("gpu GPU-1 40960 A\nprocess 4211 1 compute\n");
  for (const auto& [name, shown] :
       std::vector<std::pair<std::string, std::string>>{{"\x1b]0;t\x07", "\\x1b]0;t\\x07"},
                                                        {"\xff\xfe", "\\xff\\xfe"},
                                                        {"\u202egnp.exe", "\\u202egnp.exe"},
                                                        {"Web Content", "Web Content"}}) {
    machine_.AddProcess(4211, name);
    EXPECT_EQ(On(*nvml).at(0).who.name, shown);
  }
}

TEST_F(DeviceProcesses, ThatComputeAndDrawAreOneEntry) {
  const auto nvml = machine_.Open(
      "gpu GPU-1 40960 A\nprocess 10 100 both\nprocess 9 50 graphics\nprocess 11 7 compute\n");
  const auto processes = On(*nvml);
  ASSERT_EQ(processes.size(), 3U);
  EXPECT_EQ(processes[0].pid, 9);
  EXPECT_FALSE(processes[0].computes);
  EXPECT_TRUE(processes[1].computes && processes[1].draws);
  EXPECT_THAT(processes[1].used_bytes, Optional(100 * kMib));
}

TEST_F(DeviceProcesses, MemoryThatTheDriverDoesNotSayIsUnknown) {
  const auto nvml = machine_.Open("gpu GPU-1 40960 A\nprocess 10 na compute\n");
  EXPECT_EQ(On(*nvml).at(0).used_bytes, std::nullopt);
}

TEST_F(DeviceProcesses, OfLibrariesOfAnyAgeAreReadInTheirLayout) {
  const std::string machine =
      "driver 460.1\ngpu GPU-1 40960 A\nprocess 10 100 compute\nprocess 11 200 compute\n"
      "process 12 na graphics\n";
  for (const char* library : {TORCHLAP_FAKE_NVML_LIBRARY, TORCHLAP_FAKE_NVML_2021_LIBRARY,
                              TORCHLAP_FAKE_NVML_UNVERSIONED_LIBRARY}) {
    const auto nvml = machine_.Open(machine, library);
    const auto processes = On(*nvml);
    ASSERT_EQ(processes.size(), 3U) << library;
    EXPECT_THAT(processes[0].used_bytes, Optional(100 * kMib)) << library;
    EXPECT_EQ(processes[1].pid, 11) << library;
    EXPECT_THAT(processes[1].used_bytes, Optional(200 * kMib)) << library;
    EXPECT_EQ(processes[2].used_bytes, std::nullopt) << library;
  }
}

TEST_F(DeviceProcesses, ClientsOfAnMpsServerCompute) {
  const std::string machine =
      "gpu GPU-1 40960 A\nprocess 10 27 compute\nprocess 11 90 mps\nprocess 12 5 graphics\n";
  for (const char* library : {TORCHLAP_FAKE_NVML_LIBRARY, TORCHLAP_FAKE_NVML_2021_LIBRARY}) {
    const auto processes = On(*machine_.Open(machine, library));
    ASSERT_EQ(processes.size(), 3U) << library;
    EXPECT_EQ(processes[1].pid, 11);
    EXPECT_TRUE(processes[1].computes);
    EXPECT_THAT(processes[1].used_bytes, Optional(90 * kMib)) << library;
  }
}

TEST_F(DeviceProcesses, ManyProcessesFit) {
  std::string machine = "gpu GPU-1 40960 A\n";
  for (int i = 1; i <= 300; ++i) machine += "process " + std::to_string(i) + " 1 compute\n";
  EXPECT_EQ(On(*machine_.Open(machine)).size(), 300U);
}

TEST_F(DeviceProcesses, OfAMigInstanceAreItsOwn) {
  const auto nvml = machine_.Open(
      "mig-gpu GPU-1 40960 A\nmig MIG-a 4864 A\nprocess 10 100 compute\nmig MIG-b 4864 A\n"
      "process 11 200 compute\n");
  EXPECT_EQ(On(*nvml, "MIG-a").at(0).pid, 10);
  EXPECT_EQ(On(*nvml, "MIG-b").at(0).pid, 11);
}

TEST_F(DeviceProcesses, ARefusedListIsAnError) {
  const auto nvml = machine_.Open("gpu GPU-1 40960 A\nprocess-error 4\n");
  EXPECT_TRUE(absl::IsPermissionDenied(
      ProcessesOn(*nvml, *nvml->DeviceOf("GPU-1"), machine_.root()).status()));
  EXPECT_EQ(Foreign(*nvml, 7), std::nullopt);
}

TEST_F(DeviceProcesses, InAContainerPidsAreNotLookedUp) {
  machine_.AddProcess(10, "another");
  machine_.EnterNamespace("pid:[4026532266]");
  const auto nvml = machine_.Open("gpu GPU-1 40960 A\nprocess 10 100 compute\n");
  EXPECT_EQ(On(*nvml).at(0).who.name, "");
}

TEST_F(DeviceProcesses, ForeignMemoryIsThatOfTheOthers) {
  const auto nvml = machine_.Open(
      "gpu GPU-1 40960 A\nused-mib 1000\nprocess 10 100 compute\nprocess 11 200 both\n");
  EXPECT_THAT(Foreign(*nvml, 10), Optional(200 * kMib));
  // It has not touched the device yet.
  EXPECT_THAT(Foreign(*nvml, 12), Optional(300 * kMib));
}

TEST_F(DeviceProcesses, ForeignMemoryWithoutAProcessOfOursIsWhatIsInUse) {
  const auto nvml = machine_.Open("gpu GPU-1 40960 A\nused-mib 1000\nreserved-mib 500\n");
  EXPECT_THAT(Foreign(*nvml, 0), Optional(1000 * kMib));
  machine_.EnterNamespace("pid:[4026532266]");
  EXPECT_THAT(Foreign(*nvml, 0), Optional(1000 * kMib));
}

TEST_F(DeviceProcesses, ForeignMemoryOfAnUnknownNeighbourIsWhatOursDoesNotHold) {
  const auto nvml = machine_.Open(
      "gpu GPU-1 40960 A\nused-mib 1000\nprocess 10 300 compute\nprocess 11 na compute\n");
  EXPECT_THAT(Foreign(*nvml, 10), Optional(700 * kMib));
  EXPECT_THAT(Foreign(*nvml, 12), Optional(1000 * kMib));
  EXPECT_EQ(Foreign(*nvml, 11), 300 * kMib);  // ours need not be said for the sum over the others
}

TEST_F(DeviceProcesses, ForeignMemoryIsUnknownWhereNoneCanBeToldApart) {
  const auto nvml = machine_.Open(
      "gpu GPU-1 40960 A\nused-mib 1000\nprocess 10 na compute\nprocess 11 na compute\n");
  EXPECT_EQ(Foreign(*nvml, 10), std::nullopt);
  EXPECT_EQ(ForeignBytes(*nvml, "GPU-9", 0, machine_.root()), std::nullopt);
}

TEST_F(DeviceProcesses, ForeignMemoryBesideOursIsUnknownInAContainer) {
  const auto nvml = machine_.Open("gpu GPU-1 40960 A\nused-mib 9\nprocess 10 1 compute\n");
  machine_.EnterNamespace("pid:[4026532266]");
  EXPECT_EQ(Foreign(*nvml, 10), std::nullopt);
}

TEST_F(DeviceProcesses, AnOldDriversUseIsNotTakenForForeign) {
  // Without _v2 of the memory, what the driver sets aside counts as used.
  const auto nvml = machine_.Open(
      "driver 340.1\ngpu GPU-1 4096 A\nused-mib 10\nreserved-mib 500\nprocess 10 8 compute\n",
      TORCHLAP_FAKE_NVML_UNVERSIONED_LIBRARY);
  EXPECT_THAT(Foreign(*nvml, 0), Optional(8 * kMib));
}

constexpr uid_t kAnn = 4294001;  // accounts that have no name
constexpr uid_t kBob = 4294002;

class GpuUse : public testing::Test {
 protected:
  bool Uses(const NvmlLibrary& nvml, uid_t uid, const std::string& uuid = "GPU-1") {
    return UsesGpu(nvml, uuid, uid, machine_.root());
  }
  // A file of the kernel, as good as a device.
  void AddDeviceFile(int number, std::filesystem::perms mode) {
    const std::string name = "dev/nvidia" + std::to_string(number);
    machine_.Write(name, "");
    std::filesystem::permissions(machine_.root() / name, mode);
  }
  static constexpr std::filesystem::perms kForAll{0666};
  static constexpr std::filesystem::perms kForItsGroup{0660};

  FakeMachine machine_;
};

TEST_F(GpuUse, IsThatAProcessOfTheAccountComputesThere) {
  machine_.AddProcess(10, "python3", 1, kAnn);
  machine_.AddProcess(11, "Xorg", 1, kBob);
  const auto nvml =
      machine_.Open("gpu GPU-1 40960 A\nprocess 10 100 compute\nprocess 11 50 graphics\n");
  EXPECT_TRUE(Uses(*nvml, kAnn));
  EXPECT_FALSE(Uses(*nvml, kBob)) << "who draws does not compute";
  EXPECT_FALSE(Uses(*nvml, 0)) << "root has nothing there";
}

TEST_F(GpuUse, WithoutAProcessIsNone) {
  const auto nvml = machine_.Open("gpu GPU-1 40960 A\n");
  EXPECT_FALSE(Uses(*nvml, kAnn));
}

TEST_F(GpuUse, OfSeveralGpusIsTheirOwn) {
  machine_.AddProcess(10, "python3", 1, kAnn);
  machine_.AddProcess(11, "python3", 1, kBob);
  const auto nvml = machine_.Open(
      "gpu GPU-1 40960 A\nprocess 10 1 compute\ngpu GPU-2 40960 A\nprocess 11 1 both\n"
      "gpu GPU-3 40960 A\n");
  EXPECT_TRUE(Uses(*nvml, kAnn, "GPU-1"));
  EXPECT_FALSE(Uses(*nvml, kAnn, "GPU-2"));
  EXPECT_TRUE(Uses(*nvml, kBob, "GPU-2"));
  for (const uid_t uid : {kAnn, kBob}) EXPECT_FALSE(Uses(*nvml, uid, "GPU-3"));
  EXPECT_FALSE(Uses(*nvml, kAnn, "GPU-9")) << "there is none";
}

TEST_F(GpuUse, OfAMigInstanceIsNotThatOfItsNeighbour) {
  machine_.AddProcess(10, "python3", 1, kAnn);
  const auto nvml = machine_.Open(
      "mig-gpu GPU-1 40960 A\nmig MIG-a 4864 A\nprocess 10 100 compute\nmig MIG-b 4864 A\n");
  EXPECT_TRUE(Uses(*nvml, kAnn, "MIG-a"));
  EXPECT_FALSE(Uses(*nvml, kAnn, "MIG-b"));
}

TEST_F(GpuUse, ByAnUnknownProcessIsThatOfWhoMayOpenTheDevice) {
  const auto nvml = machine_.Open("gpu GPU-1 40960 A\nminor 3\nprocess 10 100 compute\n");
  EXPECT_TRUE(Uses(*nvml, kAnn)) << "no file says that he may not";
  AddDeviceFile(3, kForAll);
  EXPECT_TRUE(Uses(*nvml, kAnn));
  AddDeviceFile(3, kForItsGroup);
  EXPECT_FALSE(Uses(*nvml, kAnn)) << "he is not in the group";
  EXPECT_TRUE(Uses(*nvml, 0)) << "root may open all";
  EXPECT_TRUE(geteuid() == 0 || Uses(*nvml, geteuid())) << "the file's owner";
}

TEST_F(GpuUse, ByAnUnknownProcessIsToldByTheFileOfThatGpuAlone) {
  AddDeviceFile(0, kForItsGroup);
  AddDeviceFile(1, kForAll);
  const auto nvml = machine_.Open(
      "gpu GPU-1 40960 A\nminor 0\nprocess 10 1 compute\ngpu GPU-2 40960 A\nminor 1\n"
      "process 11 1 compute\n");
  EXPECT_FALSE(Uses(*nvml, kAnn, "GPU-1"));
  EXPECT_TRUE(Uses(*nvml, kAnn, "GPU-2"));
}

TEST_F(GpuUse, OfAMigInstanceIsToldByTheFileOfItsGpu) {
  AddDeviceFile(5, kForItsGroup);
  const auto nvml = machine_.Open(
      "mig-gpu GPU-1 40960 A\nminor 5\nmig-gap\nmig MIG-a 4864 A\nprocess 10 1 compute\n");
  EXPECT_FALSE(Uses(*nvml, kAnn, "MIG-a"));
  AddDeviceFile(5, kForAll);
  EXPECT_TRUE(Uses(*nvml, kAnn, "MIG-a"));
}

TEST_F(GpuUse, InAContainerIsUnknownAndNotTakenFromTheNumbers) {
  machine_.AddProcess(10, "python3", 1, kBob);
  machine_.EnterNamespace("pid:[4026532266]");
  AddDeviceFile(3, kForItsGroup);
  const auto nvml = machine_.Open("gpu GPU-1 40960 A\nminor 3\nprocess 10 100 compute\n");
  EXPECT_FALSE(Uses(*nvml, kBob)) << "number 10 is another process here";
}

TEST_F(GpuUse, OfADriverThatTellsNothingIsNone) {
  for (const char* machine : {"gpu GPU-1 40960 A\nprocess-error 4\n", "gpu GPU-2 40960 A\n"}) {
    EXPECT_FALSE(Uses(*machine_.Open(machine), kAnn)) << machine;
  }
}

TEST_F(GpuUse, OfADriverOfOldIsFoundWithoutTheNumberOfItsFile) {
  machine_.AddProcess(10, "python3", 1, kAnn);
  AddDeviceFile(0, kForItsGroup);
  const auto nvml = machine_.Open("driver 340.1\ngpu GPU-1 4096 A\nprocess 10 8 compute\n",
                                  TORCHLAP_FAKE_NVML_UNVERSIONED_LIBRARY);
  EXPECT_TRUE(Uses(*nvml, kAnn));
  EXPECT_FALSE(Uses(*nvml, kBob));
}

}  // namespace
}  // namespace torchlap::host
