#include "server/host/devices.h"

#include <algorithm>

#include "server/host/cpu_list.h"
#include "server/host/device_claim.h"

namespace torchlap::host {
namespace {

HostDevice CpuDevice(const DeviceSettings& settings, const HostResources& host,
                     const std::string& scope) {
  return {settings.name,
          "CPU-" + PrintCpuList(settings.cores),
          v1::DEVICE_KIND_CPU,
          host.cpu_model,
          settings.cores,
          settings.memory_bytes,
          settings.threads,
          CpuClaimKeys(scope, settings.cores),
          "",
          settings.vendor_peaks};
}

const DeviceSettings* Find(const std::vector<DeviceSettings>& entries, const std::string& name) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const DeviceSettings& entry) { return entry.name == name; });
  return found == entries.end() ? nullptr : &*found;
}

HostDevice CudaHostDevice(const CudaDevice& cuda, const Configuration& configuration,
                          const std::string& scope) {
  const DeviceSettings* entry = Find(configuration.cuda_devices, cuda.name);
  const std::vector<int>& cores = entry ? entry->cores : configuration.default_cores;
  const uint32_t threads = entry ? entry->threads : static_cast<uint32_t>(cores.size());
  return {cuda.name,
          cuda.uuid,
          v1::DEVICE_KIND_CUDA,
          cuda.model,
          cores,
          cuda.memory_bytes,
          threads,
          GpuClaimKeys(scope, cuda.uuid),
          cuda.problem,
          entry ? entry->vendor_peaks : VendorPeaks()};
}

void KeepClassesUsable(std::vector<HostDevice>* devices) {
  for (HostDevice& device : *devices) {
    device.only_by_name =
        !device.problem.empty() &&
        std::any_of(devices->begin(), devices->end(), [&](const HostDevice& other) {
          return other.kind == device.kind && other.problem.empty();
        });
  }
}

}  // namespace

DeviceList ListDevices(const Configuration& configuration, const HostResources& host,
                       const NvmlAnswer& nvml, const std::string& scope) {
  DeviceList list;
  list.notes = Notes(nvml);
  list.driver_version = nvml.driver_version;
  for (const DeviceSettings& settings : configuration.cpu_devices) {
    list.devices.push_back(CpuDevice(settings, host, scope));
  }
  for (const CudaDevice& cuda : nvml.devices) {
    list.devices.push_back(CudaHostDevice(cuda, configuration, scope));
  }
  KeepClassesUsable(&list.devices);
  for (const DeviceSettings& entry : configuration.cuda_devices) {
    if (std::none_of(nvml.devices.begin(), nvml.devices.end(),
                     [&](const CudaDevice& cuda) { return cuda.name == entry.name; })) {
      list.notes.push_back("device " + entry.name + " of " + configuration.file.string() +
                           " is not on this machine");
    }
  }
  return list;
}

}  // namespace torchlap::host
