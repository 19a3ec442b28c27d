#include "server/worker/graphed_step.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "server/worker/initialisation.h"
#include "tests/server/worker/tiny_workload.h"

namespace torchlap::worker {
namespace {

using ::testing::ElementsAre;

// What was done to the fake library and the fake device, in order.
std::vector<std::string> fake_log;
// Asked when a capture begins.
const Transformer* fake_model = nullptr;

bool AnyGradient(const Transformer& model) {
  for (const Parameter& parameter : model.parameters()) {
    if (parameter.tensor.grad().defined()) return true;
  }
  return false;
}

// A library whose graphs record nothing: the work between begin and end is done at once.
const TorchlapCudaExtras kFakeExtras = {
    nullptr,
    [] {
      fake_log.push_back(AnyGradient(*fake_model) ? "begin with gradients" : "begin");
      return reinterpret_cast<TorchlapCudaGraph*>(&fake_log);
    },
    [](TorchlapCudaGraph*) { fake_log.push_back("end"); },
    [](TorchlapCudaGraph*) { fake_log.push_back("replay"); },
    [](TorchlapCudaGraph*) { fake_log.push_back("destroy"); },
};

class FakeDevice : public Device {
 public:
  c10::Device torch_device() const override { return c10::Device(c10::DeviceType::CPU); }
  void Synchronise() override { fake_log.push_back("synchronise"); }
  std::unique_ptr<DeviceClock> MakeClock() override { return nullptr; }
  void ResetPeaks() override { peak_ = 0; }
  MemoryPeak Peaks() const override { return {++peak_, 64}; }
  void GiveBackUnused() override { fake_log.push_back("give back"); }
  v1::MemoryUse AtStart() const override { return {}; }
  v1::Failure DescribeOutOfMemory(const std::string&) const override { return {}; }
  std::optional<GpuModel> gpu() const override { return std::nullopt; }
  std::string cuda_version() const override { return ""; }

 private:
  mutable uint64_t peak_ = 0;
};

class Steps : public PhaseListener {
 public:
  void Begin() override { fake_log.push_back("step"); }
  void Enter(v1::Phase) override { fake_log.push_back("phase"); }
  void Leave() override { fake_log.push_back("left"); }
};

class Nothing : public PhaseListener {
  void Enter(v1::Phase) override {}
  void Leave() override {}
};

class GraphedStepTest : public ::testing::Test {
 protected:
  GraphedStepTest() {
    workload_.set_pass_type(v1::PASS_TYPE_FORWARD_BACKWARD);
    Seed(1);
    model_ = std::make_unique<Transformer>(workload_, at::kCPU, at::kFloat, InitialiseParameter);
    step_ = std::make_unique<TrainingStep>(workload_, model_.get(), nullptr,
                                           RandomTokens(31, 2, 8, at::kCPU),
                                           RandomTokens(31, 2, 8, at::kCPU));
    // The warm-up leaves gradients behind.
    Nothing nothing;
    step_->Run(&nothing);
    fake_model = model_.get();
    fake_log.clear();
  }

  v1::TransformerLm workload_ = TinyModel();
  std::unique_ptr<Transformer> model_;
  std::unique_ptr<TrainingStep> step_;
  FakeDevice device_;
  Steps steps_;
};

TEST_F(GraphedStepTest, ACaptureBeginsWithoutGradientsAndWithoutUnusedMemory) {
  GraphedStep graph(&device_, step_.get(), &kFakeExtras);
  graph.Capture();
  EXPECT_THAT(fake_log, ElementsAre("synchronise", "give back", "begin", "end", "synchronise",
                                    "replay", "synchronise"));
  EXPECT_TRUE(AnyGradient(*model_));
}

TEST_F(GraphedStepTest, TheFirstReplayIsNobodysStep) {
  GraphedStep graph(&device_, step_.get(), &kFakeExtras);
  graph.Capture();
  EXPECT_EQ(std::count(fake_log.begin(), fake_log.end(), "replay"), 1);
  EXPECT_EQ(std::count(fake_log.begin(), fake_log.end(), "step"), 0);
  graph.Run(&steps_);
  EXPECT_EQ(std::count(fake_log.begin(), fake_log.end(), "replay"), 2);
  EXPECT_EQ(std::count(fake_log.begin(), fake_log.end(), "step"), 1);
}

TEST_F(GraphedStepTest, PeaksAreThoseOfTheCapture) {
  GraphedStep graph(&device_, step_.get(), &kFakeExtras);
  graph.Capture();
  for (const v1::Phase phase : {v1::PHASE_FORWARD, v1::PHASE_LOSS, v1::PHASE_BACKWARD}) {
    ASSERT_TRUE(graph.peaks()[phase].has_value());
    EXPECT_EQ(graph.peaks()[phase]->allocated_bytes, 1u);  // counted from its own beginning
    EXPECT_EQ(graph.peaks()[phase]->reserved_bytes, 64u);
  }
  EXPECT_FALSE(graph.peaks()[v1::PHASE_OPTIMIZER].has_value());
  EXPECT_EQ(graph.phase(), v1::PHASE_UNSPECIFIED);
}

TEST_F(GraphedStepTest, AReplayIsAStepWithoutPhasesThatKeepsItsGradients) {
  GraphedStep graph(&device_, step_.get(), &kFakeExtras);
  graph.Capture();
  const void* gradient = model_->parameters()[0].tensor.grad().data_ptr();
  fake_log.clear();
  const at::Tensor first = graph.Run(&steps_);
  const at::Tensor second = graph.Run(&steps_);
  EXPECT_THAT(fake_log, ElementsAre("step", "replay", "left", "step", "replay", "left"));
  EXPECT_EQ(first.data_ptr(), second.data_ptr());
  EXPECT_EQ(model_->parameters()[0].tensor.grad().data_ptr(), gradient);
}

TEST_F(GraphedStepTest, TheGraphIsDestroyedWithItsOwner) {
  { const GraphedStep never_captured(&device_, step_.get(), &kFakeExtras); }
  EXPECT_TRUE(fake_log.empty());
  {
    GraphedStep graph(&device_, step_.get(), &kFakeExtras);
    graph.Capture();
  }
  EXPECT_EQ(fake_log.back(), "destroy");
}

}  // namespace
}  // namespace torchlap::worker
