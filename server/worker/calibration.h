// The device's own speed: what products of matrices and copies reach on it at best.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>

#include "server/worker/device.h"
#include "server/worker/event_writer.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

// How long each of the speeds is measured.
struct CalibrationTimes {
  int64_t enough_ns = 0;
  // A precision is left with what was seen as soon as it took longer than this, and after two
  // products if one takes longer than enough_ns: that of an emulated format may take for ever.
  int64_t longest_ns = 5'000'000'000;
};

// 1 s for each speed of a CPU, 0.5 s of a GPU.
CalibrationTimes UsualTimes(const Device& device);

// Measures one speed after another.
//
// A matmul peak is 2 n^3 over the time of one product of two square matrices of normally
// distributed numbers (a GPU computes zeros faster than it ever computes a model). Precisions: fp32
// (IEEE) and tf32 of fp32 matrices, bf16 and fp16 of matrices in that format, which is what
// autocast computes; those that the device has. After a first product and a batch that warm up,
// batches of products are timed, synchronised at their ends only, and the fastest of at least five
// counts: a peak is what the device can do, and everything that disturbs a batch makes it slower.
//
// The bandwidth is that of a copy from one buffer of 256 MiB into another, bytes read and bytes
// written, measured likewise.
//
// matrix_size 0: 1024 on a CPU, 8192 on a GPU, halved while three matrices of fp32 are larger than
// a quarter of the memory that was free when the device was opened; a buffer is no larger than that
// quarter. Throws what LibTorch throws, c10::OutOfMemoryError where a matrix_size does not fit.
v1::CalibrationResult Calibrate(const v1::Calibration& calibration, Device* device,
                                const CalibrationTimes& times);

// One run of purpose `calibrate`, as Benchmark is one of a model. Once a process. Not thread-safe.
class CalibrationRun {
 public:
  // `events` outlives this. Nothing happens before Run.
  CalibrationRun(v1::WorkerRequest request, EventWriter* events);

  // Sends Built, and returns the result, which is not sent. Throws what LibTorch throws, and the
  // types of errors.h.
  v1::WorkerResult Run();

  // What to tell the daemon after Run threw `error`.
  v1::WorkerFailed Failed(const std::exception& error);

 private:
  const v1::WorkerRequest request_;
  EventWriter* const events_;
  std::unique_ptr<Device> device_;
};

}  // namespace torchlap::worker
