// What the daemon is told: a TOML file, or defaults.
//
//   state_folder = "/var/lib/torchlap"     # torchlap.db, logs
//   runtime_folder = "/run/torchlap"       # torchlapd.sock
//   socket = "/run/torchlap/torchlapd.sock"
//   max_interruptions = 10                 # 0: no limit
//   max_time_limit = "24h"                 # of one run; admins may ask for more
//   max_queued_jobs = 100000               # of everybody
//   max_queued_launches = 200000           # of everybody; a tenth of it is kept for admins
//   max_queued_launches_per_user = 100000  # admins have no limit of their own
//   min_queued_launches_per_user = 100     # that each may queue however much others have
//   daemon_cores = "0"
//   cores_per_gpu = 2                      # physical ones, for its worker alone; 0: it shares
//   torch = "/opt/torch"                   # the torch folder of an unpacked wheel (has lib/)
//   worker = "/usr/bin/torchlap-worker"
//   nvml_library = "libnvidia-ml.so.1"
//   grace_ms = 3000                        # between TERM and KILL
//   admins = ["ann", "uid:1001"]           # beside root and the daemon's own account
//   canary = { every = "6h", idle_s = 60 } # a small run on each idle device; none by default
//   private = true                         # others see of a job that it is there, and whose
//   [[device]]
//   name = "cpu0"
//   kind = "cpu"
//   cores = "1-3"
//   memory = "2GiB"                        # or bytes
//   threads = 3
//   [[device]]                             # host threads of a GPU's worker
//   name = "cuda:0"
//   kind = "cuda"
//   cores = "4-7"
//   lock_clocks = "base"                   # or MHz; this and the next two: by root or
//                                          # CAP_SYS_ADMIN
//   power_limit_watts = 300
//   persistence = true
//   settle = { below_celsius = 50, idle_s = 10, at_most_s = 300 }  # what a run waits for
//
// All keys are optional but a device's name and kind. Relative paths start from the folder of the
// file.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/host/host_resources.h"
#include "server/host/wanted_settings.h"
#include "torchlap/v1/device.pb.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::host {

// FLOP/s that the vendor gives for a device, by precision; for mfu alone.
using VendorPeaks = std::map<v1::Precision, double>;

struct DeviceSettings {
  std::string name;
  v1::DeviceKind kind = v1::DEVICE_KIND_CPU;
  std::vector<int> cores;     // never empty
  uint64_t memory_bytes = 0;  // CPU: the limit; CUDA: always 0, the device knows
  uint32_t threads = 1;       // at most one a core
  VendorPeaks vendor_peaks = {};
  // Nobody said them: they change with the GPUs that are found (ListDevices()).
  bool has_default_cores = false;
  bool has_default_threads = false;
  // CUDA.
  WantedSettings wanted = {};
  std::optional<SettleWindow> settle = {};
};

// When a device is due for a canary (server/run/canary.h).
struct CanaryPlan {
  int64_t every_ns = int64_t{6} * 3600 * 1'000'000'000;
  int64_t idle_ns = int64_t{60} * 1'000'000'000;
};

struct Configuration {
  // The file that was read; empty: built-in defaults.
  std::filesystem::path file;
  bool system = false;
  std::filesystem::path state_folder;
  std::filesystem::path runtime_folder;
  std::filesystem::path socket_path;
  uint32_t max_interruptions = 10;
  // Longest time_limit that who is no admin may ask for. Not given: a day in system mode, else
  // whatever the contract allows.
  int64_t max_time_limit_ns = 0;
  // What may wait in the queue (storage/queue_limits.h).
  uint32_t max_queued_jobs = 100000;
  uint32_t max_queued_launches = 200000;
  uint32_t max_queued_launches_per_user = 100000;
  uint32_t min_queued_launches_per_user = 100;
  // Cores for the daemon's own threads. Not given: those of the host that no CPU device has. Empty:
  // leave the affinity alone.
  std::vector<int> daemon_cores;
  std::filesystem::path torch_folder;  // empty: not given
  std::filesystem::path worker_path;   // empty: torchlap-worker beside torchlapd
  std::string nvml_library = "libnvidia-ml.so.1";
  std::chrono::milliseconds grace{3000};
  // Who may cancel the jobs of others and ask for priority, beside root and the daemon's account.
  // Names, and `uid:N`; an account need not be there yet.
  std::set<std::string> admins;
  // Who is neither owner nor admin sees of a job that it is there, whose it is and whether it waits
  // or runs (server/rpc/privacy.h). In a user's own daemon there are no others.
  bool is_private = false;
  // Nothing: no device gets one. What nobody asked for would wake a laptop's GPU, and compute on
  // cores that others use without torchlap.
  std::optional<CanaryPlan> canary;
  // CPU devices, at least one, in the order of the file; then entries for CUDA devices by name.
  std::vector<DeviceSettings> cpu_devices;
  std::vector<DeviceSettings> cuda_devices;
  // The cores of the host for devices whose cores nobody said.
  std::vector<int> default_cores;
  // Of those, how many each GPU's worker has for itself; 0: none, it shares those of CPU devices.
  uint32_t cores_per_gpu = 2;
};

struct ConfigurationSource {
  // --config; must exist. Empty: the usual file (proto/default_paths.h;
  // /etc/torchlap/torchlapd.toml with `system`) if it is there, else built-in defaults.
  std::filesystem::path file;
  bool system = false;
};

// INVALID_ARGUMENT in one line with file and line number: not TOML, unknown key, wrong type, out of
// range, cores of two CPU devices overlap, a core that is not there, more memory than the machine
// has, two devices of one name, a socket path too long for the kernel. NOT_FOUND: --config names no
// file. PERMISSION_DENIED: it cannot be read.
absl::StatusOr<Configuration> LoadConfiguration(const ConfigurationSource& source,
                                                const HostResources& host);

}  // namespace torchlap::host
