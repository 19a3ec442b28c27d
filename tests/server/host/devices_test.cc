#include "server/host/devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace torchlap::host {
namespace {

using testing::ElementsAre;

Configuration TwoCpuDevices() {
  Configuration configuration;
  configuration.file = "/etc/torchlapd.toml";
  configuration.cpu_devices = {{"cpu0", v1::DEVICE_KIND_CPU, {1, 2, 3}, 1000, 3},
                               {"cpu1", v1::DEVICE_KIND_CPU, {5}, 2000, 1}};
  configuration.default_cores = {1, 2, 3, 5};
  return configuration;
}

const HostResources kHost = {{0, 1, 2, 3, 5}, 10000, 9000, "Test CPU"};

TEST(ListDevices, CpuDevicesAreThoseOfTheConfiguration) {
  const DeviceList list = ListDevices(TwoCpuDevices(), kHost, {}, "s");
  ASSERT_EQ(list.devices.size(), 2U);
  const HostDevice& device = list.devices[0];
  EXPECT_EQ(device.name, "cpu0");
  EXPECT_EQ(device.uuid, "CPU-1-3");
  EXPECT_EQ(device.kind, v1::DEVICE_KIND_CPU);
  EXPECT_EQ(device.model, "Test CPU");
  EXPECT_EQ(device.cores, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(device.memory_bytes, 1000U);
  EXPECT_EQ(device.threads, 3U);
  EXPECT_THAT(device.claim_keys, ElementsAre("torchlap/s/cpu-core-1", "torchlap/s/cpu-core-2",
                                             "torchlap/s/cpu-core-3"));
  EXPECT_EQ(list.devices[1].uuid, "CPU-5");
}

TEST(ListDevices, CudaDevicesAreOfferedBesideThemWithTheHostsDefaultCores) {
  NvmlAnswer nvml;
  nvml.driver_version = "550.1";
  nvml.devices = {{"cuda:0", "GPU-1", "NVIDIA A100", 40000}};
  const DeviceList list = ListDevices(TwoCpuDevices(), kHost, nvml, "s");
  ASSERT_EQ(list.devices.size(), 3U);
  const HostDevice& device = list.devices[2];
  EXPECT_EQ(device.name, "cuda:0");
  EXPECT_EQ(device.uuid, "GPU-1");
  EXPECT_EQ(device.kind, v1::DEVICE_KIND_CUDA);
  EXPECT_EQ(device.model, "NVIDIA A100");
  EXPECT_EQ(device.cores, (std::vector<int>{1, 2, 3, 5}));
  EXPECT_EQ(device.threads, 4U);
  EXPECT_EQ(device.memory_bytes, 40000U);
  EXPECT_THAT(device.claim_keys, ElementsAre("torchlap/s/GPU-1"));
  EXPECT_EQ(list.driver_version, "550.1");
}

TEST(ListDevices, AnEntryOfTheConfigurationGivesACudaDeviceItsCores) {
  Configuration configuration = TwoCpuDevices();
  configuration.cuda_devices = {{"cuda:1", v1::DEVICE_KIND_CUDA, {0}, 0, 1}};
  NvmlAnswer nvml;
  nvml.devices = {{"cuda:0", "GPU-1", "A", 1}, {"cuda:1", "GPU-2", "A", 1}};
  const DeviceList list = ListDevices(configuration, kHost, nvml, "s");
  EXPECT_EQ(list.devices[2].cores, (std::vector<int>{1, 2, 3, 5}));
  EXPECT_EQ(list.devices[3].cores, std::vector<int>{0});
  EXPECT_EQ(list.devices[3].threads, 1U);
}

TEST(ListDevices, ADeviceThatCannotBeUsedIsListedWithItsProblem) {
  NvmlAnswer nvml;
  nvml.devices = {{"cuda:0", "GPU-1", "A", 1, "driver 535.161 is too old"}};
  const DeviceList list = ListDevices(TwoCpuDevices(), kHost, nvml, "s");
  ASSERT_EQ(list.devices.size(), 3U);
  EXPECT_EQ(list.devices[0].problem, "");
  EXPECT_EQ(list.devices[2].problem, "driver 535.161 is too old");
  EXPECT_THAT(list.notes, ElementsAre("cuda:0 cannot be used: driver 535.161 is too old"));
}

TEST(ListDevices, AClassIsServedByADeviceThatCanBeUsedWhereThereIsOne) {
  NvmlAnswer nvml;
  nvml.devices = {{"cuda:0", "GPU-1", "V100", 1, "too old"}, {"cuda:1", "GPU-2", "A100", 1}};
  DeviceList list = ListDevices(TwoCpuDevices(), kHost, nvml, "s");
  EXPECT_TRUE(list.devices[2].only_by_name);
  EXPECT_FALSE(list.devices[3].only_by_name);
  // Where none can be used, a job for the class is to fail with the reason instead of waiting.
  nvml.devices.pop_back();
  list = ListDevices(TwoCpuDevices(), kHost, nvml, "s");
  EXPECT_FALSE(list.devices[2].only_by_name);
}

TEST(ListDevices, NotesOfTheDriverAndEntriesWithoutADeviceAreKept) {
  Configuration configuration = TwoCpuDevices();
  configuration.cuda_devices = {{"cuda:7", v1::DEVICE_KIND_CUDA, {0}, 0, 1}};
  NvmlAnswer nvml;
  nvml.library = absl::InternalError("broken");
  EXPECT_THAT(ListDevices(configuration, kHost, nvml, "s").notes,
              ElementsAre("no CUDA devices: broken",
                          "device cuda:7 of /etc/torchlapd.toml is not on this machine"));
}

}  // namespace
}  // namespace torchlap::host
