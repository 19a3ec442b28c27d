// The real torchlap-worker and CUDA, as far as that goes without a GPU: with a libcuda that counts
// its calls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/server/worker/tiny_workload.h"
#include "tests/server/worker/worker_program.h"

namespace torchlap::worker {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kUuid = "GPU-5f2c";

v1::WorkerRequest CudaRequest() {
  v1::WorkerRequest request = TinyRequest();
  request.mutable_device()->set_kind(v1::DEVICE_KIND_CUDA);
  request.mutable_device()->set_uuid(kUuid);
  return request;
}

class CudaProgramTest : public ::testing::Test {
 protected:
  ~CudaProgramTest() override { std::filesystem::remove_all(folder_); }

  // The last event of a run with the fake driver. `torch`: its libraries, instead of those that the
  // worker was built with. `device`: what the fake offers.
  v1::WorkerEvent Run(const v1::WorkerRequest& request, const std::string& device = "",
                      const std::string& torch = "") {
    const auto fake = std::filesystem::path(TORCHLAP_FAKE_CUDA).parent_path();
    std::vector<std::string> environment = {"LD_LIBRARY_PATH=" + fake.string() + ":" + torch,
                                            "TORCHLAP_FAKE_CUDA_CALLS=" + calls_file_.string()};
    if (!device.empty()) environment.push_back("TORCHLAP_FAKE_CUDA_DEVICE=" + device);
    WorkerProgram worker(TORCHLAP_WORKER, environment);
    worker.Send(request);
    const std::vector<v1::WorkerEvent> events = worker.Rest();
    EXPECT_EQ(worker.Wait(), 0);
    return events.back();
  }

  // The calls of all runs until now.
  std::vector<std::string> Calls() const {
    std::vector<std::string> calls;
    std::ifstream file(calls_file_);
    for (std::string line; std::getline(file, line);) calls.push_back(line);
    return calls;
  }

  const std::filesystem::path folder_ = [] {
    std::string name = (std::filesystem::temp_directory_path() / "torchlap-cuda-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    return std::filesystem::path(name);
  }();
  const std::filesystem::path calls_file_ = folder_ / "calls";
};

TEST_F(CudaProgramTest, ACpuJobNeverTouchesTheDriver) {
  EXPECT_TRUE(Run(TinyRequest(), "8.0 NVIDIA A100").has_result());
  EXPECT_THAT(Calls(), IsEmpty());
}

TEST_F(CudaProgramTest, ADriverWithoutTheDeviceIsToldAfterTwoCalls) {
  const v1::WorkerFailed failed = Run(CudaRequest()).failed();
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_CUDA_ERROR);
  EXPECT_EQ(failed.failure().detail(), "no CUDA device: the driver does not offer GPU-5f2c");
  EXPECT_THAT(Calls(), ElementsAre("loaded", "cuDriverGetVersion", "cuInit"));
}

TEST_F(CudaProgramTest, AFormatThatTheGpuLacksIsRefusedBeforeLibTorchIsLoaded) {
  v1::WorkerRequest request = CudaRequest();
  request.mutable_workload()->mutable_transformer_lm()->set_precision(v1::PRECISION_TF32);
  const v1::WorkerFailed failed = Run(request, "7.5 Tesla T4").failed();
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_INVALID);
  EXPECT_EQ(failed.failure().detail(),
            "precision is tf32, must be fp32 or fp16 on Tesla T4, which has no TF32 (compute "
            "capability 7.5)");
  EXPECT_THAT(Calls(), ElementsAre("loaded", "cuDriverGetVersion", "cuInit", "cuDeviceGetCount",
                                   "cuDeviceGet", "cuDeviceGetName", "cuDeviceGetAttribute",
                                   "cuDeviceGetAttribute"));
}

TEST_F(CudaProgramTest, AGpuThatIsTooOldIsNamed) {
  const v1::WorkerFailed failed = Run(CudaRequest(), "6.1 GeForce GTX 1080").failed();
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_CUDA_ERROR);
  EXPECT_THAT(failed.failure().detail(), HasSubstr("compute capability 6.1, must be 7.5 or later"));
}

// With the CPU's set of libraries only the driver is there.
TEST_F(CudaProgramTest, AMissingCudaLibraryIsNamedInOneLine) {
  const v1::WorkerFailed failed = Run(CudaRequest(), "8.0 NVIDIA A100").failed();
  if (failed.failure().detail().find("is missing") == std::string::npos) {
    GTEST_SKIP() << "this machine has LibTorch's CUDA libraries";
  }
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_CUDA_ERROR);
  EXPECT_THAT(
      failed.failure().detail(),
      AllOf(StartsWith("a CUDA library of LibTorch 2.11.0 is missing: lib"),
            EndsWith(": cannot open shared object file: No such file or directory; it comes "
                     "with `pip install torch==2.11.0`, and with "
                     "`deploy/fetch_libtorch.sh --cuda yes`"),
            Not(HasSubstr("\n"))));
  EXPECT_EQ(Calls().back(), "cuDeviceGetAttribute");  // the runtime has not started
}

// Nobody but the driver's own functions is asked before the CUDA runtime starts: loading LibTorch
// makes no call.
TEST_F(CudaProgramTest, LibTorchLoadsWithAllItsLibrariesAndStopsWhereTheDeviceWouldStart) {
  const char* torch = std::getenv("TORCHLAP_FULL_TORCH");
  if (torch == nullptr) {
    GTEST_SKIP() << "TORCHLAP_FULL_TORCH is not set: the torch folder of a Python with all wheels";
  }
  const auto cuda = std::filesystem::path(torch).parent_path() / "nvidia/cu13/lib";
  const v1::WorkerFailed failed =
      Run(CudaRequest(), "8.0 NVIDIA A100", std::string(torch) + "/lib:" + cuda.string()).failed();
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_CUDA_ERROR);
  EXPECT_THAT(failed.failure().detail(), Not(HasSubstr("is missing")));
  EXPECT_THAT(Calls(), Contains(HasSubstr("cuGetProcAddress_v2")));
}

// The library beside the program has the door that the worker looks for. LibTorch's CUDA part is
// not here, so it is not opened: its dynamic symbols are read.
TEST_F(CudaProgramTest, TheExtrasLieBesideTheProgramAndHaveTheirDoor) {
  const std::filesystem::path extras = TORCHLAP_EXTRAS;
  EXPECT_EQ(extras.parent_path(), std::filesystem::path(TORCHLAP_WORKER).parent_path());
  EXPECT_EQ(extras.filename(), "torchlap_cuda.so");
  std::ifstream file(extras, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(bytes.find("torchlap_cuda_extras_1"), std::string::npos);
}

}  // namespace
}  // namespace torchlap::worker
