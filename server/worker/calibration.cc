#include "server/worker/calibration.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "proto/base/clock.h"
#include "server/worker/environment.h"
#include "server/worker/failure_report.h"
#include "server/worker/initialisation.h"
#include "server/worker/numerics.h"
#include "server/worker/precision.h"
#include "server/worker/process_setup.h"
#include "server/worker/request_check.h"

namespace torchlap::worker {
namespace {

constexpr uint32_t kFewestProducts = 5;
constexpr uint32_t kMostProducts = 1000;
constexpr uint32_t kSmallestMatrix = 64;
constexpr uint64_t kLargestCopyBytes = uint64_t{256} << 20;
constexpr uint64_t kFloatBytes = 4;

// Of one execution.
struct Speed {
  int64_t shortest_ns = 0;
  int64_t measured_ns = 0;
  uint32_t products = 0;
};

struct Timed {
  int64_t start_ns = 0;
  int64_t took_ns = 0;
};

Timed TimeOf(const std::function<void()>& work, Device* device) {
  device->Synchronise();
  const int64_t start_ns = MonotonicNs();
  work();
  device->Synchronise();
  return {start_ns, MonotonicNs() - start_ns};
}

// The first one loads kernels and starts threads; then clocks rise.
void WarmUp(const std::function<void()>& work, Device* device, const CalibrationTimes& times) {
  const int64_t began_ns = MonotonicNs();
  const int64_t until_ns = began_ns + std::min(times.enough_ns / kFewestProducts, times.longest_ns);
  do {
    work();
    device->Synchronise();
  } while (MonotonicNs() < until_ns);
}

// Executes `work` again and again.
Speed Measure(const std::function<void()>& work, Device* device, const CalibrationTimes& times,
              ProductLog* log) {
  WarmUp(work, device, times);
  log->FindThreads();
  Speed speed;
  const auto is_enough = [&] {
    return speed.measured_ns > times.longest_ns || speed.products == kMostProducts ||
           (speed.products >= kFewestProducts && speed.measured_ns >= times.enough_ns);
  };
  do {
    log->Begin();
    const Timed timed = TimeOf(work, device);
    log->Add(timed.start_ns, timed.took_ns);
    if (speed.products++ == 0 || timed.took_ns < speed.shortest_ns) {
      speed.shortest_ns = timed.took_ns;
    }
    speed.measured_ns += timed.took_ns;
  } while (!is_enough());
  return speed;
}

double PerSecond(double amount, const Speed& speed) {
  return amount / (static_cast<double>(std::max<int64_t>(1, speed.shortest_ns)) / 1e9);
}

// TF32 is a format of NVIDIA's tensor cores: what has none does not emulate it either.
bool IsKnownTo(const Device& device, v1::Precision precision) {
  return precision != v1::PRECISION_TF32 || (device.gpu() && IsNative(precision, device));
}

// A quarter of what is free; nothing: not limited.
std::optional<uint64_t> QuarterOfMemory(const Device& device) {
  const v1::MemoryUse memory = device.AtStart();
  if (!memory.has_device_free_bytes()) return std::nullopt;
  return memory.device_free_bytes() / 4;
}

uint32_t MatrixSize(const v1::Calibration& calibration, const Device& device) {
  if (calibration.matrix_size() != 0) return calibration.matrix_size();
  uint32_t size = device.gpu() ? 8192 : 1024;
  const auto fits = [&device](uint64_t n) {
    const auto quarter = QuarterOfMemory(device);
    return !quarter || 3 * n * n * kFloatBytes <= *quarter;
  };
  while (size > kSmallestMatrix && !fits(size)) size /= 2;
  return size;
}

v1::MatmulPeak MeasureMatmul(v1::Precision precision, uint32_t size, Device* device,
                             const CalibrationTimes& times, ProductLog* log) {
  SetMatmulPrecision(precision);
  const at::TensorOptions options = at::TensorOptions()
                                        .device(device->torch_device())
                                        .dtype(AutocastType(precision).value_or(at::kFloat));
  const at::Tensor left = at::randn({size, size}, options);   // (n, n)
  const at::Tensor right = at::randn({size, size}, options);  // (n, n)
  at::Tensor product = at::empty_like(left);                  // (n, n)
  const Speed speed = Measure([&] { at::mm_out(product, left, right); }, device, times, log);
  v1::MatmulPeak peak;
  peak.set_precision(precision);
  peak.set_flops_per_s(PerSecond(2 * std::pow(size, 3), speed));
  peak.set_matrix_size(size);
  peak.set_measured_ns(speed.measured_ns);
  peak.set_products(speed.products);
  return peak;
}

void MeasureCopy(Device* device, const CalibrationTimes& times, ProductLog* log,
                 v1::CalibrationResult* result) {
  const uint64_t quarter = QuarterOfMemory(*device).value_or(kLargestCopyBytes);
  const auto numbers = static_cast<int64_t>(std::min(kLargestCopyBytes, quarter) / kFloatBytes);
  const at::TensorOptions options = at::TensorOptions().device(device->torch_device());
  // Written to: pages that never were are all one page of zeros to the kernel.
  const at::Tensor from = at::randn({numbers}, options.dtype(at::kFloat));
  at::Tensor to = at::empty_like(from);
  const Speed speed = Measure([&] { to.copy_(from); }, device, times, log);
  const auto bytes = static_cast<uint64_t>(numbers) * kFloatBytes;
  result->set_memory_bytes_per_s(PerSecond(2 * static_cast<double>(bytes), speed));
  result->set_copied_bytes(bytes);
}

}  // namespace

CalibrationTimes UsualTimes(const Device& device) {
  CalibrationTimes times;
  times.enough_ns = device.gpu() ? 500'000'000 : 1'000'000'000;
  return times;
}

v1::CalibrationResult Calibrate(const v1::Calibration& calibration, Device* device,
                                const CalibrationTimes& times, ProductLog* log) {
  const at::NoGradGuard no_grad;
  const uint32_t size = MatrixSize(calibration, *device);
  v1::CalibrationResult result;
  for (const v1::Precision precision :
       {v1::PRECISION_FP32, v1::PRECISION_TF32, v1::PRECISION_BF16, v1::PRECISION_FP16}) {
    if (!IsKnownTo(*device, precision)) continue;
    if (IsNative(precision, *device)) {
      *result.add_matmul_peaks() = MeasureMatmul(precision, size, device, times, log);
    } else {
      result.add_emulated(precision);
    }
  }
  MeasureCopy(device, times, log, &result);
  return result;
}

CalibrationRun::CalibrationRun(v1::WorkerRequest request, EventWriter* events)
    : request_(std::move(request)), events_(events) {}

v1::WorkerResult CalibrationRun::Run() {
  const int64_t began_ns = MonotonicNs();
  CheckRequest(request_);
  device_ = PrepareProcess(request_);
  Seed(request_.plan().seed());
  v1::WorkerEvent event;
  v1::WorkerBuilt* built = event.mutable_built();
  built->set_run_id(request_.run_id());
  built->set_build_ns(MonotonicNs() - began_ns);
  *built->mutable_environment() = DescribeEnvironment(request_.device(), *device_);
  *built->mutable_memory() = device_->AtStart();
  events_->Write(event);
  log_.emplace(events_);
  v1::WorkerResult result;
  *result.mutable_calibration() =
      Calibrate(request_.workload().calibration(), device_.get(), UsualTimes(*device_), &*log_);
  log_->Finish(&result);
  *result.mutable_memory() = device_->AtStart();
  return result;
}

v1::WorkerFailed CalibrationRun::Failed(const std::exception& error) {
  v1::WorkerFailed failed = DescribeFailure(error, v1::PHASE_UNSPECIFIED, device_.get());
  if (log_) *failed.mutable_samples() = log_->TakePending();
  failed.set_run_id(request_.run_id());
  if (device_) *failed.mutable_memory() = device_->AtStart();
  return failed;
}

}  // namespace torchlap::worker
