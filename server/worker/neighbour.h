// Who else computed on the worker's cores.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
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

// Watches the CPU time of others on the worker's cores, and reads who there is while it is more
// than 5 % of the cores' time over 200 ms or more (to 400 ms): that reading takes a millisecond, so
// it is not made without a reason. It is made again after 200, 400, 800, ... ms in which there is a
// reason, because a process may end with the disturbance that it was. Not thread-safe.
class NeighbourWatch {
 public:
  // `cores`: of the worker; `own_pid`: the worker; `since_boot_ns`: now.
  NeighbourWatch(std::vector<int> cores, int32_t own_pid, int64_t since_boot_ns,
                 std::filesystem::path root = "/");

  // Between two steps, outside their clocks: the foreign CPU time so far. `now_ns`: a clock that
  // does not go back.
  void Look(int64_t now_ns, int64_t foreign_cpu_ns);

  // After the last step: reads all processes once more, and returns the one that computed most on
  // the worker's cores, with all of its CPU time from the first reading that saw it, or from its
  // start if that was during the watch, to the last one. The kernel does not tell on which cores a
  // process computed: time between two readings counts in full where both saw it on one of the
  // cores, and half where one did. Where no process was seen there, the one that computed most at
  // all. Nothing if Look found no reason, or no process computed.
  std::optional<v1::Neighbour> Find();

 private:
  struct Moment {
    int64_t at_ns;
    int64_t foreign_cpu_ns;
  };
  struct Seen {
    ProcessTimes last;
    int64_t cpu_ns = 0;           // during the watch
    int64_t on_our_cores_ns = 0;  // of it
  };

  bool PassesThreshold(const Moment& now) const;
  void Scan();
  void Count(const ProcessTimes& process, Seen* seen) const;
  bool IsOurs(int core) const;

  const std::vector<int> cores_;
  const int32_t own_pid_;
  const int64_t began_ns_;  // since boot
  const std::filesystem::path root_;
  // Start of the window that is judged, and of the next one.
  std::optional<Moment> window_, next_window_;
  std::optional<int64_t> next_scan_ns_;  // nothing: there was none yet
  int64_t between_scans_ns_;
  // By pid and start: a pid may go to another process.
  std::map<std::pair<int32_t, int64_t>, Seen> seen_;
};

}  // namespace torchlap::worker
