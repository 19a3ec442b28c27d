// The device's own speed: what products of matrices and copies reach on it at best.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>

#include "server/worker/device.h"
#include "server/worker/event_writer.h"
#include "server/worker/product_log.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

// How long each of the speeds is measured.
struct CalibrationTimes {
  int64_t enough_ns = 0;
  // A speed is left with what was seen as soon as it took longer than this.
  int64_t longest_ns = 5'000'000'000;
};

// 1 s for each speed of a CPU, 0.5 s of a GPU.
CalibrationTimes UsualTimes(const Device& device);

// Measures one speed after another.
//
// A matmul peak is 2 n^3 over the time of one product of two square matrices of normally
// distributed numbers (a GPU computes zeros faster than it ever computes a model). Precisions: fp32
// (IEEE) and tf32 of fp32 matrices, bf16 and fp16 of matrices in that format, which is what
// autocast computes; those that the device has instructions for. A format that it emulates has no
// peak, and is named. After products that warm up, products are timed one by one, five at least and
// a thousand at most, and the fastest counts: a peak is what the device can do, and everything that
// disturbs a product makes it slower. `log` hears of each, so that what disturbed them is known.
//
// The bandwidth is that of a copy from one buffer of 256 MiB into another, bytes read and bytes
// written, measured likewise.
//
// matrix_size 0: 1024 on a CPU, 8192 on a GPU, halved while three matrices of fp32 are larger than
// a quarter of the memory that was free when the device was opened; a buffer is no larger than that
// quarter. Throws what LibTorch throws, c10::OutOfMemoryError where a matrix_size does not fit.
v1::CalibrationResult Calibrate(const v1::Calibration& calibration, Device* device,
                                const CalibrationTimes& times, ProductLog* log);

// One run of purpose `calibrate`, as Benchmark is one of a model. Once a process. Not thread-safe.
class CalibrationRun {
 public:
  // `events` outlives this. Nothing happens before Run.
  CalibrationRun(v1::WorkerRequest request, EventWriter* events);

  // Sends Built and the products, and returns the result, which is not sent: each of its steps is a
  // product or a copy. Throws what LibTorch throws, and the
  // types of errors.h.
  v1::WorkerResult Run();

  // What to tell the daemon after Run threw `error`.
  v1::WorkerFailed Failed(const std::exception& error);

 private:
  const v1::WorkerRequest request_;
  EventWriter* const events_;
  std::unique_ptr<Device> device_;
  std::optional<ProductLog> log_;
};

}  // namespace torchlap::worker
