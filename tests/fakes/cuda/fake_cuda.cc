// A libcuda.so.1 that says which of its functions were called: each call adds a line with the name
// to the file that TORCHLAP_FAKE_CUDA_CALLS names, and so does loading the library (`loaded`). The
// CUDA runtime asks for functions by name; such a line has both: `cuGetProcAddress_v2 cuCtxCreate`.
//
// It has no device, unless TORCHLAP_FAKE_CUDA_DEVICE is `MAJOR.MINOR NAME`, such as `7.5 Tesla T4`:
// then it has one that can be asked for those, and on which nothing else works.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

namespace {

// Own prototypes: the fake is built where CUDA's headers need not be. Numbers are cuda.h's.
using Result = int;
constexpr Result kSuccess = 0;
constexpr Result kNoDevice = 100;
constexpr int kDriverVersion = 13000;
constexpr int kMajor = 75;
constexpr int kMinor = 76;

struct FakeDevice {
  std::string name;
  int major = 0;
  int minor = 0;
};

std::optional<FakeDevice> Device() {
  const char* text = std::getenv("TORCHLAP_FAKE_CUDA_DEVICE");
  FakeDevice device;
  int name_at = 0;
  if (text == nullptr ||
      std::sscanf(text, "%d.%d %n", &device.major, &device.minor, &name_at) < 2) {
    return std::nullopt;
  }
  device.name = text + name_at;
  return device;
}

Result IfDevice() { return Device() ? kSuccess : kNoDevice; }

// Opened for each line: nothing is lost where the process dies, and no descriptor is inherited.
void Note(const std::string& line) {
  const char* path = std::getenv("TORCHLAP_FAKE_CUDA_CALLS");
  if (path == nullptr) return;
  const int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return;
  const std::string text = line + "\n";
  if (write(file, text.data(), text.size()) < 0) std::abort();
  close(file);
}

__attribute__((constructor)) void NoteLoading() { Note("loaded"); }

// What is given for a function that is not below.
Result Unknown() {
  Note("a function that the fake does not have");
  return kNoDevice;
}

bool IsOurs(void* function) {
  Dl_info info{};
  Dl_info own{};
  return dladdr(function, &info) != 0 && dladdr(reinterpret_cast<void*>(&Unknown), &own) != 0 &&
         info.dli_fbase == own.dli_fbase;
}

// The function in its newest version, as the driver gives it to who asks with the version of
// CUDA 13.
void* Newest(const char* symbol) {
  for (const char* version : {"_v2", ""}) {
    void* function = dlsym(RTLD_DEFAULT, (std::string(symbol) + version).c_str());
    if (function != nullptr && IsOurs(function)) return function;
  }
  return reinterpret_cast<void*>(&Unknown);
}

}  // namespace

extern "C" {

Result cuInit(unsigned) {
  Note("cuInit");
  return IfDevice();
}

Result cuDriverGetVersion(int* version) {
  Note("cuDriverGetVersion");
  *version = kDriverVersion;
  return kSuccess;
}

Result cuDeviceGetCount(int* count) {
  Note("cuDeviceGetCount");
  *count = Device() ? 1 : 0;
  return IfDevice();
}

Result cuDeviceGet(int* device, int) {
  Note("cuDeviceGet");
  *device = 0;
  return IfDevice();
}

Result cuDeviceGetName(char* name, int size, int) {
  Note("cuDeviceGetName");
  std::snprintf(name, static_cast<size_t>(size), "%s", Device() ? Device()->name.c_str() : "");
  return IfDevice();
}

Result cuDeviceGetAttribute(int* value, int attribute, int) {
  Note("cuDeviceGetAttribute");
  const auto device = Device();
  if (!device) return kNoDevice;
  *value = attribute == kMajor ? device->major : attribute == kMinor ? device->minor : 0;
  return kSuccess;
}

Result cuGetProcAddress_v2(const char* symbol, void** function, int, uint64_t, int* status) {
  Note(std::string("cuGetProcAddress_v2 ") + symbol);
  if (status != nullptr) *status = 0;  // CU_GET_PROC_ADDRESS_SUCCESS
  *function = Newest(symbol);
  return kSuccess;
}

Result cuGetErrorString(Result, const char** text) {
  Note("cuGetErrorString");
  *text = "no CUDA-capable device is detected";
  return kSuccess;
}

Result cuGetErrorName(Result, const char** text) {
  Note("cuGetErrorName");
  *text = "CUDA_ERROR_NO_DEVICE";
  return kSuccess;
}

// The rest of what LibTorch's libraries are linked against: there, and of no use.
#define TORCHLAP_OF_NO_USE(name) \
  Result name() {                \
    Note(#name);                 \
    return kNoDevice;            \
  }
TORCHLAP_OF_NO_USE(cuCtxGetCurrent)
TORCHLAP_OF_NO_USE(cuCtxSetCurrent)
TORCHLAP_OF_NO_USE(cuDevicePrimaryCtxGetState)
TORCHLAP_OF_NO_USE(cuDevicePrimaryCtxRetain)
TORCHLAP_OF_NO_USE(cuFuncGetAttribute)
TORCHLAP_OF_NO_USE(cuFuncSetAttribute)
TORCHLAP_OF_NO_USE(cuFuncSetCacheConfig)
TORCHLAP_OF_NO_USE(cuGetExportTable)
TORCHLAP_OF_NO_USE(cuLaunchCooperativeKernel)
TORCHLAP_OF_NO_USE(cuLaunchKernel)
TORCHLAP_OF_NO_USE(cuLinkAddData_v2)
TORCHLAP_OF_NO_USE(cuLinkComplete)
TORCHLAP_OF_NO_USE(cuLinkCreate_v2)
TORCHLAP_OF_NO_USE(cuModuleGetFunction)
TORCHLAP_OF_NO_USE(cuModuleLoad)
TORCHLAP_OF_NO_USE(cuModuleLoadData)
TORCHLAP_OF_NO_USE(cuModuleLoadDataEx)
TORCHLAP_OF_NO_USE(cuModuleUnload)
TORCHLAP_OF_NO_USE(cuOccupancyMaxActiveBlocksPerMultiprocessor)
TORCHLAP_OF_NO_USE(cuPointerGetAttribute)
TORCHLAP_OF_NO_USE(cuTensorMapEncodeTiled)

}  // extern "C"
