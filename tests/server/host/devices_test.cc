#include "server/host/devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>
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

TEST(ListDevices, ACudaDeviceIsWantedAsItsEntrySays) {
  Configuration configuration = TwoCpuDevices();
  configuration.cuda_devices = {{"cuda:1", v1::DEVICE_KIND_CUDA, {0}, 0, 1}};
  configuration.cuda_devices[0].wanted.power_limit_watts = 300;
  configuration.cuda_devices[0].settle = SettleWindow{50, 1, 2};
  NvmlAnswer nvml;
  nvml.devices = {{"cuda:0", "GPU-1", "A", 1}, {"cuda:1", "GPU-2", "A", 1}};
  const DeviceList list = ListDevices(configuration, kHost, nvml, "s");
  EXPECT_FALSE(list.devices[2].wanted.any());
  EXPECT_FALSE(list.devices[2].settle);
  EXPECT_EQ(list.devices[3].wanted.power_limit_watts, 300U);
  EXPECT_EQ(list.devices[3].settle->below_celsius, 50U);
}

// cpu0 has what is left of 16 cores, and the daemon core 0.
Configuration DefaultCpuDevice() {
  Configuration configuration;
  for (int core = 1; core < 16; ++core) configuration.default_cores.push_back(core);
  configuration.cpu_devices = {
      {"cpu0", v1::DEVICE_KIND_CPU, configuration.default_cores, 1000, 15, {}, true, true}};
  return configuration;
}

NvmlAnswer TwoGpus() {
  NvmlAnswer nvml;
  nvml.devices = {{"cuda:0", "GPU-1", "A", 1, "", {0, 1, 2, 3, 4, 5, 6, 7}},
                  {"cuda:1", "GPU-2", "A", 1, "", {8, 9, 10, 11, 12, 13, 14, 15}}};
  return nvml;
}

TEST(ListDevices, GpuWorkersHaveTwoLocalCoresEachThatTheDefaultCpuDeviceDoesWithout) {
  const DeviceList list = ListDevices(DefaultCpuDevice(), kHost, TwoGpus(), "s");
  ASSERT_EQ(list.devices.size(), 3U);
  const HostDevice& cpu = list.devices[0];
  EXPECT_EQ(cpu.cores, (std::vector<int>{1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13}));
  EXPECT_EQ(cpu.threads, 11U);
  EXPECT_EQ(cpu.uuid, "CPU-1-5,8-13");
  EXPECT_EQ(cpu.claim_keys.size(), 11U);
  EXPECT_EQ(list.devices[1].cores, (std::vector<int>{6, 7}));
  EXPECT_EQ(list.devices[1].threads, 2U);
  EXPECT_THAT(list.devices[1].claim_keys,
              ElementsAre("torchlap/s/GPU-1", "torchlap/s/cpu-core-6", "torchlap/s/cpu-core-7"));
  EXPECT_THAT(list.devices[2].claim_keys,
              ElementsAre("torchlap/s/GPU-2", "torchlap/s/cpu-core-14", "torchlap/s/cpu-core-15"));
  EXPECT_THAT(list.reserved_cores, ElementsAre(6, 7, 14, 15));
  EXPECT_THAT(list.notes, testing::IsEmpty());
}

