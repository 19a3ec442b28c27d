#include "server/worker/cuda_clock.h"

#include <ATen/DeviceAccelerator.h>
#include <c10/core/Event.h>

#include <cmath>
#include <vector>

namespace torchlap::worker {
namespace {

constexpr size_t kMarksOfAStep = 8;  // both ends of four phases

class CudaClock final : public DeviceClock {
 public:
  explicit CudaClock(c10::Device device) : device_(device) {
    // LibTorch creates the event of CUDA when it is first recorded: here, and not in the first
    // step.
    for (size_t i = 0; i < kMarksOfAStep; ++i) Mark();
    Clear();
  }

  size_t Mark() override {
    // BACKEND_DEFAULT is cudaEventDefault, an event with a time; PYTORCH_DEFAULT has none.
    if (used_ == events_.size())
      events_.emplace_back(device_.type(), c10::EventFlag::BACKEND_DEFAULT);
    events_[used_].record(at::accelerator::getCurrentStream(device_.index()));
    return used_++;
  }

  int64_t BetweenNs(size_t from, size_t to) const override {
    return std::llround(events_.at(from).elapsedTime(events_.at(to)) * 1e6);  // of ms
  }

  void Clear() override { used_ = 0; }

 private:
  const c10::Device device_;
  std::vector<c10::Event> events_;  // kept for the next step
  size_t used_ = 0;
};

}  // namespace

std::unique_ptr<DeviceClock> MakeCudaClock(c10::Device device) {
  return std::make_unique<CudaClock>(device);
}

}  // namespace torchlap::worker
