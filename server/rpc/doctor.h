// What `torchlap doctor` shows: the machine is looked at, and what was seen is judged by a pure
// function. The client has the words and what to do.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/host/cuda_devices.h"
#include "server/host/device_processes.h"
#include "server/host/wanted_settings.h"
#include "torchlap/v1/device.pb.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::rpc {

// Where a fact becomes a note or a problem.
struct DoctorThresholds {
  // A GPU this close to where its hardware slows the clocks will be there after some seconds of
  // work. One that does not tell where that is is hot while heat holds its clocks down.
  unsigned hot_margin_celsius = 5;
  // A GPU without a run of ours that is busier than this computes for somebody: an idle desktop
  // stays below.
  double busy_ratio = 0.05;
  // Load average by core. Beyond half of the cores neighbours share caches, siblings and boost
  // clocks with the run; beyond all of them they share its cores.
  double high_load_ratio = 0.5;
  double full_load_ratio = 1.0;
  // A run of 1,000 steps takes some 40 KB, a trace some tens of MB, and SQLite needs room for its
  // journal.
  uint64_t low_disk_bytes = uint64_t{1} << 30;
};

struct GpuFacts {
  std::string uuid;
  v1::DeviceReading reading;
  std::optional<unsigned> slowdown_celsius;  // where the hardware slows its clocks
  std::vector<host::GpuProcess> processes;
  std::vector<std::string> not_in_force;  // settings that the configuration wants
};

struct MachineFacts {
  std::string torch_folder;    // empty: the worker finds it by itself
  std::string worker_problem;  // empty: workers can start, and LibTorch is there
  host::NvmlAnswer nvml;
  std::vector<GpuFacts> gpus;
  // What the daemon offers, as its dispatchers see it.
  std::vector<v1::Device> devices;
  pid_t daemon_pid = 0;  // processes of its own are no neighbours
  std::optional<double> load_average;
  size_t cores = 0;  // of the host
  // Of the CPU's clocks, each once; empty: the kernel has none, as in most virtual machines.
  std::vector<std::string> governors;
  std::optional<uint64_t> free_bytes;  // where the database is
  std::string state_lost;              // StorageHealth's
  std::string not_stored;
  // What their canaries say (canary_findings.h), by the UUID of the device.
  std::map<std::string, v1::Finding> canaries;
};

struct DoctorQuestion {
  std::string nvml_library;
  std::filesystem::path state_folder;
  std::string torch_folder;
  std::filesystem::path worker_program;
  std::string torch_problem;
  std::vector<v1::Device> devices;
  // By UUID: what the configuration wants set of CUDA devices, and what of it was not in force when
  // a run was last about to begin.
  std::map<std::string, host::WantedSettings> wanted;
  std::map<std::string, std::vector<std::string>> not_in_force;
  std::string state_lost;
  std::string not_stored;
  std::map<std::string, v1::Finding> canaries;
  // Stands before /proc and /sys, so that tests read a made-up tree.
  std::filesystem::path root = "/";
};

// Why no worker can start, in one line: the program, or what is known of LibTorch. Empty: nothing.
std::string WorkerProblem(const std::filesystem::path& program, const std::string& torch_problem);

// Looks at the machine now. Blocks while the driver wakes its devices, a second or so. Thread-safe.
MachineFacts LookAtMachine(const DoctorQuestion& question);

// Pure. The machine first (daemon, LibTorch, driver, load, governor, disk, what is
// not stored), then the devices that
// the daemon offers, then those that it could not.
std::vector<v1::Finding> Examine(const MachineFacts& facts,
                                 const DoctorThresholds& thresholds = {});

}  // namespace torchlap::rpc
