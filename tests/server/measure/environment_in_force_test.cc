#include "server/measure/environment_in_force.h"

#include <gtest/gtest.h>

#include "server/measure/identity.h"

namespace torchlap::measure {
namespace {

// As a run on a GPU has it: what its worker told, and what the daemon did.
v1::Environment Stored() {
  v1::Environment environment;
  environment.set_torchlap_version("1.0");
  environment.set_torch_version("2.11.0");
  environment.set_cuda_version("13.0");
  environment.set_threads(4);
  environment.set_cpu_capability("AVX2");
  (*environment.mutable_variables())["OMP_NUM_THREADS"] = "4";
  environment.set_driver_version("580.65");
  environment.set_kernel("6.1");
  environment.set_gpu_power_limit_mw(300'000);
  environment.set_environment_hash(EnvironmentHash(environment));
  return environment;
}

v1::Environment Told() {
  v1::Environment environment;
  environment.set_driver_version("580.65");
  environment.set_kernel("6.1");
  environment.set_gpu_power_limit_mw(300'000);
  return environment;
}

TEST(EnvironmentInForceTest, IsTheStoredOneWhereNothingHasChanged) {
  EXPECT_EQ(EnvironmentInForce(Stored(), Told()).environment_hash(), Stored().environment_hash());
}

TEST(EnvironmentInForceTest, WhatTheDaemonTellsCounts) {
  v1::Environment told = Told();
  told.set_driver_version("590.10");
  told.set_torchlap_version("1.1");
  const v1::Environment now = EnvironmentInForce(Stored(), told);
  EXPECT_EQ(now.driver_version(), "590.10");
  EXPECT_EQ(now.torchlap_version(), "1.1");
  EXPECT_EQ(now.torch_version(), "2.11.0") << "of the newest run: nobody says otherwise";
  EXPECT_EQ(now.environment_hash(), EnvironmentHash(now));
  EXPECT_NE(now.environment_hash(), Stored().environment_hash());
}

// A power limit that is no more told is not the one of before.
TEST(EnvironmentInForceTest, WhatTheDaemonNoLongerTellsIsGone) {
  v1::Environment told = Told();
  told.clear_gpu_power_limit_mw();
  EXPECT_EQ(EnvironmentInForce(Stored(), told).gpu_power_limit_mw(), 0U);
}

}  // namespace
}  // namespace torchlap::measure
