#include "server/host/cuda_devices.h"

#include <absl/strings/str_cat.h>

#include <cstdlib>
#include <fstream>

#include "server/host/cpu_list.h"

namespace torchlap::host {
namespace {

constexpr int kOldestCuda = 13000;
// CUDA 13 left out Maxwell, Pascal and Volta (CUDA 13.0 release notes, deprecated architectures).
constexpr int kOldestCapability = 75;

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

bool IsTooOld(const NvmlLibrary& nvml, const std::string& driver_version) {
  const auto cuda = nvml.CudaVersion();
  if (cuda.ok()) return *cuda < kOldestCuda;
  // A library from before it could be asked for, or one that does not know: by the branch.
  const int branch = std::atoi(driver_version.c_str());
  return branch > 0 && branch < kOldestDriver;
}

// The devices of a library, one after the other.
class Listing {
 public:
  Listing(const NvmlLibrary& nvml, const std::filesystem::path& root, NvmlAnswer* answer)
      : nvml_(nvml), root_(root), answer_(answer) {}

  void AddAll();

 private:
  void AddGpu(unsigned index);
  void AddMigInstances(NvmlDevice gpu, const std::string& name);
  void AddDevice(NvmlDevice device, const std::string& name);
  std::string ProblemOf(NvmlDevice device) const;
  std::vector<int> LocalCores(NvmlDevice device) const;
  void LeaveOut(const std::string& name, const std::string& why, const absl::Status& status) {
    answer_->left_out.push_back(
        {name, absl::StrCat(why, MessageOf(status)), absl::IsDataLoss(status)});
  }

  const NvmlLibrary& nvml_;
  const std::filesystem::path& root_;
  NvmlAnswer* const answer_;
};

void Listing::AddAll() {
  const auto count = nvml_.DeviceCount();
  if (!count.ok()) {
    answer_->library = absl::Status(
        count.status().code(),
        absl::StrCat("the driver cannot count its devices: ", MessageOf(count.status())));
    return;
  }
  for (unsigned i = 0; i < *count; ++i) AddGpu(i);
}

void Listing::AddGpu(unsigned index) {
  const std::string name = absl::StrCat("cuda:", index);
  const auto gpu = nvml_.DeviceAt(index);
  if (!gpu.ok()) return LeaveOut(name, "", gpu.status());
  if (nvml_.IsInMigMode(*gpu)) return AddMigInstances(*gpu, name);
  AddDevice(*gpu, name);
}

void Listing::AddMigInstances(NvmlDevice gpu, const std::string& name) {
  const auto slots = nvml_.MigSlots(gpu);
  if (!slots.ok()) return LeaveOut(name, "its MIG instances are not known: ", slots.status());
  bool any = false;
  for (unsigned i = 0; i < *slots; ++i) {
    const auto instance = nvml_.MigInstance(gpu, i);
    const std::string instance_name = absl::StrCat(name, ".", i);
    // Slots are not filled without gaps.
    if (absl::IsNotFound(instance.status())) continue;
    any = true;
    if (instance.ok()) {
      AddDevice(*instance, instance_name);
    } else {
      LeaveOut(instance_name, "", instance.status());
    }
  }
  if (!any) answer_->left_out.push_back({name, "it is in MIG mode and has no instance", false});
}

void Listing::AddDevice(NvmlDevice device, const std::string& name) {
  CudaDevice found;
  found.name = name;
  const auto uuid = nvml_.Uuid(device);
  if (!uuid.ok()) return LeaveOut(name, "it tells no UUID: ", uuid.status());
  found.uuid = *uuid;
  found.model = nvml_.Name(device).value_or("unknown NVIDIA GPU");
  const auto memory = nvml_.Memory(device);
  if (memory.ok()) found.memory_bytes = memory->total_bytes;
  // Devices that share the host's memory have none of their own to tell.
  if (!memory.ok() && !absl::IsUnimplemented(memory.status())) {
    return LeaveOut(name, "it tells no memory: ", memory.status());
  }
  found.problem = ProblemOf(device);
  found.local_cores = LocalCores(device);
  answer_->devices.push_back(std::move(found));
}

std::string Listing::ProblemOf(NvmlDevice device) const {
  if (answer_->driver_too_old) {
    return absl::StrCat("driver ", answer_->driver_version, " is too old for CUDA 13: needs ",
                        kOldestDriver, " or newer");
  }
  const auto capability = nvml_.ComputeCapability(device);
  if (!capability.ok() || *capability >= kOldestCapability) return "";
  return absl::StrCat("compute capability ", *capability / 10, ".", *capability % 10,
                      " is too old for CUDA 13: needs ", kOldestCapability / 10, ".",
                      kOldestCapability % 10, " or newer");
}

std::vector<int> Listing::LocalCores(NvmlDevice device) const {
  const auto address = nvml_.PciAddress(nvml_.GpuOf(device));
  if (!address.ok()) return {};
  std::ifstream file(root_ / "sys/bus/pci/devices" / *address / "local_cpulist");
  std::string list;
  std::getline(file, list);
  return ParseCpuList(list).value_or(std::vector<int>());
}

}  // namespace

std::vector<std::string> Notes(const NvmlAnswer& answer) {
  std::vector<std::string> notes;
  if (!answer.library.ok() && !absl::IsNotFound(answer.library)) {
    notes.push_back("no CUDA devices: " + MessageOf(answer.library));
  }
  for (const LeftOutDevice& device : answer.left_out) {
    notes.push_back(absl::StrCat(device.name, " is left out: ", device.reason));
  }
  for (const CudaDevice& device : answer.devices) {
    if (!device.problem.empty()) {
      notes.push_back(absl::StrCat(device.name, " cannot be used: ", device.problem));
    }
  }
  return notes;
}

NvmlAnswer AskNvml(const absl::StatusOr<std::unique_ptr<NvmlLibrary>>& library,
                   const std::filesystem::path& root) {
  NvmlAnswer answer;
  answer.library = library.status();
  if (!library.ok()) return answer;
  const NvmlLibrary& nvml = **library;
  answer.driver_version = nvml.DriverVersion().value_or("");
  answer.driver_too_old = IsTooOld(nvml, answer.driver_version);
  Listing(nvml, root, &answer).AddAll();
  return answer;
}

NvmlAnswer AskNvml(const std::string& library, const std::filesystem::path& root) {
  return AskNvml(NvmlLibrary::Open(library), root);
}

}  // namespace torchlap::host
