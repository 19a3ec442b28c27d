#include "server/host/devices.h"

#include <algorithm>
#include <utility>

#include "server/host/cpu_list.h"
#include "server/host/device_claim.h"
#include "server/host/physical_cores.h"
#include "server/host/reserved_cores.h"

namespace torchlap::host {
namespace {

HostDevice CpuDevice(const DeviceSettings& settings, const HostResources& host) {
  return {settings.name,
          "",  // its cores, when they are known
          v1::DEVICE_KIND_CPU,
          host.cpu_model,
          settings.cores,
          settings.memory_bytes,
          settings.threads,
          {},
          "",
          settings.vendor_peaks};
}

const DeviceSettings* Find(const std::vector<DeviceSettings>& entries, const std::string& name) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const DeviceSettings& entry) { return entry.name == name; });
  return found == entries.end() ? nullptr : &*found;
}

HostDevice CudaHostDevice(const CudaDevice& cuda, const DeviceSettings* entry) {
  HostDevice device = {cuda.name,
                       cuda.uuid,
                       v1::DEVICE_KIND_CUDA,
                       cuda.model,
                       entry ? entry->cores : std::vector<int>(),
                       cuda.memory_bytes,
                       entry ? entry->threads : 1,
                       {},
                       cuda.problem,
                       entry ? entry->vendor_peaks : VendorPeaks()};
  if (entry != nullptr) {
    device.wanted = entry->wanted;
    device.settle = entry->settle;
  }
  return device;
}

void Append(const std::vector<int>& cores, std::vector<int>* all) {
  all->insert(all->end(), cores.begin(), cores.end());
}

// Shares the cores of the host out to the devices.
class Sharing {
 public:
  Sharing(const Configuration& configuration, const Siblings& siblings, const NvmlAnswer& nvml,
          DeviceList* list)
      : configuration_(configuration), siblings_(siblings), nvml_(nvml), list_(list) {}

  void ShareOut();

 private:
  const DeviceSettings* EntryOf(const HostDevice& device) const {
    return Find(device.kind == v1::DEVICE_KIND_CPU ? configuration_.cpu_devices
                                                   : configuration_.cuda_devices,
                device.name);
  }
  bool HasDefaultCores(const HostDevice& device) const {
    const DeviceSettings* entry = EntryOf(device);
    return entry == nullptr || entry->has_default_cores;
  }
  void FindGiven();
  // Of the GPU's NUMA node; empty: not known.
  const std::vector<int>& LocalTo(const HostDevice& gpu) const;
  CoreWish WishOf(const HostDevice& gpu) const;
  void GiveToGpus();
  void SetCores(std::vector<int> cores, HostDevice* device) const;
  // What a CPU device has without the cores of GPU workers.
  std::vector<int> RestOf(const HostDevice& cpu) const;
  void LeaveOutOfCpuDevices();

  const Configuration& configuration_;
  const Siblings& siblings_;
  const NvmlAnswer& nvml_;
  DeviceList* const list_;
  std::vector<int> given_;          // to devices, by the configuration
  std::vector<int> given_to_gpus_;  // of these
  bool cpu_device_has_rest_ = false;
};

void Sharing::FindGiven() {
  for (const HostDevice& device : list_->devices) {
    if (HasDefaultCores(device)) {
      if (device.kind == v1::DEVICE_KIND_CPU) cpu_device_has_rest_ = true;
      continue;
    }
    Append(device.cores, &given_);
    if (device.kind == v1::DEVICE_KIND_CUDA) Append(device.cores, &given_to_gpus_);
  }
}

const std::vector<int>& Sharing::LocalTo(const HostDevice& gpu) const {
  static const std::vector<int> none;
  const auto found = std::find_if(nvml_.devices.begin(), nvml_.devices.end(),
                                  [&](const CudaDevice& cuda) { return cuda.uuid == gpu.uuid; });
  return found == nvml_.devices.end() ? none : found->local_cores;
}

CoreWish Sharing::WishOf(const HostDevice& gpu) const {
  const DeviceSettings* entry = EntryOf(gpu);
  const bool has_threads = entry != nullptr && !entry->has_default_threads;
  // A thread needs a core; without cores of its own it takes none away.
  const uint32_t count = has_threads && configuration_.cores_per_gpu > 0
                             ? std::max(entry->threads, configuration_.cores_per_gpu)
                             : configuration_.cores_per_gpu;
  return {count, LocalTo(gpu)};
}

