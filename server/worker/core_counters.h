// What happened on the worker's cores beside its own work, from counters that the kernel keeps
// anyway: reading them wakes nobody.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace torchlap::worker {

// Counted from some moment on; never falls. Unset: the kernel does not tell.
struct CoreTimes {
  // CPU time on the worker's cores that was not the worker's: of other processes, of interrupts,
  // and taken by the hypervisor.
  std::optional<int64_t> foreign_cpu_ns;
  // Time that the worker's threads were ready to run and did not.
  std::optional<int64_t> run_delay_ns;
};

// What passed between two readings.
CoreTimes Between(const CoreTimes& earlier, const CoreTimes& later);

// CPU time of some cores since boot, from /proc/stat: in steps of a clock tick (10 ms).
struct CoreUse {
  int64_t busy_ns = 0;   // user, nice, system, irq, softirq (guests are part of user and nice)
  int64_t steal_ns = 0;  // taken by the hypervisor
};

// Sum over the lines of `cores` in the text of /proc/stat. `tick_ns`: a tick of its numbers.
// Nothing if one of the cores has no line, its line is not as it should be, or there is no core.
std::optional<CoreUse> ParseCoreUse(std::string_view stat, const std::vector<int>& cores,
                                    int64_t tick_ns);

// The part of the cores' time that was not the worker's, from the first reading on. The cores' time
// comes in ticks and the worker's is exact, so that their difference swings by a few ticks: it is
// summed as it comes, and what is told is the largest sum so far. A share too small for a tick is
// thus told later, not never.
class ForeignTime {
 public:
  // Readings of the same moment. Returns the time since the first one.
  int64_t Add(const CoreUse& cores, int64_t own_cpu_ns);

 private:
  struct Reading {
    CoreUse cores;
    int64_t own_cpu_ns;
  };

  std::optional<Reading> first_;
  int64_t largest_ns_ = 0;
};

// CPU time of all threads of this process, ns.
int64_t OwnCpuNs();

// The cores that this process may run on.
std::vector<int> AllowedCores();

// Reads the counters between two steps. The files stay open. A reading takes 1 us for each thread,
// and 10 us more where /proc/stat is due (it grows with the machine), which is at most once a tick:
// it tells nothing sooner. Not thread-safe.
class CoreCounters {
 public:
  using Clock = int64_t (*)();

  // `cores`: those that the process may run on. `root` stands before /proc, so that
  // tests read a made-up tree. Counts the threads that exist now.
  explicit CoreCounters(std::vector<int> cores, const std::filesystem::path& root = "/",
                        Clock own_cpu = &OwnCpuNs);
  ~CoreCounters();
  CoreCounters(const CoreCounters&) = delete;
  CoreCounters& operator=(const CoreCounters&) = delete;

  // From now on counts threads that were started since the last call too, with all that they
  // waited. Belongs behind the first step, which starts the thread pool.
  void FindThreads();

  // `now_ns`: a clock that does not go back. A counter that the kernel did not have at the first
  // reading stays unset; one that goes away later stays as it was. Of a thread that ended its last
  // reading counts.
  CoreTimes Read(int64_t now_ns);

 private:
  struct Thread {
    int file;
    int64_t run_delay_ns = 0;
  };

  void ReadForeign(int64_t now_ns);
  void ReadRunDelay();

  const std::vector<int> cores_;
  const std::filesystem::path tasks_;
  const Clock own_cpu_;
  const int64_t tick_ns_;
  const int stat_file_;            // -1: there is none
  std::string text_;               // of /proc/stat, as far as the cores' lines reach
  std::map<int, Thread> threads_;  // by id
  ForeignTime foreign_;
  std::optional<int64_t> foreign_read_at_ns_;
  bool first_reading_ = true;
  CoreTimes times_;
};

}  // namespace torchlap::worker
