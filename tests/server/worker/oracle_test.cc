// The model against numbers that the Python peer recorded (tests/bench/eager_reference.py,
// `vectors`).
//
//   TORCHLAP_ORACLE       one more file of vectors
//   TORCHLAP_ORACLE_GPU   UUID of the GPU that computes it; unset: the CPU
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "server/worker/adamw.h"
#include "server/worker/device.h"
#include "server/worker/training_step.h"
#include "server/worker/transformer.h"
#include "tests/server/worker/oracle_model.h"

namespace torchlap::worker {
namespace {

using nlohmann::json;

constexpr double kLossTolerance = 1e-4;    // relative
constexpr double kLogitTolerance = 1e-4;   // of the largest logit that was recorded in the step
constexpr double kAbsSumTolerance = 1e-4;  // relative
constexpr double kNormTolerance = 1e-3;    // relative

std::vector<at::Tensor> Tensors(const Transformer& model) {
  std::vector<at::Tensor> tensors;
  for (const Parameter& parameter : model.parameters()) tensors.push_back(parameter.tensor);
  return tensors;
}

// Rebuilds the model that a file describes and holds each of its steps to the file.
class Oracle {
 public:
  explicit Oracle(const std::string& file, c10::Device device = c10::DeviceType::CPU)
      : file_(file),
        recorded_(ReadVectors(file)),
        workload_(OracleWorkload(recorded_)),
        model_(workload_, device, at::kFloat,
               [this](const std::string&, const at::Tensor& tensor) {
                 FillOracleParameter(++parameter_number_, tensor);
               }),
        optimizer_(MakeAdamW(v1::OPTIMIZER_COURSE, Tensors(model_))),
        ids_(OracleIds(workload_).to(device)),
        targets_(OracleTargets(workload_).to(device)),
        training_step_(workload_, &model_, optimizer_.get(), ids_, targets_) {}

  void Check() {
    const auto parameters = static_cast<double>(model_.ParameterCount());
    Near(recorded_.at("parameters"), parameters, 0, "parameters");
    ASSERT_FALSE(recorded_.at("steps").empty()) << file_;
    for (const json& step : recorded_.at("steps")) CheckStep(step);
    if (differing_ == 0) std::printf("oracle: %s, %d values agree\n", file_.c_str(), agreeing_);
  }

 private:
  class Nothing : public PhaseListener {
    void Enter(v1::Phase) override {}
    void Leave() override {}
  };

  void CheckStep(const json& step) {
    CheckLogits(step);
    Nothing listener;
    training_step_.Prepare();
    const at::Tensor loss = training_step_.Run(&listener);
    Relative(step.at("loss"), loss.item<double>(), kLossTolerance, "loss");
    for (const Parameter& parameter : model_.parameters()) {
      const std::string& name = parameter.name;
      Relative(step.at("gradient_norm").at(name), Norm(parameter.tensor.grad()), kNormTolerance,
               "gradient " + name);
      Relative(step.at("parameter_norm_after_step").at(name), Norm(parameter.tensor.detach()),
               kNormTolerance, "parameter " + name);
    }
  }

  void CheckLogits(const json& step) {
    const c10::NoGradGuard no_grad;
    const at::Tensor logits = model_.Forward(ids_).to(at::kDouble);  // (B, T, V)
    const std::vector<double> first = step.at("logits_first_row_8");
    const std::vector<double> last = step.at("logits_last_row_8");
    double largest = 0;
    for (const double value : first) largest = std::max(largest, std::abs(value));
    for (const double value : last) largest = std::max(largest, std::abs(value));
    const double tolerance = kLogitTolerance * largest;
    Row(first, logits[0][0].slice(0, 0, 8), tolerance, "first logit ");
    Row(last, logits[-1][-1].slice(0, -8), tolerance, "last logit ");
    Relative(step.at("logits_abs_sum"), logits.abs().sum().item<double>(), kAbsSumTolerance,
             "logits_abs_sum");
  }

  void Row(const std::vector<double>& expected, const at::Tensor& row, double tolerance,
           const std::string& what) {
    ASSERT_EQ(row.numel(), static_cast<int64_t>(expected.size()));
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto value = row[static_cast<int64_t>(i)].item<double>();
      Near(expected[i], value, tolerance, what + std::to_string(i));
    }
  }

  void Relative(double expected, double value, double tolerance, const std::string& what) {
    Near(expected, value, tolerance * std::abs(expected), what);
  }

  void Near(double expected, double value, double tolerance, const std::string& what) {
    EXPECT_NEAR(value, expected, tolerance) << file_ << ": " << what;
    if (std::abs(value - expected) <= tolerance) {
      ++agreeing_;
    } else {
      ++differing_;
    }
  }

  static double Norm(const at::Tensor& tensor) {
    return tensor.to(at::kDouble).norm().item<double>();
  }

  const std::string file_;
  const json recorded_;
  const v1::TransformerLm workload_;
  int64_t parameter_number_ = 0;
  Transformer model_;
  std::unique_ptr<AdamW> optimizer_;
  const at::Tensor ids_;      // (B, T)
  const at::Tensor targets_;  // (B, T)
  TrainingStep training_step_;
  int agreeing_ = 0;
  int differing_ = 0;
};

TEST(OracleTest, TheModelAgreesWithTheFirstRecordedFile) {
  Oracle(TORCHLAP_GOLDEN_DIR "/vectors-a.json").Check();
}

TEST(OracleTest, TheModelAgreesWithTheSecondRecordedFile) {
  Oracle(TORCHLAP_GOLDEN_DIR "/vectors-b.json").Check();
}

TEST(OracleTest, TheModelAgreesWithTheFileThatTheEnvironmentNames) {
  const char* file = std::getenv("TORCHLAP_ORACLE");
  if (file == nullptr) GTEST_SKIP() << "TORCHLAP_ORACLE names no file";
  const char* gpu = std::getenv("TORCHLAP_ORACLE_GPU");
  if (gpu == nullptr) return Oracle(file).Check();
  v1::WorkerRequest request;
  request.mutable_device()->set_uuid(gpu);
  const std::unique_ptr<Device> device = OpenCudaDevice(request);
  Oracle(file, device->torch_device()).Check();
}

TEST(OracleTest, ARecordThatIsSlightlyOffIsNoticed) {
  json recorded = ReadVectors(TORCHLAP_GOLDEN_DIR "/vectors-b.json");
  json& norm = recorded["steps"][0]["gradient_norm"]["ln_final.weight"];
  norm = norm.get<double>() * 1.002;
  const std::string file = ::testing::TempDir() + "off.json";
  std::ofstream(file) << recorded;
  EXPECT_NONFATAL_FAILURE(Oracle(file).Check(), "gradient ln_final.weight");
  std::remove(file.c_str());
}

TEST(OracleTest, AFileThatIsNotThereIsAFailure) {
  EXPECT_THROW(Oracle("/nowhere/vectors.json"), std::runtime_error);
}

}  // namespace
}  // namespace torchlap::worker
