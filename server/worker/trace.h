// A Chrome trace of some steps, by LibTorch's profiler (Kineto).
#pragma once

#include <c10/core/DeviceType.h>

#include <string>

namespace torchlap::worker {

// One trace of this thread: Prepare, Start, steps, Save. Operators are recorded and, on CUDA,
// kernels through CUPTI. Profiled steps are slower: their times are not measurements.
class Trace {
 public:
  // `path`: the file of the trace.
  Trace(c10::DeviceType device, std::string path);

  // Starts what takes long, so that it is not in the trace: some steps before Start.
  void Prepare();
  void Start();
  // Ends recording and writes the file: as PATH.part first, so that PATH is a whole trace or is not
  // there. Throws std::runtime_error if it cannot be written.
  void Save();

 private:
  const c10::DeviceType device_;
  const std::string path_;
};

}  // namespace torchlap::worker
