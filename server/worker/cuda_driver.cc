#include "server/worker/cuda_driver.h"

#include <dlfcn.h>

#include <array>

#include "server/worker/errors.h"

namespace torchlap::worker {
namespace {

// Own prototypes of the few functions of cuda.h that are called here: the worker is built without
// CUDA's headers. Results, devices and attributes are ints.
constexpr int kSuccess = 0;                  // CUDA_SUCCESS
constexpr int kNoDevice = 100;               // CUDA_ERROR_NO_DEVICE
constexpr int kInvalidDevice = 101;          // CUDA_ERROR_INVALID_DEVICE: of CUDA_VISIBLE_DEVICES
constexpr int kComputeCapabilityMajor = 75;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
constexpr int kComputeCapabilityMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR
constexpr int kOldestDriver = 13000;         // CUDA 13.0

// The usual name, and where the driver lies on machines that lead to it by LD_LIBRARY_PATH alone,
// of which a worker inherits nothing: containers that mount it (GKE, NVIDIA's images; Colab), WSL
// and NixOS.
constexpr std::array<const char*, 5> kDriverFiles = {
    "libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1", "/usr/lib64-nvidia/libcuda.so.1",
    "/usr/lib/wsl/lib/libcuda.so.1", "/run/opengl-driver/lib/libcuda.so.1"};

// Global, because LibTorch's libraries are to find the same one.
void* OpenDriver() {
  for (const char* file : kDriverFiles) {
    if (void* library = dlopen(file, RTLD_NOW | RTLD_GLOBAL)) return library;
  }
  throw DeviceUnusable("no CUDA device: the NVIDIA driver (libcuda.so.1) is not installed");
}

class Driver {
 public:
  explicit Driver(std::string uuid) : library_(OpenDriver()), uuid_(std::move(uuid)) {}

  void CheckVersion() const {
    int version = 0;  // 12040 is 12.4
    Check(Find<int(int*)>("cuDriverGetVersion")(&version));
    if (version >= kOldestDriver) return;
    throw DeviceUnusable("the NVIDIA driver supports CUDA " + std::to_string(version / 1000) + "." +
                         std::to_string(version % 1000 / 10) +
                         ", must be 13.0 or later for LibTorch 2.11.0: driver 580 or later");
  }

  void Start() const {
    Check(Find<int(unsigned)>("cuInit")(0));
    int count = 0;
    Check(Find<int(int*)>("cuDeviceGetCount")(&count));
    if (count < 1) ThrowNotOffered();
  }

  GpuModel FirstGpu() const {
    int device = 0;
    Check(Find<int(int*, int)>("cuDeviceGet")(&device, 0));
    std::array<char, 256> name{};
    Check(Find<int(char*, int, int)>("cuDeviceGetName")(name.data(), name.size() - 1, device));
    return {name.data(), Attribute(kComputeCapabilityMajor, device),
            Attribute(kComputeCapabilityMinor, device)};
  }

 private:
  template <typename Function>
  Function* Find(const char* name) const {
    if (void* address = dlsym(library_, name)) return reinterpret_cast<Function*>(address);
    throw DeviceUnusable(std::string("the NVIDIA driver (libcuda.so.1) has no function ") + name);
  }

  int Attribute(int attribute, int device) const {
    int value = 0;
    Check(Find<int(int*, int, int)>("cuDeviceGetAttribute")(&value, attribute, device));
    return value;
  }

  [[noreturn]] void ThrowNotOffered() const {
    throw DeviceUnusable("no CUDA device: the driver does not offer " + uuid_);
  }

  void Check(int error) const {
    if (error == kSuccess) return;
    if (error == kNoDevice || error == kInvalidDevice) ThrowNotOffered();
    const char* text = nullptr;
    Find<int(int, const char**)>("cuGetErrorString")(error, &text);
    throw DeviceUnusable(
        "the NVIDIA driver does not work: " + std::string(text == nullptr ? "error" : text) +
        " (CUDA error " + std::to_string(error) + ")");
  }

  void* const library_;  // stays loaded
  const std::string uuid_;
};

}  // namespace

GpuModel AskCudaDriver(const std::string& uuid) {
  const Driver driver(uuid);
  driver.CheckVersion();
  driver.Start();
  return driver.FirstGpu();
}

}  // namespace torchlap::worker