TEST(ListDevices, HowManyIsConfiguredAndNoneMeansThatTheyShareTheLocalOnes) {
  Configuration configuration = DefaultCpuDevice();
  configuration.cores_per_gpu = 1;
  EXPECT_THAT(ListDevices(configuration, kHost, TwoGpus(), "s").reserved_cores, ElementsAre(7, 15));
  configuration.cores_per_gpu = 0;
  const DeviceList list = ListDevices(configuration, kHost, TwoGpus(), "s");
  EXPECT_EQ(list.devices[0].cores.size(), 15U);
  EXPECT_EQ(list.devices[1].cores, (std::vector<int>{1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(list.devices[1].threads, 7U);
  EXPECT_THAT(list.devices[1].claim_keys, ElementsAre("torchlap/s/GPU-1"));
}

TEST(ListDevices, TheDefaultCpuDeviceKeepsHalfOfTheCores) {
  for (const auto& [cores, of_cpu, of_gpu] :
       {std::tuple(std::vector<int>{0, 1}, std::vector<int>{0}, std::vector<int>{1}),
        std::tuple(std::vector<int>{1, 2, 3}, std::vector<int>{1, 2}, std::vector<int>{3}),
        std::tuple(std::vector<int>{1, 2, 3, 4, 5}, std::vector<int>{1, 2, 3},
                   std::vector<int>{4, 5}),
        std::tuple(std::vector<int>{0}, std::vector<int>{0}, std::vector<int>{0})}) {
    Configuration configuration = DefaultCpuDevice();
    configuration.default_cores = configuration.cpu_devices[0].cores = cores;
    NvmlAnswer nvml;
    nvml.devices = {{"cuda:0", "GPU-1", "A", 1}};
    const DeviceList list = ListDevices(configuration, kHost, nvml, "s");
    EXPECT_EQ(list.devices[0].cores, of_cpu);
    EXPECT_EQ(list.devices[1].cores, of_gpu);
    // One core that both have is claimed once, else the daemon would wait for itself.
    EXPECT_EQ(list.devices[1].claim_keys.size(), of_cpu == of_gpu ? 1U : 1U + of_gpu.size());
  }
}

TEST(ListDevices, CoresThatTheConfigurationGivesToAGpuAreLeftOutOfTheDefaultCpuDevice) {
  Configuration configuration = DefaultCpuDevice();
  configuration.cuda_devices = {{"cuda:0", v1::DEVICE_KIND_CUDA, {1, 2}, 0, 2}};
  DeviceList list = ListDevices(configuration, kHost, TwoGpus(), "s");
  EXPECT_EQ(list.devices[0].cores, (std::vector<int>{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}));
  EXPECT_EQ(list.devices[1].cores, (std::vector<int>{1, 2}));
  EXPECT_THAT(list.devices[1].claim_keys,
              ElementsAre("torchlap/s/GPU-1", "torchlap/s/cpu-core-1", "torchlap/s/cpu-core-2"));
  EXPECT_THAT(list.reserved_cores, ElementsAre(14, 15)) << "of the other one";
  // Of a GPU that is not there nothing is reserved.
  list = ListDevices(configuration, kHost, {}, "s");
  EXPECT_EQ(list.devices[0].cores.size(), 15U);
}

TEST(ListDevices, AGpuThatCannotBeUsedReservesNothing) {
  NvmlAnswer nvml = TwoGpus();
  nvml.devices[0].problem = "too old";
  const DeviceList list = ListDevices(DefaultCpuDevice(), kHost, nvml, "s");
  EXPECT_THAT(list.reserved_cores, ElementsAre(14, 15));
  EXPECT_THAT(list.devices[1].claim_keys, ElementsAre("torchlap/s/GPU-1"));
  EXPECT_FALSE(list.devices[1].cores.empty());
}

TEST(ListDevices, ThreadsThatAreAskedForAreCoresThatAreReserved) {
  Configuration configuration = DefaultCpuDevice();
  configuration.cuda_devices = {
      {"cuda:0", v1::DEVICE_KIND_CUDA, configuration.default_cores, 0, 4, {}, true, false}};
  const DeviceList list = ListDevices(configuration, kHost, TwoGpus(), "s");
  EXPECT_EQ(list.devices[1].cores, (std::vector<int>{4, 5, 6, 7}));
  EXPECT_EQ(list.devices[1].threads, 4U);
}

TEST(ListDevices, ACpuDeviceWithMoreThreadsThanCoresAreLeftHasFewerAndItIsNoted) {
  Configuration configuration = DefaultCpuDevice();
  configuration.cpu_devices[0].threads = 14;
  configuration.cpu_devices[0].has_default_threads = false;
  const DeviceList list = ListDevices(configuration, kHost, TwoGpus(), "s");
  EXPECT_EQ(list.devices[0].threads, 11U);
  EXPECT_THAT(list.notes,
              ElementsAre("cpu0 has 11 threads instead of 14, one for each of its cores 1-5,8-13; "
                          "give it cores for more"));
  configuration.cpu_devices[0].threads = 3;
  EXPECT_EQ(ListDevices(configuration, kHost, TwoGpus(), "s").devices[0].threads, 3U);
}

// A machine of so many cores whose core N has the hyperthreads N and N + half.
HostResources WithHyperthreads(int logical) {
  HostResources host = kHost;
  host.cores.clear();
  for (int core = 0; core < logical; ++core) {
    const int first = core % (logical / 2);
    host.cores.push_back(core);
    host.siblings[core] = {first, first + logical / 2};
  }
  return host;
}

TEST(ListDevices, NoHyperthreadOfAGpuWorkersCoreIsTheCpuDevices) {
  Configuration configuration = DefaultCpuDevice();
  NvmlAnswer nvml;
  nvml.devices = {{"cuda:0", "GPU-1", "A", 1}};
  const DeviceList list = ListDevices(configuration, WithHyperthreads(16), nvml, "s");
  EXPECT_EQ(list.devices[1].cores, (std::vector<int>{6, 7, 14, 15})) << "two physical ones";
  EXPECT_EQ(list.devices[1].threads, 4U);
  EXPECT_EQ(list.devices[1].claim_keys.size(), 5U) << "the GPU and all four";
  EXPECT_EQ(list.devices[0].cores, (std::vector<int>{1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13}));
  EXPECT_THAT(list.reserved_cores, ElementsAre(6, 7, 14, 15));
}

TEST(ListDevices, TheDefaultCpuDeviceKeepsHalfOfTheHyperthreadsToo) {
  Configuration configuration = DefaultCpuDevice();
  configuration.default_cores = configuration.cpu_devices[0].cores = {1, 2, 3};
  NvmlAnswer nvml;
  nvml.devices = {{"cuda:0", "GPU-1", "A", 1}};
  // The daemon's 0 is the sibling of 2: the CPU device has the core that is whole.
  DeviceList list = ListDevices(configuration, WithHyperthreads(4), nvml, "s");
  EXPECT_EQ(list.devices[0].cores, (std::vector<int>{1, 3}));
  EXPECT_EQ(list.devices[1].cores, std::vector<int>{2});
  // One physical core, which is not cut in two: nobody would see that its halves disturb each
  // other.
  configuration.default_cores = configuration.cpu_devices[0].cores = {0, 1};
  list = ListDevices(configuration, WithHyperthreads(2), nvml, "s");
  EXPECT_EQ(list.devices[0].cores, (std::vector<int>{0, 1}));
  EXPECT_EQ(list.devices[1].cores, (std::vector<int>{0, 1}));
  EXPECT_THAT(list.reserved_cores, testing::IsEmpty());
}

TEST(ListDevices, WholeCoresAreLeftOutWhereTheConfigurationGivesAGpuOneHyperthread) {
  Configuration configuration = DefaultCpuDevice();
  configuration.cuda_devices = {{"cuda:0", v1::DEVICE_KIND_CUDA, {1, 2}, 0, 2}};
  NvmlAnswer nvml;
  nvml.devices = {{"cuda:0", "GPU-1", "A", 1}};
  DeviceList list = ListDevices(configuration, WithHyperthreads(16), nvml, "s");
  EXPECT_EQ(list.devices[0].cores, (std::vector<int>{3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15}));
  EXPECT_EQ(list.devices[1].cores, (std::vector<int>{1, 2})) << "as it was said";
  // Where that would leave nothing, halves are.
  configuration.default_cores = configuration.cpu_devices[0].cores = {1, 2, 9, 10};
  list = ListDevices(configuration, WithHyperthreads(16), nvml, "s");
  EXPECT_EQ(list.devices[0].cores, (std::vector<int>{9, 10}));
}

TEST(ListDevices, AHyperthreadBesideACpuDeviceIsTheLastThatAGpuWorkerGets) {
  Configuration configuration = TwoCpuDevices();  // 1, 2, 3 and 5 are given
  configuration.default_cores = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15};
  configuration.cores_per_gpu = 3;
  NvmlAnswer nvml;
  nvml.devices = {{"cuda:0", "GPU-1", "A", 1}};
  const DeviceList list = ListDevices(configuration, WithHyperthreads(16), nvml, "s");
  EXPECT_EQ(list.devices[2].cores, (std::vector<int>{4, 6, 7, 12, 14, 15})) << "not 13, 11, 10, 9";
}

TEST(ListDevices, CpuDevicesWhoseCoresWereSaidKeepThem) {
  Configuration configuration = TwoCpuDevices();
  configuration.default_cores = {1, 2, 3, 5, 6, 7, 8};
  NvmlAnswer nvml;
  nvml.devices = {{"cuda:0", "GPU-1", "A", 1, "", {1, 2, 3}}};
  const DeviceList list = ListDevices(configuration, kHost, nvml, "s");
  EXPECT_EQ(list.devices[0].cores, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(list.devices[2].cores, (std::vector<int>{7, 8})) << "of those that nobody has";
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
