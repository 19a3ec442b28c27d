#include "server/rpc/doctor.h"

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "proto/words.h"
#include "tests/server/host/fake_machine.h"

namespace torchlap::rpc {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kGib = uint64_t{1} << 30;

v1::Device Gpu(const std::string& name, const std::string& uuid,
               v1::DeviceState state = v1::DEVICE_STATE_IDLE) {
  v1::Device device;
  device.set_name(name);
  device.set_uuid(uuid);
  device.set_kind(v1::DEVICE_KIND_CUDA);
  device.set_model("NVIDIA A100");
  device.set_memory_bytes(40 * kGib);
  device.set_state(state);
  return device;
}

// A machine on which nothing is wrong, with one GPU.
MachineFacts Healthy() {
  MachineFacts facts;
  facts.torch_folder = "/opt/torch";
  facts.nvml.library = absl::OkStatus();
  facts.nvml.driver_version = "580.65.06";
  facts.nvml.devices = {{"cuda:0", "GPU-1", "NVIDIA A100", 40 * kGib}};
  facts.devices = {Gpu("cuda:0", "GPU-1")};
  facts.gpus.resize(1);
  facts.gpus[0].uuid = "GPU-1";
  facts.gpus[0].slowdown_celsius = 92;
  facts.gpus[0].reading.set_temperature_celsius(41);
  facts.gpus[0].reading.set_throttle_reasons(host::throttle::kIdle);
  facts.gpus[0].reading.set_utilisation_ratio(0);
  facts.daemon_pid = 4000;
  facts.load_average = 0.25;
  facts.cores = 8;
  facts.governors = {"performance"};
  facts.free_bytes = 100 * kGib;
  return facts;
}

host::GpuProcess Python(pid_t parent = 1) {
  host::GpuProcess process;
  process.pid = 4211;
  process.who = {"python3", "ann", parent};
  process.used_bytes = 11 * kGib + kGib / 4;
  process.computes = true;
  return process;
}

std::string ProcessText(const v1::ProcessUse& process) {
  std::string text = absl::StrCat(" pid=", process.pid(), " user=", process.user());
  if (!process.name().empty()) absl::StrAppend(&text, " name=", process.name());
  if (process.has_used_bytes()) absl::StrAppend(&text, " used=", process.used_bytes());
  return process.only_draws() ? text + " draws" : text;
}

// `problem cuda:0 DEVICE_LOST: detail [expected] celsius=87 [92]`, without FINDING_.
std::string Text(const v1::Finding& finding) {
  std::string text(Word(finding.severity()));
  if (!finding.device().empty()) text += " " + finding.device();
  text += " " + v1::FindingCode_Name(finding.code()).substr(8);
  if (!finding.detail().empty()) text += ": " + finding.detail();
  if (!finding.expected().empty()) text += " [" + finding.expected() + "]";
  const auto add = [&text](bool is_set, const char* name, auto value) {
    if (is_set) absl::StrAppend(&text, " ", name, "=", value);
  };
  add(finding.has_bytes(), "bytes", finding.bytes());
  add(finding.has_expected_bytes(), "expected", finding.expected_bytes());
  add(finding.has_celsius(), "celsius", finding.celsius());
  add(finding.has_expected_celsius(), "expected", finding.expected_celsius());
  add(finding.has_load(), "load", finding.load());
  add(finding.has_cores(), "cores", finding.cores());
  add(finding.has_expected_load(), "expected", finding.expected_load());
  for (const int cause : finding.causes()) {
    text += " " + v1::ThrottleCause_Name(static_cast<v1::ThrottleCause>(cause));
  }
  return finding.has_process() ? text + ProcessText(finding.process()) : text;
}

std::vector<std::string> Texts(const MachineFacts& facts) {
  std::vector<std::string> texts;
  for (const v1::Finding& finding : Examine(facts)) texts.push_back(Text(finding));
  return texts;
}

// Without what is in order.
std::vector<std::string> Complaints(const MachineFacts& facts) {
  std::vector<std::string> texts;
  for (const v1::Finding& finding : Examine(facts)) {
    if (finding.severity() != v1::SEVERITY_OK) texts.push_back(Text(finding));
  }
  return texts;
}

TEST(Doctor, OfAHealthyMachineHasNoComplaint) {
  EXPECT_THAT(Texts(Healthy()), ElementsAre("ok DAEMON: " TORCHLAP_VERSION, "ok TORCH: /opt/torch",
                                            "ok DRIVER: 580.65.06", "ok LOAD load=0.25 cores=8",
                                            "ok DISK bytes=107374182400",
                                            "ok cuda:0 DEVICE: NVIDIA A100 bytes=42949672960",
                                            "ok cuda:0 TEMPERATURE celsius=41 expected=92"));
}

TEST(Doctor, FilesThatAreGoneAndRunsThatAreNotStoredAreProblems) {
  MachineFacts facts = Healthy();
  facts.state_lost = "/x/torchlap.db was deleted while the daemon has it open";
  facts.not_stored = "run 5.1 has ended and is not stored yet: the disk is full";
  EXPECT_THAT(Texts(facts), Contains("problem STATE_LOST: " + facts.state_lost));
  EXPECT_THAT(Texts(facts), Contains("problem NOT_STORED: " + facts.not_stored));
}

TEST(Doctor, WithoutADriverIsNotedOnce) {
  MachineFacts facts = Healthy();
  facts.nvml = host::NvmlAnswer();
  facts.gpus.clear();
  facts.devices.clear();
  EXPECT_THAT(Complaints(facts), ElementsAre("note DRIVER_ABSENT"));
}

TEST(Doctor, NamesWhatIsWrongWithTheDriver) {
  MachineFacts facts = Healthy();
  facts.devices.clear();
  facts.nvml = host::NvmlAnswer();
  facts.nvml.library = absl::FailedPreconditionError("x.so: version mismatch");
  EXPECT_THAT(Complaints(facts), ElementsAre("problem DRIVER_MISMATCH: x.so: version mismatch"));
  facts.nvml.library = absl::UnavailableError("x.so: Driver Not Loaded");
  EXPECT_THAT(Complaints(facts), ElementsAre("problem DRIVER_FAILED: x.so: Driver Not Loaded"));
}

TEST(Doctor, SaysWhichDriverIsNeeded) {
  MachineFacts facts = Healthy();
  facts.nvml.driver_version = "535.161";
  facts.nvml.driver_too_old = true;
  facts.devices[0].set_state(v1::DEVICE_STATE_UNAVAILABLE);
  facts.devices[0].set_detail("driver 535.161 is too old");
  EXPECT_THAT(Complaints(facts),
              ElementsAre("problem DRIVER_TOO_OLD: 535.161 [580]",
                          "problem cuda:0 DEVICE_LEFT_OUT: driver 535.161 is too old"));
}

TEST(Doctor, SaysThatLibTorchIsMissing) {
  MachineFacts facts = Healthy();
  facts.worker_problem = "no LibTorch was found";
  EXPECT_THAT(Complaints(facts), ElementsAre("problem TORCH_MISSING: no LibTorch was found"));
}

TEST(Doctor, ALostDeviceAndOneThatWasRefusedAreProblems) {
  MachineFacts facts = Healthy();
  facts.nvml.left_out = {{"cuda:1", "GPU is lost", true}, {"cuda:2", "no permission", false}};
  EXPECT_THAT(Complaints(facts), ElementsAre("problem cuda:1 DEVICE_LOST: GPU is lost",
                                             "problem cuda:2 DEVICE_LEFT_OUT: no permission"));
}

TEST(Doctor, ADeviceThatCameOrWentSinceTheStartIsFound) {
  MachineFacts facts = Healthy();
  facts.nvml.devices[0].uuid = "GPU-2";
  EXPECT_THAT(Complaints(facts),
              ElementsAre("problem cuda:0 DEVICE_LOST: the driver does not list it any more",
                          "note cuda:0 DEVICE_LEFT_OUT: it was not there when the daemon started"));
}

TEST(Doctor, ADeviceOfAnotherDaemonIsNoted) {
  MachineFacts facts = Healthy();
  facts.devices[0].set_state(v1::DEVICE_STATE_CLAIMED);
  facts.devices[0].set_detail("claimed by somebody");
  EXPECT_THAT(Complaints(facts), ElementsAre("note cuda:0 DEVICE_CLAIMED: claimed by somebody"));
  facts.devices[0].set_claimed_by_pid(812);
  facts.devices[0].set_claimed_by_user("ann");
  EXPECT_THAT(Complaints(facts), ElementsAre("note cuda:0 DEVICE_CLAIMED pid=812 user=ann"));
}

TEST(Doctor, AHotDeviceIsAProblemBeforeItSlowsDown) {
  MachineFacts facts = Healthy();
  facts.gpus[0].reading.set_temperature_celsius(86);
  EXPECT_THAT(Complaints(facts), IsEmpty());
  facts.gpus[0].reading.set_temperature_celsius(87);
  EXPECT_THAT(Complaints(facts), ElementsAre("problem cuda:0 TEMPERATURE celsius=87 expected=92"));
  facts.gpus[0].slowdown_celsius.reset();
  EXPECT_THAT(Complaints(facts), IsEmpty());
}

TEST(Doctor, ADeviceThatDoesNotTellWhereItSlowsDownIsHotWhileHeatHoldsItsClocksDown) {
  MachineFacts facts = Healthy();
  facts.gpus[0].slowdown_celsius.reset();
  facts.gpus[0].reading.set_temperature_celsius(84);
  for (const uint64_t other : {host::throttle::kIdle, host::throttle::kPowerBrake}) {
    facts.gpus[0].reading.set_throttle_reasons(other);
    EXPECT_THAT(Complaints(facts),
                testing::Not(testing::Contains(testing::HasSubstr("TEMPERATURE"))));
  }
  for (const uint64_t heat : {host::throttle::kHardwareThermal, host::throttle::kSoftwareThermal}) {
    facts.gpus[0].reading.set_throttle_reasons(heat | host::throttle::kHardwareSlowdown);
    EXPECT_THAT(Complaints(facts), testing::Contains("problem cuda:0 TEMPERATURE celsius=84"));
  }
  // Where the threshold is known it decides.
  facts.gpus[0].slowdown_celsius = 92;
  EXPECT_THAT(Complaints(facts),
              testing::Not(testing::Contains(testing::HasSubstr("TEMPERATURE"))));
}

TEST(Doctor, ThrottlingIsNamedByItsCause) {
  MachineFacts facts = Healthy();
  const auto with = [&facts](uint64_t reasons) {
    facts.gpus[0].reading.set_throttle_reasons(reasons);
    return Complaints(facts);
  };
  EXPECT_THAT(with(host::throttle::kHardwareSlowdown | host::throttle::kHardwareThermal),
              ElementsAre("problem cuda:0 THROTTLED THROTTLE_HARDWARE_THERMAL"));
  EXPECT_THAT(with(host::throttle::kSoftwareThermal | host::throttle::kPowerBrake),
              ElementsAre("problem cuda:0 THROTTLED THROTTLE_DRIVER_THERMAL THROTTLE_POWER_BRAKE"));
  EXPECT_THAT(with(host::throttle::kHardwareSlowdown),
              ElementsAre("problem cuda:0 THROTTLED THROTTLE_HARDWARE"));
  EXPECT_THAT(with(host::throttle::kSoftwarePowerCap),
              ElementsAre("note cuda:0 THROTTLED THROTTLE_POWER_LIMIT"));
  EXPECT_THAT(with(0x2), IsEmpty()) << "clocks that somebody set";
}

TEST(Doctor, AProcessThatComputesIsAProblemOneThatResidesIsNoted) {
  MachineFacts facts = Healthy();
  facts.gpus[0].processes = {Python()};
  EXPECT_THAT(
      Complaints(facts),
      ElementsAre("note cuda:0 FOREIGN_PROCESS pid=4211 user=ann name=python3 used=12079595520"));
  facts.gpus[0].reading.set_utilisation_ratio(0.9);
  EXPECT_THAT(
      Complaints(facts),
      ElementsAre(
          "problem cuda:0 FOREIGN_PROCESS pid=4211 user=ann name=python3 used=12079595520"));
  // It is ours that makes the device busy.
  facts.devices[0].set_state(v1::DEVICE_STATE_RUNNING);
  EXPECT_THAT(
      Complaints(facts),
      ElementsAre("note cuda:0 FOREIGN_PROCESS pid=4211 user=ann name=python3 used=12079595520"));
}

TEST(Doctor, ADesktopIsANoteEvenWhenItDraws) {
  MachineFacts facts = Healthy();
  host::GpuProcess desktop;
  desktop.pid = 900;
  desktop.who = {"Xorg", "root", 1};
  desktop.draws = true;
  facts.gpus[0].processes = {desktop};
  facts.gpus[0].reading.set_utilisation_ratio(0.2);
  EXPECT_THAT(Complaints(facts),
              ElementsAre("note cuda:0 FOREIGN_PROCESS pid=900 user=root name=Xorg draws"));
}

TEST(Doctor, AWorkerOfThisDaemonIsNoNeighbour) {
  MachineFacts facts = Healthy();
  facts.gpus[0].processes = {Python(/*parent=*/facts.daemon_pid)};
  EXPECT_THAT(Complaints(facts), IsEmpty());
  // In a container it has no name.
  facts.gpus[0].processes[0].who = {};
  EXPECT_THAT(Complaints(facts), SizeIs(1));
  facts.devices[0].set_state(v1::DEVICE_STATE_RUNNING);
  EXPECT_THAT(Complaints(facts), IsEmpty());
}

TEST(Doctor, LoadIsJudgedByTheCoresWithoutWhatRunsOfOursMakeOfIt) {
  MachineFacts facts = Healthy();
  facts.load_average = 4.5;
  EXPECT_THAT(Complaints(facts), ElementsAre("note LOAD_HIGH load=4.5 cores=8 expected=4"));
  facts.load_average = 9;
  EXPECT_THAT(Complaints(facts), ElementsAre("problem LOAD_HIGH load=9 cores=8 expected=4"));
  facts.devices[0].set_state(v1::DEVICE_STATE_RUNNING);
  EXPECT_THAT(Complaints(facts), ElementsAre("note LOAD_HIGH load=9 cores=8 expected=5"));
  facts.load_average = 4.5;
  EXPECT_THAT(Complaints(facts), IsEmpty());
  v1::Device cpu;
  cpu.set_name("cpu0");
  cpu.set_kind(v1::DEVICE_KIND_CPU);
  cpu.set_cores("0-2,5");
  cpu.set_state(v1::DEVICE_STATE_RUNNING);
  facts.devices.push_back(cpu);
  facts.load_average = 9;
  EXPECT_THAT(Complaints(facts), IsEmpty()) << "1 + 4 of them are ours";
  facts.load_average = 13.5;
  EXPECT_THAT(Complaints(facts), ElementsAre("problem LOAD_HIGH load=13.5 cores=8 expected=9"));
}

TEST(Doctor, AWorkerThatCannotBeStartedIsAProblemBeforeLibTorchIs) {
  EXPECT_EQ(WorkerProblem("/bin/true", ""), "");
  EXPECT_EQ(WorkerProblem("/bin/true", "no LibTorch"), "no LibTorch");
  for (const char* program : {"/nowhere/torchlap-wrker", "/etc/passwd", ""}) {
    EXPECT_EQ(WorkerProblem(program, "no LibTorch"),
              std::string(program) + " is not there or cannot be executed");
  }
}

TEST(Doctor, LittleDiskIsAProblemAndAnotherGovernorANote) {
  MachineFacts facts = Healthy();
  facts.free_bytes = kGib / 2;
  facts.governors = {"performance", "powersave"};
  EXPECT_THAT(Complaints(facts),
              ElementsAre("note GOVERNOR: performance, powersave [performance]",
                          "problem DISK_LOW bytes=536870912 expected=1073741824"));
}

TEST(Doctor, FactsThatAreNotKnownAreNotJudged) {
  MachineFacts facts = Healthy();
  facts.load_average.reset();
  facts.governors.clear();
  facts.free_bytes.reset();
  facts.gpus[0] = {};
  facts.gpus[0].uuid = "GPU-1";
  EXPECT_THAT(Texts(facts), ElementsAre("ok DAEMON: " TORCHLAP_VERSION, "ok TORCH: /opt/torch",
                                        "ok DRIVER: 580.65.06",
                                        "ok cuda:0 DEVICE: NVIDIA A100 bytes=42949672960"));
}

class GatheredFacts : public testing::Test {
 protected:
  MachineFacts Gather(const std::string& machine) {
    machine_.Describe(machine);
    DoctorQuestion question;
    question.nvml_library = TORCHLAP_FAKE_NVML_LIBRARY;
    question.state_folder = machine_.root();
    question.root = machine_.root();
    return LookAtMachine(question);
  }

