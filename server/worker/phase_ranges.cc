#include "server/worker/phase_ranges.h"

#include <ATen/record_function.h>
#include <torch/csrc/profiler/stubs/base.h>

#include <utility>
#include <vector>

#include "proto/words.h"

namespace torchlap::worker {
namespace {

class NvtxSink final : public RangeSink {
 public:
  // LibTorch's stubs call NVTX, so that none of CUDA's headers are needed here.
  void Push(const std::string& name) override { stubs_->rangePush(name.c_str()); }
  void Pop() override { stubs_->rangePop(); }

 private:
  const torch::profiler::impl::ProfilerStubs* const stubs_ = torch::profiler::impl::cudaStubs();
};

class ProfilerSink final : public RangeSink {
 public:
  void Push(const std::string& name) override {
    auto& range =
        open_.emplace_back(std::make_unique<at::RecordFunction>(at::RecordScope::USER_SCOPE));
    if (range->isActive()) range->before(name);
  }
  void Pop() override { open_.pop_back(); }  // the destructor ends a range

 private:
  std::vector<std::unique_ptr<at::RecordFunction>> open_;
};

}  // namespace

std::unique_ptr<RangeSink> MakeNvtxSink() { return std::make_unique<NvtxSink>(); }

std::unique_ptr<RangeSink> MakeProfilerSink() { return std::make_unique<ProfilerSink>(); }

PhaseRanges::PhaseRanges(PhaseListener* behind, std::unique_ptr<RangeSink> sink)
    : behind_(behind), sink_(std::move(sink)) {}

void PhaseRanges::Begin() {
  behind_->Begin();
  sink_->Push("step");
  in_step_ = true;
}

void PhaseRanges::Enter(v1::Phase phase) {
  behind_->Enter(phase);
  if (!in_step_) sink_->Push("step");
  if (in_phase_) sink_->Pop();
  sink_->Push(std::string(Word(phase)));
  in_step_ = in_phase_ = true;
}

void PhaseRanges::Leave() {
  behind_->Leave();
  if (in_phase_) sink_->Pop();
  sink_->Pop();
  in_step_ = in_phase_ = false;
}

}  // namespace torchlap::worker
