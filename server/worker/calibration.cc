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
#include "server/worker/precision.h"
#include "server/worker/process_setup.h"
#include "server/worker/request_check.h"
#include "server/worker/step_recorder.h"

namespace torchlap::worker {
namespace {

constexpr int kFewestBatches = 5;
constexpr uint32_t kSmallestMatrix = 64;
constexpr uint64_t kLargestCopyBytes = uint64_t{256} << 20;
constexpr uint64_t kFloatBytes = 4;

// Of one execution.
struct Speed {
  double shortest_ns = 0;
  int64_t measured_ns = 0;
};

// Executes `work` again and again.
Speed Measure(const std::function<void()>& work, Device* device, const CalibrationTimes& times) {
  const auto time_of = [&](int64_t executions) {
    device->Synchronise();
    const int64_t began_ns = MonotonicNs();
    for (int64_t i = 0; i < executions; ++i) work();
    device->Synchronise();
    return MonotonicNs() - began_ns;
  };
  const int64_t first_ns = time_of(1);
  if (first_ns > times.longest_ns) return {static_cast<double>(first_ns), first_ns};
  // The first one loads kernels too.
  const int64_t second_ns = time_of(1);
  if (second_ns > times.enough_ns) {
    return {static_cast<double>(std::min(first_ns, second_ns)), first_ns + second_ns};
  }
  const int64_t batch_ns = times.enough_ns / kFewestBatches;
  const int64_t batch = std::max<int64_t>(1, batch_ns / std::max<int64_t>(1, second_ns));
  time_of(batch);
  Speed speed;
  for (int i = 0; i < kFewestBatches || speed.measured_ns < times.enough_ns; ++i) {
    const int64_t took_ns = time_of(batch);
    const double each_ns = static_cast<double>(took_ns) / static_cast<double>(batch);
    if (i == 0 || each_ns < speed.shortest_ns) speed.shortest_ns = each_ns;
    speed.measured_ns += took_ns;
    if (speed.measured_ns > times.longest_ns) break;
  }
  return speed;
}

double PerSecond(double amount, const Speed& speed) { return amount / (speed.shortest_ns / 1e9); }

std::vector<v1::Precision> PrecisionsOf(const Device& device) {
  std::vector<v1::Precision> precisions;
  for (const v1::Precision precision :
       {v1::PRECISION_FP32, v1::PRECISION_TF32, v1::PRECISION_BF16, v1::PRECISION_FP16}) {
    // A CPU computes every format in some way; TF32 is a format of NVIDIA's tensor cores.
    const std::optional<GpuModel> gpu = device.gpu();
    if (gpu ? HasInstructions(precision, *gpu) : precision != v1::PRECISION_TF32) {
      precisions.push_back(precision);
    }
  }
  return precisions;
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
                             const CalibrationTimes& times) {
  SetMatmulPrecision(precision);
  const at::TensorOptions options = at::TensorOptions()
                                        .device(device->torch_device())
                                        .dtype(AutocastType(precision).value_or(at::kFloat));
  const at::Tensor left = at::randn({size, size}, options);   // (n, n)
  const at::Tensor right = at::randn({size, size}, options);  // (n, n)
  at::Tensor product = at::empty_like(left);                  // (n, n)
  const Speed speed = Measure([&] { at::mm_out(product, left, right); }, device, times);
  v1::MatmulPeak peak;
  peak.set_precision(precision);
  peak.set_flops_per_s(PerSecond(2 * std::pow(size, 3), speed));
  peak.set_matrix_size(size);
  peak.set_measured_ns(speed.measured_ns);
  return peak;
}

void MeasureCopy(Device* device, const CalibrationTimes& times, v1::CalibrationResult* result) {
  const uint64_t quarter = QuarterOfMemory(*device).value_or(kLargestCopyBytes);
  const auto numbers = static_cast<int64_t>(std::min(kLargestCopyBytes, quarter) / kFloatBytes);
  const at::TensorOptions options = at::TensorOptions().device(device->torch_device());
  // Written to: pages that never were are all one page of zeros to the kernel.
  const at::Tensor from = at::randn({numbers}, options.dtype(at::kFloat));
  at::Tensor to = at::empty_like(from);
  const Speed speed = Measure([&] { to.copy_(from); }, device, times);
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
                                const CalibrationTimes& times) {
  const at::NoGradGuard no_grad;
  const uint32_t size = MatrixSize(calibration, *device);
  v1::CalibrationResult result;
  for (const v1::Precision precision : PrecisionsOf(*device)) {
    *result.add_matmul_peaks() = MeasureMatmul(precision, size, device, times);
  }
  MeasureCopy(device, times, &result);
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
  v1::WorkerResult result;
  *result.mutable_calibration() =
      Calibrate(request_.workload().calibration(), device_.get(), UsualTimes(*device_));
  *result.mutable_memory() = device_->AtStart();
  return result;
}

v1::WorkerFailed CalibrationRun::Failed(const std::exception& error) {
  v1::WorkerFailed failed = DescribeFailure(error, v1::PHASE_UNSPECIFIED, device_.get());
  if (device_) *failed.mutable_memory() = device_->AtStart();
  return failed;
}

}  // namespace torchlap::worker