void Sharing::SetCores(std::vector<int> cores, HostDevice* device) const {
  device->cores = std::move(cores);
  const auto most = static_cast<uint32_t>(device->cores.size());
  const DeviceSettings* entry = EntryOf(*device);
  if (entry == nullptr || entry->has_default_threads) {
    device->threads = most;
  } else if (entry->threads > most) {
    device->threads = most;
    list_->notes.push_back(device->name + " has " + std::to_string(most) + " threads instead of " +
                           std::to_string(entry->threads) + ", one for each of its cores " +
                           PrintCpuList(device->cores) + "; give it cores for more");
  }
}

void Sharing::GiveToGpus() {
  std::vector<HostDevice*> gpus;
  std::vector<CoreWish> wishes;
  for (HostDevice& device : list_->devices) {
    if (device.kind != v1::DEVICE_KIND_CUDA || !HasDefaultCores(device)) continue;
    gpus.push_back(&device);
    // On what cannot be used there is no worker.
    wishes.push_back(device.problem.empty() ? WishOf(device) : CoreWish());
  }
  const std::vector<int> pool = CoresWithout(configuration_.default_cores, given_);
  const auto reserved = ReserveCores(PhysicalCoresOf(pool, siblings_), wishes,
                                     cpu_device_has_rest_ ? pool.size() / 2 : pool.size());
  for (size_t i = 0; i < gpus.size(); ++i) {
    std::vector<int> cores = reserved[i];
    Append(cores, &list_->reserved_cores);
    if (cores.empty()) cores = CoresAlsoIn(configuration_.default_cores, LocalTo(*gpus[i]));
    if (cores.empty()) cores = configuration_.default_cores;
    SetCores(std::move(cores), gpus[i]);
  }
  std::sort(list_->reserved_cores.begin(), list_->reserved_cores.end());
}

std::vector<int> Sharing::RestOf(const HostDevice& cpu) const {
  std::vector<int> of_gpus = list_->reserved_cores;
  Append(given_to_gpus_, &of_gpus);
  std::vector<int> rest = CoresWithout(cpu.cores, WithSiblings(of_gpus, siblings_));
  // Halves of cores are better than those that a GPU's worker is on.
  return rest.empty() ? CoresWithout(cpu.cores, of_gpus) : rest;
}

void Sharing::LeaveOutOfCpuDevices() {
  for (HostDevice& device : list_->devices) {
    if (device.kind != v1::DEVICE_KIND_CPU || !HasDefaultCores(device)) continue;
    std::vector<int> rest = RestOf(device);
    // It needs some; what it shares is not claimed.
    if (rest.empty() || rest == device.cores) continue;
    SetCores(std::move(rest), &device);
  }
}

void Sharing::ShareOut() {
  FindGiven();
  GiveToGpus();
  LeaveOutOfCpuDevices();
}

// Those that no other device has: with one that others share, two devices of this daemon would keep
// each other waiting.
std::vector<int> CoresOfItsOwn(const HostDevice& device, const std::vector<HostDevice>& devices) {
  std::vector<int> cores = device.cores;
  for (const HostDevice& other : devices) {
    if (&other != &device) cores = CoresWithout(cores, other.cores);
  }
  return cores;
}

void SetClaimKeys(const std::string& scope, std::vector<HostDevice>* devices) {
  for (HostDevice& device : *devices) {
    if (device.kind == v1::DEVICE_KIND_CPU) {
      device.uuid = "CPU-" + PrintCpuList(device.cores);
      device.claim_keys = CpuClaimKeys(scope, device.cores);
      continue;
    }
    device.claim_keys = GpuClaimKeys(scope, device.uuid);
    if (!device.problem.empty()) continue;
    for (std::string& key : CpuClaimKeys(scope, CoresOfItsOwn(device, *devices))) {
      device.claim_keys.push_back(std::move(key));
    }
  }
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
    list.devices.push_back(CpuDevice(settings, host));
  }
  for (const CudaDevice& cuda : nvml.devices) {
    list.devices.push_back(CudaHostDevice(cuda, Find(configuration.cuda_devices, cuda.name)));
  }
  Sharing(configuration, host.siblings, nvml, &list).ShareOut();
  SetClaimKeys(scope, &list.devices);
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
