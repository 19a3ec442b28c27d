#include "server/worker/cuda_extras_library.h"

#include <dlfcn.h>

#include <filesystem>
#include <string>

#include "server/worker/errors.h"

namespace torchlap::worker {
namespace {

const TorchlapCudaExtras* Open() {
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  const std::string path = program.parent_path() / "torchlap_cuda.so";
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw DeviceUnusable(
        std::string("CUDA graphs and memory fractions need torchlap_cuda.so beside "
                    "torchlap-worker: ") +
        dlerror());
  }
  constexpr const char* kEntry = "torchlap_cuda_extras_1";
  void* entry = dlsym(library, kEntry);
  if (entry == nullptr) {
    throw DeviceUnusable(path + " is of another version of torchlap: it has no " + kEntry);
  }
  return reinterpret_cast<const TorchlapCudaExtras* (*)()>(entry)();
}

}  // namespace

const TorchlapCudaExtras& CudaExtras() {
  static const TorchlapCudaExtras* const extras = Open();
  return *extras;
}

}  // namespace torchlap::worker
