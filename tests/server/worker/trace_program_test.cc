// Traces of the real torchlap-worker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/server/worker/tiny_workload.h"
#include "tests/server/worker/worker_program.h"

namespace torchlap::worker {
namespace {

using ::testing::Pair;
using ::testing::UnorderedElementsAre;

v1::WorkerEvent LastEventOf(const v1::WorkerRequest& request) {
  WorkerProgram worker(TORCHLAP_WORKER);
  worker.Send(request);
  const std::vector<v1::WorkerEvent> events = worker.Rest();
  EXPECT_EQ(worker.Wait(), 0);
  return events.back();
}

class TraceProgramTest : public ::testing::Test {
 protected:
  ~TraceProgramTest() override { std::filesystem::remove_all(folder_); }

  // Tiny, with 2 warm-up and 7 measured steps.
  v1::WorkerRequest Request(const std::string& trace_path) const {
    v1::WorkerRequest request = TinyRequest();
    request.mutable_plan()->set_measure_steps(7);
    request.set_trace_path(trace_path);
    return request;
  }

  std::vector<std::string> FilesInFolder() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  const std::filesystem::path folder_ = [] {
    std::string name = (std::filesystem::temp_directory_path() / "torchlap-trace-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    return std::filesystem::path(name);
  }();
};

TEST_F(TraceProgramTest, ThreeStepsAfterTheWarmUpAreTracedWithTheirPhases) {
  const v1::WorkerResult result = LastEventOf(Request(folder_ / "17.2.json")).result();
  EXPECT_EQ(result.warmup_steps(), 2u);
  EXPECT_EQ(result.measured_steps(), 3u);
  EXPECT_EQ(result.samples().step_ns_size(), 5);
  EXPECT_THAT(FilesInFolder(), UnorderedElementsAre("17.2.json"));

  std::ifstream file(folder_ / "17.2.json");
  const nlohmann::json trace = nlohmann::json::parse(file);
  std::map<std::string, int> ranges;
  int operators = 0;
  for (const auto& event : trace.at("traceEvents")) {
    const std::string category = event.value("cat", "");
    if (category == "user_annotation") ++ranges[event.at("name")];
    operators += category == "cpu_op";
  }
  EXPECT_THAT(ranges, UnorderedElementsAre(Pair("step", 3), Pair("forward", 3), Pair("loss", 3),
                                           Pair("backward", 3), Pair("optimizer", 3)));
  EXPECT_GT(operators, 100);
}

TEST_F(TraceProgramTest, ATraceThatCannotBeWrittenFailsTheRunAndLeavesNothing) {
  const std::string path = folder_ / "missing" / "17.2.json";
  const v1::WorkerFailed failed = LastEventOf(Request(path)).failed();
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_CRASHED);
  EXPECT_EQ(failed.failure().detail(), "the trace cannot be written to " + path);
  EXPECT_TRUE(FilesInFolder().empty());
}

}  // namespace
}  // namespace torchlap::worker
