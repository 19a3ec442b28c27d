// Is the number good? From the evidence gathered around a run to one of four verdicts. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "torchlap/v1/run.pb.h"

namespace torchlap::measure {

// Every threshold of a verdict, with its reason. Those of the series itself (cold start, drift, two
// modes, noise) stand in server/measure/noise_cause.h.
struct ValidityThresholds {
  // Other processes' share of the device's core time. 5 % of one core is what an idle desktop or a
  // chatty service stays below; it moves a step by as much at most. With many cores half a core is
  // enough to hold up a parallel step at its barrier: the share falls to 0.5 / cores, 1 % at least
  // (below that the kernel's background work counts).
  static constexpr double kForeignCpuShare = 0.05;
  static constexpr double kForeignCpuCores = 0.5;
  static constexpr double kForeignCpuLeastShare = 0.01;
  // The kernel counts CPU time in ticks of 10 ms, so consecutive steps are judged together in
  // windows of at least 200 ms, and three ticks are the least that counts, unless the worker's own
  // threads waited for a core (run_delay, counted in ns) for 5 % of the window. A run that is
  // shorter as a whole has no window: it is unverified, as short-window. On CUDA the wait alone is
  // judged, in the same windows.
  static constexpr int64_t kWindowNs = 200'000'000;
  static constexpr int64_t kLeastForeignNs = 30'000'000;
  static constexpr double kRunDelayShare = 0.05;
  // A process is named beside foreign CPU time from this share of the device's time on: what the
  // kernel's background work has is nobody's doing.
  static constexpr double kNamedShare = 0.01;
  // Below 200 ms of measured steps no counter has said anything: neither ticks of 10 ms nor the
  // driver's samples of the GPU, which are 20 to 170 ms apart.
  static constexpr int64_t kShortNs = 200'000'000;
  // Of the GPU's multiprocessors, as the mean over a stretch of another process. A desktop or an
  // idle notebook stays at 0 to 2 %. One stretch is enough of a process with a CUDA context: the
  // driver tells one a question, and a short run holds one question.
  static constexpr double kForeignSmShare = 0.05;
  // Of who only draws it takes two stretches, and this share of all measured time. The driver's
  // sample has the name of one process, who was there at that moment, and how busy everybody kept
  // the GPU: beside our worker, who does so without a break, a desktop that draws for 2 % of the
  // time is named in every fiftieth sample, as the one that had all of the GPU, and a run of
  // minutes holds dozens of such stretches. Over all of the time its share is its own.
  static constexpr size_t kFewestDrawnStretches = 2;
  static constexpr double kDrawnSmShare = 0.1;
  // A stretch is a look at the measured steps if at least this share of it lies among them.
  static constexpr double kLeastAmong = 0.5;
  // The driver's lists, read so soon after the last step as a result takes to arrive, still have
  // whoever was there during it: a process takes longer to give its context back.
  static constexpr int64_t kListsLateNs = 50'000'000;
  // Memory that is in use and that no listed process holds. The smallest CUDA context holds more,
  // and what drivers keep beside their processes is less.
  static constexpr uint64_t kHiddenBytes = uint64_t{64} << 20;
  // Share of the measured time in which the device was slowed down: one sample in a hundred.
  static constexpr double kSlowedShare = 0.01;
  // Of the first clock read while steps were measured. Boost clocks sag by 5 to 15 % as a GPU warms
  // up; a quarter is beyond that.
  static constexpr double kClockFloor = 0.75;
  // Of the best FLOP/s that a smaller or equal step reached on this device. Efficiency grows with
  // size, so half of a smaller sibling's is out of order (memory spilled to the host costs a factor
  // of ten).
  static constexpr double kSiblingShare = 0.5;
  // Of the matmul peak, for steps that would take 100 ms at that peak: such steps are not bound by
  // launches, and attention and optimizer do not cost twenty times the products.
  static constexpr double kPeakShare = 0.05;
  static constexpr double kLargeStepSeconds = 0.1;
  // Of the run and of the reference that is a sibling: the mean of fewer says little.
  static constexpr uint32_t kFewestForEfficiency = 10;
  // Fewer measured steps can show neither drift nor a cold start, so that nothing found is no
  // evidence.
  static constexpr uint32_t kFewestSteps = 5;
};

// What the driver tells of a process at one question, on the clock of the steps: it was at work on
// the GPU at `at_ns`, and its multiprocessors were busy to this share from `from_ns` to then. What
// of it lies where within the stretch is not told.
struct UseStretch {
  int64_t from_ns = 0;
  int64_t at_ns = 0;
  double sm_ratio = 0;
};

// The driver's lists of processes, read at this time.
struct ProcessLook {
  int64_t at_ns = 0;
  size_t processes = 0;                  // in the lists
  std::optional<uint64_t> hidden_bytes;  // in use, and held by none of them; unset: not told
};

// Another process on the GPU.
struct ForeignUse {
  int32_t pid = 0;
  std::string process;
  std::string user;
  bool computes = true;               // false: it only draws
  std::vector<UseStretch> stretches;  // in the order of `at_ns`
};

// What the driver told of the processes on the GPU around the run.
struct GpuProcesses {
  // It tells who keeps the GPU busy. That of a MIG instance does not.
  bool tells_use = false;
  // It was asked in the host's pid namespace: its lists have everybody. In another one it may tell
  // the host's numbers, or hide who is not of that namespace.
  bool has_own_pids = false;
  // Our worker was among them, and computed in these stretches.
  bool has_worker = false;
  std::vector<UseStretch> of_worker;
  std::vector<ProcessLook> looks;  // in the order of time
  std::vector<ForeignUse> foreign;
};

// What this device reaches otherwise.
struct EfficiencyReference {
  double flops_per_s = 0;
  std::string run_id;
};

// What is known beside the run itself.
struct Surroundings {
  bool is_cuda = false;
  // Cores that the worker may run on; at least 1.
  uint32_t cores = 1;
  v1::Readings readings;
  GpuProcesses gpu;  // CUDA
  // What is known of how its device was before it began: settled, not-settled, settings-missing.
  std::vector<v1::Evidence> before;
  // The best of the OK runs on this device with the same pass, precision, attention, optimizer and
  // timing, whose step has no more FLOPs, of kFewestForEfficiency measured steps at least.
  std::optional<EfficiencyReference> sibling;
  // The matmul peak in this precision that `calibrate` measured.
  std::optional<EfficiencyReference> calibration;
};

// Sets validity, validity_reasons and assessment.evidence of a run that SummariseRun has seen; the
// rest of its assessment is left alone. A run that did not end OK, has no measured step, or is of
// purpose `trace` gets no verdict.
//
// Every reason that holds is stored. The first of contaminated, suspect, unverified for which there
// is one is the verdict, else clean:
//   contaminated  foreign-cpu, foreign-gpu, thermal, power-brake, hardware-slowdown, clock-drop
//   suspect       cold-start, drift, two-modes, noise, low-efficiency
//   unverified    no-counters (nothing counted other work: no foreign_cpu_ns on a CPU device; on
//                 CUDA nobody looked for other processes while the steps were measured, or no
//                 reading among them told why the clock is what it is and no thermal counter was
//                 read before and after them), pids-not-translated, no-utilisation beside another
//                 process that computes, short-window, few-steps, no-warmup (but for purpose
//                 `warmup`, whose subject that is)
//   notes         resident, power-cap, board-limit, no-utilisation without a process, settled,
//                 not-settled, settings-missing: evidence, but no reason
// A calibration's steps are products and copies of several kinds, each warmed up on its own: only
// what disturbed them, and whether that could be seen, is judged. No share is above 1: the kernel's
// ticks are coarse.
// On CUDA others were looked for where a stretch of anybody, our worker's too, lies among the
// measured steps with half of it at least; or the driver's lists were read during them or at their
// end, and nobody else with a context was in them. (Where the driver tells of nobody's use, lists
// read during the steps will do, and who computes is no-utilisation.) Counters of slowed time say
// nothing of others. A reason for a slow clock counts from kSlowedShare of the readings among the
// steps on.
// A stretch is evidence of foreign work by what must have happened during the measured steps: a
// stretch that begins before them, or ends after them, was busy outside of them for as long as it
// can have been. So who was gone before step 0 contaminates nothing, and who came for 0.3 s of it
// stands out in a stretch of half a second; that the stretches begin with step 0 where that can be
// is the telemetry's part (server/host/device_telemetry.h).
// Counters are judged over the shortest stretch between two readings that holds the measured steps.
// Our own worker computes: where the driver does not tell of it, its pids say nothing of others
// either. In another pid namespace than the host's, lists without a stranger are no evidence that
// there is none: there all lists read during the steps must leave no memory over that nobody listed
// holds (kHiddenBytes); if then a single process is listed under a number that is not our worker's,
// it is ours. Else pids-not-translated, beside whatever was seen of those that are listed. A clock
// that the power cap holds down (by its bit, or its counter) is no clock-drop. Evidence names the
// steps of its window exactly; only measured steps are judged. On a CPU device other processes' CPU
// time is what counts; on CUDA the time that the worker's own threads waited for a core, as the
// host has more of them than the worker uses. The process beside foreign-cpu is the one that
// computed most, with its own part (process_value): its CPU time of that of all others over all
// steps, times the share. Below kNamedShare there is none; on a CPU device process_value alone then
// says that those who computed have ended (or were no processes).
void Judge(const v1::SampleBlock& samples, const Surroundings& around, v1::Run* run);

}  // namespace torchlap::measure
