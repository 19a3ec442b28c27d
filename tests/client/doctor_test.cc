// `torchlap doctor`: its words, and the whole command.
#include "client/format/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <sstream>

#include "client/program.h"
#include "tests/client/fake_service.h"
#include "tests/client/golden.h"
#include "tests/client/printed.h"

namespace torchlap::client {
namespace {

using format::Format;
using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

constexpr uint64_t kGiB = uint64_t{1} << 30;

v1::Finding Make(v1::Severity severity, v1::FindingCode code, const std::string& device,
                 const std::string& detail, const std::string& expected = "") {
  v1::Finding finding;
  finding.set_severity(severity);
  finding.set_code(code);
  finding.set_device(device);
  finding.set_detail(detail);
  finding.set_expected(expected);
  return finding;
}

v1::Finding Load(v1::Severity severity, v1::FindingCode code, double load) {
  v1::Finding finding = Make(severity, code, "", "");
  finding.set_load(load);
  finding.set_cores(8);
  return finding;
}

v1::Finding Bytes(v1::Severity severity, v1::FindingCode code, uint64_t bytes) {
  v1::Finding finding = Make(severity, code, "", "");
  finding.set_bytes(bytes);
  return finding;
}

v1::Finding Temperature(v1::Severity severity, uint32_t celsius, std::optional<uint32_t> limit) {
  v1::Finding finding = Make(severity, v1::FINDING_TEMPERATURE, "cuda:0", "");
  finding.set_celsius(celsius);
  if (limit) finding.set_expected_celsius(*limit);
  return finding;
}

v1::Finding Throttled(const std::vector<v1::ThrottleCause>& causes) {
  v1::Finding finding = Make(v1::SEVERITY_PROBLEM, v1::FINDING_THROTTLED, "cuda:0", "");
  for (const v1::ThrottleCause cause : causes) finding.add_causes(cause);
  return finding;
}

v1::Finding Process(v1::FindingCode code, const std::string& device, int pid,
                    const std::string& user, const std::string& name) {
  v1::Finding finding = Make(v1::SEVERITY_NOTE, code, device, "");
  finding.mutable_process()->set_pid(pid);
  finding.mutable_process()->set_user(user);
  finding.mutable_process()->set_name(name);
  return finding;
}

v1::Finding HighLoad() {
  v1::Finding finding = Load(v1::SEVERITY_NOTE, v1::FINDING_LOAD_HIGH, 4.5);
  finding.set_expected_load(4);
  return finding;
}

v1::Finding LowDisk() {
  v1::Finding finding = Bytes(v1::SEVERITY_PROBLEM, v1::FINDING_DISK_LOW, kGiB / 2);
  finding.set_expected_bytes(kGiB);
  return finding;
}

v1::Finding Gpu() {
  v1::Finding finding = Make(v1::SEVERITY_OK, v1::FINDING_DEVICE, "cuda:0", "NVIDIA A100");
  finding.set_bytes(40 * kGiB);
  return finding;
}

v1::Finding Python() {
  v1::Finding finding = Process(v1::FINDING_FOREIGN_PROCESS, "cuda:0", 4211, "ann", "python3");
  finding.mutable_process()->set_used_bytes(11 * kGiB + kGiB / 4);
  return finding;
}

// Every code once, as the daemon sends it.
std::vector<v1::Finding> All() {
  constexpr auto kOk = v1::SEVERITY_OK;
  constexpr auto kNote = v1::SEVERITY_NOTE;
  constexpr auto kProblem = v1::SEVERITY_PROBLEM;
  return {
      Make(kOk, v1::FINDING_DAEMON, "", "0.1.0"),
      Make(kOk, v1::FINDING_TORCH, "", "/opt/torch"),
      Make(kOk, v1::FINDING_TORCH, "", ""),
      Make(kProblem, v1::FINDING_TORCH_MISSING, "", "torchlap-worker does not find libtorch_cpu"),
      Make(kOk, v1::FINDING_DRIVER, "", "580.65.06"),
      Make(kNote, v1::FINDING_DRIVER_ABSENT, "", ""),
      Make(kProblem, v1::FINDING_DRIVER_TOO_OLD, "", "535.161", "580"),
      Make(kProblem, v1::FINDING_DRIVER_MISMATCH, "", "Driver/library version mismatch"),
      Make(kProblem, v1::FINDING_DRIVER_FAILED, "", "Driver Not Loaded"),
      Load(kOk, v1::FINDING_LOAD, 0.25),
      HighLoad(),
      Make(kNote, v1::FINDING_GOVERNOR, "", "powersave", "performance"),
      Bytes(kOk, v1::FINDING_DISK, 100 * kGiB),
      LowDisk(),
      Gpu(),
      Temperature(kOk, 41, 92),
      Temperature(kOk, 41, {}),
      Temperature(kProblem, 90, 92),
      Throttled({v1::THROTTLE_HARDWARE_THERMAL, v1::THROTTLE_POWER_BRAKE}),
      Python(),
      Process(v1::FINDING_DEVICE_CLAIMED, "cuda:1", 812, "ann", ""),
      Make(kProblem, v1::FINDING_DEVICE_LOST, "cuda:2", "GPU is lost"),
      Make(kProblem, v1::FINDING_DEVICE_LEFT_OUT, "cuda:3.1", "Insufficient Permissions"),
  };
}

std::string Written(const Format& format, const std::vector<v1::Finding>& findings) {
  return Printed(format, format::ShowFindings(findings));
}

TEST(Findings, AreLinesWithWhatToDoBelow) {
  ExpectGolden("doctor.txt", Written(format::kTable, All()));
}

TEST(Findings, AreObjectsForPrograms) {
  ExpectGolden("doctor.json", Written(format::kJson, All()));
  EXPECT_THAT(
      Written(format::kCsv, All()),
      StartsWith("severity,code,device,detail,expected,finding,remedy\nok,daemon,,0.1.0,,"));
  EXPECT_THAT(Written(format::kMarkdown, All()), StartsWith("| severity | device"));
}

TEST(Findings, ThatAreInOrderAreCountedAsNothingWrong) {
  const v1::Finding ok = Make(v1::SEVERITY_OK, v1::FINDING_DAEMON, "", "0.1.0");
  const v1::Finding note = Make(v1::SEVERITY_NOTE, v1::FINDING_DRIVER_ABSENT, "", "");
  const v1::Finding problem = Make(v1::SEVERITY_PROBLEM, v1::FINDING_DISK_LOW, "", "1 MiB", "1");
  EXPECT_THAT(Written(format::kTable, {ok}), HasSubstr("\nnothing is wrong\n"));
  EXPECT_THAT(Written(format::kTable, {ok, note}), HasSubstr("\nnothing is wrong, 1 note\n"));
  EXPECT_THAT(Written(format::kTable, {problem, problem}), HasSubstr("\n2 problems\n"));
  EXPECT_THAT(Written(format::kTable, {problem, note}), HasSubstr("\n1 problem, 1 note\n"));
}

TEST(Findings, AllHaveWordsAndAllThatComplainSayWhatToDo) {
  const auto* codes = v1::FindingCode_descriptor();
  for (int i = 0; i < codes->value_count(); ++i) {
    const auto code = static_cast<v1::FindingCode>(codes->value(i)->number());
    if (code == v1::FINDING_CODE_UNSPECIFIED) continue;
    const v1::Finding ok = Make(v1::SEVERITY_OK, code, "", "what", "right");
    EXPECT_NE(format::FindingWords(ok), "") << codes->value(i)->name();
    EXPECT_EQ(format::RemedyWords(ok), "") << codes->value(i)->name();
    const bool always_in_order = code == v1::FINDING_TORCH || code == v1::FINDING_DRIVER ||
                                 code == v1::FINDING_DEVICE || code == v1::FINDING_DISK ||
                                 code == v1::FINDING_LOAD || code == v1::FINDING_CANARY;
    const v1::Finding bad = Make(v1::SEVERITY_PROBLEM, code, "", "what", "right");
    EXPECT_EQ(format::RemedyWords(bad).empty(), always_in_order) << codes->value(i)->name();
  }
}

TEST(Findings, WordEveryCauseOfThrottlingThatTheContractHas) {
  const auto* causes = google::protobuf::GetEnumDescriptor<v1::ThrottleCause>();
  std::set<std::string> said;
  for (int i = 0; i < causes->value_count(); ++i) {
    const auto cause = static_cast<v1::ThrottleCause>(causes->value(i)->number());
    said.insert(format::FindingWords(Throttled({cause})));
  }
  EXPECT_EQ(said.size(), static_cast<size_t>(causes->value_count()));
  EXPECT_THAT(said, Contains("its clocks are held down by heat (driver)"));
}

TEST(Findings, NameAProcessAsFarAsItIsKnown) {
  const auto words = [](const std::string& user, const std::string& name, bool only_draws) {
    v1::Finding finding = Process(v1::FINDING_FOREIGN_PROCESS, "cuda:0", 900, user, name);
    finding.mutable_process()->set_only_draws(only_draws);
    return format::FindingWords(finding);
  };
  EXPECT_EQ(words("", "", false), "also used by pid 900");
  EXPECT_EQ(words("root", "Xorg", true), "also used by pid 900 root Xorg (graphics)");
  EXPECT_EQ(format::FindingWords(Process(v1::FINDING_DEVICE_CLAIMED, "cuda:1", 812, "", "")),
            "claimed by pid 812");
}

TEST(Findings, SayHowTheCanaryIs) {
  v1::Finding steady = Make(v1::SEVERITY_OK, v1::FINDING_CANARY, "cuda:0", "");
  steady.set_runs(120);
  steady.set_at_ns(1'793'491'200'000'000'000);
  EXPECT_EQ(format::FindingWords(steady),
            "its canary is steady: 120 runs since 2026-11-01 00:00 (UTC)");
  v1::Finding early = Make(v1::SEVERITY_NOTE, v1::FINDING_CANARY, "cpu0", "1", "5");
  early.set_runs(0);
  early.set_at_ns(1'793'491'200'000'000'000);
  EXPECT_EQ(format::FindingWords(early),
            "its canary: 0 of 5 undisturbed runs yet, 1 disturbed; newest 2026-11-01 00:00 (UTC)");
  early.clear_detail();
  early.set_runs(3);
  EXPECT_EQ(format::FindingWords(early),
            "its canary: 3 of 5 undisturbed runs yet; newest 2026-11-01 00:00 (UTC)");
  early.set_runs(0);
  EXPECT_EQ(format::FindingWords(early),
            "its canary: none of its runs ended well and counts, the newest of 2026-11-01 00:00 "
            "(UTC): torchlap runs --purpose canary --include-invalid");
  EXPECT_EQ(format::RemedyWords(early), "");
  v1::Finding step = Make(v1::SEVERITY_NOTE, v1::FINDING_CANARY_STEP, "cuda:0", "");
  step.set_ratio(1.061);
  step.set_at_ns(1'793'491'200'000'000'000);
  step.set_run_id("17.1");
  EXPECT_EQ(format::FindingWords(step),
            "its own speed changed: the canary takes +6.1 % since 2026-11-01 00:00 (UTC; run 17.1 "
            "is the first), nothing else that torchlap knows of");
  step.set_detail("driver 580.65 -> 580.82");
  step.set_ratio(0.88);
  EXPECT_EQ(format::FindingWords(step),
            "its own speed changed: the canary takes -12 % since 2026-11-01 00:00 (UTC; run 17.1 "
            "is the first), driver 580.65 -> 580.82");
  EXPECT_THAT(format::RemedyWords(step),
              StartsWith("torchlap trend --purpose canary --device cuda:0; "));
}

TEST(Findings, OfOneCoreAreInTheSingular) {
  v1::Finding finding = Load(v1::SEVERITY_OK, v1::FINDING_LOAD, 1.5);
  finding.set_cores(1);
  EXPECT_EQ(format::FindingWords(finding), "load 1.50 on 1 core");
}

TEST(Findings, OfAnOlderDaemonAreShownByItsOwnWords) {
  EXPECT_EQ(format::FindingWords(Make(v1::SEVERITY_OK, v1::FINDING_DISK, "", "100.0 GiB")),
            "100.0 GiB free for the database");
  EXPECT_EQ(
      format::FindingWords(Make(v1::SEVERITY_OK, v1::FINDING_TEMPERATURE, "cuda:0", "41", "92")),
      "41 degrees Celsius, slows down at 92");
}

TEST(Findings, OfANewerDaemonAreShownByTheirFacts) {
  const v1::Finding unknown =
      Make(v1::SEVERITY_NOTE, static_cast<v1::FindingCode>(999), "cuda:0", "something new");
  EXPECT_EQ(Written(format::kTable, {unknown}),
            "note     cuda:0  something new\nnothing is wrong, 1 note\n");
  EXPECT_THAT(Written(format::kJson, {unknown}), HasSubstr("\"code\":\"999\""));
}

class DoctorService : public FakeService {
 public:
  grpc::Status Doctor(grpc::ServerContext*, const v1::DoctorRequest*,
                      v1::DoctorResponse* response) override {
    for (const v1::Finding& finding : All()) *response->add_findings() = finding;
    return grpc::Status::OK;
  }
};

class Doctor : public testing::Test {
 protected:
  int Program(const std::vector<std::string>& words) {
    Console console;
    console.out = &out_;
    console.err = &err_;
    return RunProgram(words, console);
  }

  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(Doctor, ShowsWhatTheDaemonFoundAndExitsWith2AsThereAreProblems) {
  DoctorService service;
  EXPECT_EQ(Program({"--address", service.address(), "doctor"}), 2) << err_.str();
  ExpectGolden("doctor.txt", out_.str());
}

TEST_F(Doctor, WithoutADaemonSaysHowToStartOneAndExitsWith3) {
  const TemporaryFolder folder;
  const std::string address = "unix:" + (folder.path() / "x.sock").native();
  EXPECT_EQ(Program({"--address", address, "doctor"}), 3);
  EXPECT_EQ(out_.str(), "problem  machine  no daemon at " + address +
                            " (No such file or directory)\n"
                            "                  do: start one with: torchlapd --socket " +
                            (folder.path() / "x.sock").native() +
                            "\n"
                            "1 problem\n");
  EXPECT_EQ(err_.str(), "");
}

TEST_F(Doctor, WithoutADaemonIsAnObjectForPrograms) {
  const TemporaryFolder folder;
  const std::string address = "unix:" + (folder.path() / "x.sock").native();
  EXPECT_EQ(Program({"--address", address, "doctor", "--format", "json"}), 3);
  EXPECT_THAT(out_.str(), StartsWith("[\n  {\"severity\":\"problem\",\"code\":\"daemon\","));
}

TEST_F(Doctor, OfADaemonThatKnowsNoDoctorIsRefused) {
  FakeService old;
  EXPECT_EQ(Program({"--address", old.address(), "doctor"}), 4);
}

}  // namespace
}  // namespace torchlap::client
