#include "server/worker/environment.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "proto/base/visible_text.h"

namespace torchlap::worker {
namespace {

bool IsAllowed(std::string_view variable) {
  constexpr std::array<std::string_view, 5> kPrefixes = {"OMP_", "GOMP_", "MKL_", "KMP_",
                                                         "MALLOC_"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [variable](std::string_view prefix) { return variable.starts_with(prefix); });
}

void AddVariables(v1::Environment* environment) {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    const size_t equals = variable.find('=');
    if (equals == std::string_view::npos || !IsAllowed(variable)) continue;
    (*environment->mutable_variables())[Visible(variable.substr(0, equals))] =
        Visible(variable.substr(equals + 1));
  }
}

}  // namespace

v1::Environment DescribeEnvironment(const v1::DeviceGrant& grant, const Device& device) {
  v1::Environment environment;
  environment.set_torchlap_version(TORCHLAP_VERSION);
  environment.set_torch_version(TORCH_VERSION);
  environment.set_cuda_version(device.cuda_version());
  environment.set_cores(grant.cores());
  environment.set_threads(static_cast<uint32_t>(at::get_num_threads()));
  environment.set_cpu_capability(at::get_cpu_capability());
  AddVariables(&environment);
  return environment;
}

}  // namespace torchlap::worker