  host::FakeMachine machine_;
};

TEST_F(GatheredFacts, ComeFromTheDriverAndTheKernel) {
  machine_.AddProcess(4211, "python3", 17);
  machine_.Write("proc/loadavg", "1.50 0.80 0.40 2/512 9999\n");
  machine_.Write("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
  machine_.Write("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n");
  const MachineFacts facts = Gather(
      "gpu GPU-1 40960 A\ntemperature 61\nslowdown-at 92\nprocess 4211 100 compute\nbroken 15\n");
  EXPECT_TRUE(facts.nvml.library.ok());
  ASSERT_EQ(facts.gpus.size(), 1U);
  EXPECT_EQ(facts.gpus[0].uuid, "GPU-1");
  EXPECT_EQ(facts.gpus[0].reading.temperature_celsius(), 61U);
  EXPECT_EQ(facts.gpus[0].slowdown_celsius, 92U);
  ASSERT_EQ(facts.gpus[0].processes.size(), 1U);
  EXPECT_EQ(facts.gpus[0].processes[0].who.name, "python3");
  EXPECT_EQ(facts.nvml.left_out.size(), 1U);
  EXPECT_EQ(facts.load_average, 1.5);
  EXPECT_GE(facts.cores, 1U);
  EXPECT_THAT(facts.governors, ElementsAre("powersave"));
  EXPECT_TRUE(facts.free_bytes.has_value());
  EXPECT_EQ(facts.daemon_pid, ::getpid());
}

TEST(Doctor, SettingsThatAreNotInForceAreProblems) {
  MachineFacts facts = Healthy();
  facts.gpus[0].not_in_force = {"lock_clocks is not in force: needs root or CAP_SYS_ADMIN",
                                "persistence is not in force: this driver cannot set it"};
  EXPECT_THAT(
      Complaints(facts),
      ElementsAre("problem cuda:0 SETTINGS_MISSING: lock_clocks is not in force: needs root or "
                  "CAP_SYS_ADMIN",
                  "problem cuda:0 SETTINGS_MISSING: persistence is not in force: this driver "
                  "cannot set it"));
}

TEST_F(GatheredFacts, HaveWhatCannotBeSetBeforeItIsTried) {
  machine_.Describe("gpu GPU-1 40960 A\npower-limits-mw 100000 400000\n");
  DoctorQuestion question;
  question.nvml_library = TORCHLAP_FAKE_NVML_LIBRARY;
  question.root = machine_.root();
  question.wanted["GPU-1"] = {std::nullopt, 500, std::nullopt};
  const auto lines = [&] { return LookAtMachine(question).gpus.at(0).not_in_force; };
  machine_.Write("proc/self/status", "CapEff:\t0000000000000000\n");
  EXPECT_THAT(lines(),
              ElementsAre("power_limit_watts is not in force: needs root or CAP_SYS_ADMIN"));
  machine_.Write("proc/self/status", "CapEff:\t000001ffffffffff\n");
  EXPECT_THAT(lines(),
              ElementsAre("power_limit_watts is not in force: it is 500, must be 100 to 400"));
  question.not_in_force["GPU-1"] = {"as it was seen"};
  EXPECT_THAT(lines(), ElementsAre("as it was seen"));
  question.wanted.clear();
  EXPECT_THAT(lines(), IsEmpty());
}

TEST_F(GatheredFacts, AreThereWithoutDriverAndWithoutFiles) {
  const MachineFacts facts = Gather("init-error 9\n");
  EXPECT_TRUE(absl::IsUnavailable(facts.nvml.library));
  EXPECT_THAT(facts.gpus, IsEmpty());
  EXPECT_FALSE(facts.load_average.has_value());
  EXPECT_THAT(facts.governors, IsEmpty());
  EXPECT_THAT(Texts(facts),
              Contains("problem DRIVER_FAILED: " TORCHLAP_FAKE_NVML_LIBRARY ": Driver Not Loaded"));
}

}  // namespace
}  // namespace torchlap::rpc
