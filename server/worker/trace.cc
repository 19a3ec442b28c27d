#include "server/worker/trace.h"

#include <torch/csrc/autograd/profiler_kineto.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace torchlap::worker {
namespace {

namespace profiler = torch::autograd::profiler;
using torch::profiler::impl::ActivityType;

torch::profiler::impl::ProfilerConfig Config() {
  return torch::profiler::impl::ProfilerConfig(torch::profiler::impl::ProfilerState::KINETO);
}

std::set<ActivityType> Activities(c10::DeviceType device) {
  std::set<ActivityType> activities = {ActivityType::CPU};
  if (device == c10::DeviceType::CUDA) activities.insert(ActivityType::CUDA);
  return activities;
}

// Kineto only logs that it could not write, and stops where the disk is full: the file is whole if
// it ends as JSON does.
bool IsWhole(const std::string& file) {
  std::ifstream stream(file, std::ios::ate | std::ios::binary);
  for (std::streamoff at = stream.tellg(); at > 0; --at) {
    stream.seekg(at - 1);
    const int last = stream.get();
    if (last != '\n') return last == '}';
  }
  return false;
}

}  // namespace

Trace::Trace(c10::DeviceType device, std::string path) : device_(device), path_(std::move(path)) {}

void Trace::Prepare() { profiler::prepareProfiler(Config(), Activities(device_)); }

void Trace::Start() { profiler::enableProfiler(Config(), Activities(device_)); }

void Trace::Save() {
  const std::string part = path_ + ".part";
  profiler::disableProfiler()->save(part);
  std::error_code error;
  if (IsWhole(part)) {
    std::filesystem::rename(part, path_, error);
    if (!error) return;
  }
  std::filesystem::remove(part, error);
  throw std::runtime_error("the trace cannot be written to " + path_);
}

}  // namespace torchlap::worker
