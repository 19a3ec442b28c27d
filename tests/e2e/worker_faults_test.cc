// Workers that misbehave: a run that fails is data, and the daemon goes on.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;

struct Fault {
  std::string name;
  json plan;
  std::string outcome;
  std::string detail;  // part of it
};

void PrintTo(const Fault& fault, std::ostream* stream) { *stream << fault.name; }

class WorkerFaultsTest : public testing::TestWithParam<Fault> {};

TEST_P(WorkerFaultsTest, FailTheRunAndTheNextOneSucceeds) {
  const Fault& fault = GetParam();
  World world(World::FakeWorker("grace_ms = 200\n"));
  json plan = fault.plan;
  plan["runs"]["2"] = json::object();
  world.TellFakeWorker(plan);
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  std::vector<std::string> run = Tiny({"--time-limit", "2s"});
  run.insert(run.begin(), "run");
  EXPECT_EQ(world.Client(run).status, 2);
  const json job = world.Json({"show", "1"});
  EXPECT_EQ(job["state"], "FAILED");
  ASSERT_EQ(job["runs"].size(), 1U);
  EXPECT_EQ(job["runs"][0]["outcome"], fault.outcome);
  EXPECT_NE(job["runs"][0]["failure_detail"].get<std::string>().find(fault.detail),
            std::string::npos)
      << job["runs"][0]["failure_detail"];
  if (!fault.plan.contains("protocol_version") && !fault.plan.contains("start")) {
    EXPECT_EQ(world.Client(run).status, 0);
  }
  EXPECT_TRUE(Eventually([&] { return World::Children(world.daemon_pid()).empty(); }));
}

json AtStep2(json action) {
  action["at_step"] = 2;
  return {{"runs", {{"1", action}}}};
}

// Reports that cannot be, in events of two steps.
json Spoilt(const std::string& what) {
  return {{"runs", {{"1", {{"spoil", what}, {"steps_per_event", 2}}}}}};
}

INSTANTIATE_TEST_SUITE_P(
    All, WorkerFaultsTest,
    testing::Values(
        Fault{"Crash", AtStep2({{"do", "crash"}, {"signal", 11}}), "CRASHED",
              "killed by signal 11"},
        Fault{"Exit", AtStep2({{"do", "exit"}, {"status", 3}}), "CRASHED", "exited with status 3"},
        Fault{"Hang", AtStep2({{"do", "hang"}}), "TIMED_OUT", "time limit of 2 s"},
        Fault{"StubbornHang", AtStep2({{"do", "hang-stubborn"}}), "TIMED_OUT", "time limit of 2 s"},
        Fault{"Garbage", AtStep2({{"do", "garbage"}}), "CRASHED", "no event"},
        Fault{"LongFrame", AtStep2({{"do", "long-frame"}}), "CRASHED", "no event"},
        Fault{"CutFrame", AtStep2({{"do", "cut-frame"}}), "CRASHED", "cut short"},
        Fault{"ClosedSocket", AtStep2({{"do", "close"}}), "TIMED_OUT", "time limit"},
        Fault{
            "CudaError",
            AtStep2({{"do", "fail"}, {"outcome", "CUDA_ERROR"}, {"detail", "device-side assert"}}),
            "CUDA_ERROR", "device-side assert"},
        Fault{"ShortColumn", Spoilt("short-column"), "CRASHED",
              "forward_ns has 0 entries for 2 steps, must have 2"},
        Fault{"AbsurdTime", Spoilt("absurd-time"), "CRASHED", "step_ns of step 0 is"},
        Fault{"InfinitePeak", Spoilt("infinite-peak"), "CRASHED", "memory_bytes_per_s is inf"},
        Fault{"SecondResult", Spoilt("second-result"), "CRASHED", "went on after its result"},
        Fault{"NoHello", {{"start", {{"do", "hang"}}}}, "TIMED_OUT", "0 of 15 steps"},
        Fault{"OtherProtocol", {{"protocol_version", 99}}, "CRASHED", "protocol version 99"}),
    [](const auto& parameter) { return parameter.param.name; });

TEST(WorkerLogTest, AFloodOnStderrIsCappedAndTheRunSucceeds) {
  World world(World::FakeWorker());
  world.TellFakeWorker({{"runs", {{"*", {{"stderr_bytes", 20'000'000}}}}}});
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  std::vector<std::string> run = Tiny();
  run.insert(run.begin(), "run");
  EXPECT_EQ(world.Client(run).status, 0);
  EXPECT_EQ(std::filesystem::file_size(world.state_folder() / "logs" / "1.1.log"),
            uint64_t{1} << 20);
}

TEST(WorkerLogTest, AWorkerThatCannotBeStartedIsSaidInOneLine) {
  World world(World::DefaultConfiguration("2GiB", "worker = \"/no/such/worker\"\n"));
  if (!world.Start()) {
    EXPECT_NE(world.daemon_log().find("/no/such/worker"), std::string::npos) << world.daemon_log();
    return;
  }
  std::vector<std::string> run = Tiny();
  run.insert(run.begin(), "run");
  EXPECT_EQ(world.Client(run).status, 2);
  EXPECT_NE(world.Json({"show", "1"})["runs"][0]["failure_detail"].get<std::string>().find(
                "/no/such/worker"),
            std::string::npos);
}

}  // namespace
}  // namespace torchlap::e2e
