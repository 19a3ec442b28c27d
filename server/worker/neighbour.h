// Who else computed on the worker's cores.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

// A process as /proc/<pid>/stat tells of it.
struct ProcessTimes {
  std::string name;        // its comm: at most 15 bytes
  uint32_t uid = 0;        // owner of its folder in /proc: its effective user
  int64_t cpu_ns = 0;      // of all of its threads, since its start
  int64_t started_ns = 0;  // since boot, suspended time included
  int last_core = -1;      // where its first thread ran last
};

// All processes that /proc under `root` shows, by pid, but `except`. Takes about 10 us a process.
std::map<int32_t, ProcessTimes> ReadProcesses(const std::filesystem::path& root, int32_t except);

// Time since boot, suspended time included: the clock of ProcessTimes::started_ns.
int64_t SinceBootNs();

// Watches the CPU time of others on the worker's cores and reads who there is once it is more than
// 5 % of the cores' time over 200 ms or more (to 400 ms): that reading takes a millisecond, so it
// is not made without a reason. Not thread-safe.
class NeighbourWatch {
 public:
  // `cores`: of the worker; `own_pid`: the worker; `since_boot_ns`: now.
  NeighbourWatch(std::vector<int> cores, int32_t own_pid, int64_t since_boot_ns,
                 std::filesystem::path root = "/");

  // Between two steps, outside their clocks: the foreign CPU time so far. `now_ns`: a clock that
  // does not go back.
  void Look(int64_t now_ns, int64_t foreign_cpu_ns);

  // After the last step: reads all processes again, and returns the one that computed most since
  // the first reading, or since it was started, if that was during the watch; also one that has
  // ended by now, if it was started during the watch. Processes that were last seen on one of the
  // cores come before all others. Nothing if Look found no reason, or no process computed.
  std::optional<v1::Neighbour> Find() const;

 private:
  struct Moment {
    int64_t at_ns;
    int64_t foreign_cpu_ns;
  };
  struct Candidate {
    bool on_our_cores = false;
    int64_t cpu_ns = 0;
  };

  bool PassesThreshold(const Moment& now) const;
  Candidate Judge(const ProcessTimes& before, const ProcessTimes& after) const;

  const std::vector<int> cores_;
  const int32_t own_pid_;
  const int64_t began_ns_;  // since boot
  const std::filesystem::path root_;
  // Start of the window that is judged, and of the next one.
  std::optional<Moment> window_, next_window_;
  std::optional<std::map<int32_t, ProcessTimes>> first_scan_;
};

}  // namespace torchlap::worker
