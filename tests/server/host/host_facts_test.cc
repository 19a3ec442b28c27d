#include "server/host/host_facts.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/server/host/fake_machine.h"

namespace torchlap::host {
namespace {

constexpr char kA100[] =
    "gpu GPU-1 40960 NVIDIA A100-SXM4-40GB\n"
    "power-limit-mw 400000\necc 1\npersistence 0\ncompute-mode 3\n"
    "application-mhz 1410\napplication-memory-mhz 1215\npcie-generation 4\npcie-width 16\n";

v1::Environment SettingsOf(FakeMachine* machine, const std::string& gpus, const std::string& uuid) {
  v1::Environment environment;
  AddGpuSettings(*machine->Open(gpus), uuid, &environment);
  return environment;
}

TEST(AddGpuSettings, TellsWhatSomebodySet) {
  FakeMachine machine;
  const v1::Environment environment = SettingsOf(&machine, kA100, "GPU-1");
  EXPECT_EQ(environment.gpu_power_limit_mw(), 400'000U);
  EXPECT_EQ(environment.gpu_ecc(), "on");
  EXPECT_EQ(environment.gpu_persistence(), "off");
  EXPECT_EQ(environment.gpu_compute_mode(), "exclusive-process");
  EXPECT_EQ(environment.gpu_application_mhz(), 1410U);
  EXPECT_EQ(environment.gpu_application_memory_mhz(), 1215U);
  EXPECT_EQ(environment.pcie_generation(), 4U);
  EXPECT_EQ(environment.pcie_width(), 16U);
}

TEST(AddGpuSettings, ARestingGpuHasTheLinkThatItHasWhileItComputes) {
  FakeMachine machine;
  const std::string link = "pcie-generation 4\npcie-width 16\n";
  const auto settings = [&](const std::string& in_use) {
    return SettingsOf(&machine, "gpu GPU-1 40960 A\n" + link + in_use, "GPU-1");
  };
  const v1::Environment computes = settings("pcie-generation-now 4\npcie-width-now 16\n");
  const v1::Environment rests = settings("pcie-generation-now 1\npcie-width-now 8\n");
  EXPECT_EQ(rests.DebugString(), computes.DebugString());
  EXPECT_EQ(rests.pcie_generation(), 4U);
  EXPECT_EQ(rests.pcie_width(), 16U);
}

TEST(AddGpuSettings, WhatTheDeviceDoesNotTellStaysUnset) {
  FakeMachine machine;
  // A GeForce has neither ECC nor application clocks.
  const v1::Environment environment =
      SettingsOf(&machine, "gpu GPU-1 24564 NVIDIA GeForce RTX 4090\npersistence 1\n", "GPU-1");
  v1::Environment expected;
  expected.set_gpu_persistence("on");
  EXPECT_EQ(environment.DebugString(), expected.DebugString());
  EXPECT_EQ(SettingsOf(&machine, kA100, "GPU-gone").ByteSizeLong(), 0U);
}

TEST(AddGpuSettings, ComputeModesHaveTheWordsOfTheContract) {
  FakeMachine machine;
  const auto word = [&machine](int mode) {
    return SettingsOf(&machine, "gpu G 1 A\ncompute-mode " + std::to_string(mode) + "\n", "G")
        .gpu_compute_mode();
  };
  EXPECT_EQ(word(0), "default");
  EXPECT_EQ(word(1), "exclusive-thread");
  EXPECT_EQ(word(2), "prohibited");
  EXPECT_EQ(word(4), "4") << "of a newer driver";
}

TEST(AddGpuSettings, AnOldLibraryTellsNothing) {
  FakeMachine machine;
  const auto nvml = machine.Open(kA100, TORCHLAP_FAKE_NVML_UNVERSIONED_LIBRARY);
  v1::Environment environment;
  AddGpuSettings(*nvml, "GPU-1", &environment);
  EXPECT_EQ(environment.ByteSizeLong(), 0U);
}

HostDevice Cuda(const std::string& uuid, const std::string& model) {
  HostDevice device;
  device.kind = v1::DEVICE_KIND_CUDA;
  device.uuid = uuid;
  device.model = model;
  return device;
}

TEST(EnvironmentOf, AMigInstanceHasItsProfile) {
  const auto profile = [](const std::string& uuid, const std::string& model) {
    return EnvironmentOf({}, Cuda(uuid, model)).mig_profile();
  };
  EXPECT_EQ(profile("MIG-1", "NVIDIA A100-SXM4-40GB MIG 1g.5gb"), "1g.5gb");
  EXPECT_EQ(profile("MIG-1", "NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb"), "1c.3g.40gb");
  EXPECT_EQ(profile("MIG-1", "NVIDIA A100-SXM4-40GB"), "");
  EXPECT_EQ(profile("GPU-1", "ACME MIG 21"), "") << "a name";
}

}  // namespace
}  // namespace torchlap::host
