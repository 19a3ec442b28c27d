// `torchlap doctor`: its words, and the whole command.
#include "client/format/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/program.h"
#include "tests/client/fake_service.h"
#include "tests/client/golden.h"
#include "tests/client/printed.h"

namespace torchlap::client {
namespace {

using format::Format;
using testing::HasSubstr;
using testing::StartsWith;

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
      Make(kOk, v1::FINDING_LOAD, "", "0.25 on 8 cores"),
      Make(kNote, v1::FINDING_LOAD_HIGH, "", "4.50 on 8 cores", "4.0"),
      Make(kNote, v1::FINDING_GOVERNOR, "", "powersave", "performance"),
      Make(kOk, v1::FINDING_DISK, "", "100.0 GiB"),
      Make(kProblem, v1::FINDING_DISK_LOW, "", "512 MiB", "1.0 GiB"),
      Make(kOk, v1::FINDING_DEVICE, "cuda:0", "NVIDIA A100, 40.0 GiB"),
      Make(kOk, v1::FINDING_TEMPERATURE, "cuda:0", "41", "92"),
      Make(kOk, v1::FINDING_TEMPERATURE, "cuda:0", "41"),
      Make(kProblem, v1::FINDING_TEMPERATURE, "cuda:0", "90", "92"),
      Make(kProblem, v1::FINDING_THROTTLED, "cuda:0", "heat (hardware), the power brake"),
      Make(kNote, v1::FINDING_FOREIGN_PROCESS, "cuda:0", "pid 4211 ann python3 11.2 GiB"),
      Make(kNote, v1::FINDING_DEVICE_CLAIMED, "cuda:1", "claimed by pid 812, user ann"),
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
                                 code == v1::FINDING_LOAD;
    const v1::Finding bad = Make(v1::SEVERITY_PROBLEM, code, "", "what", "right");
    EXPECT_EQ(format::RemedyWords(bad).empty(), always_in_order) << codes->value(i)->name();
  }
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

TEST_F(Doctor, ShowsWhatTheDaemonFoundAndExitsWith0EvenWithProblems) {
  DoctorService service;
  EXPECT_EQ(Program({"--address", service.address(), "doctor"}), 0) << err_.str();
  ExpectGolden("doctor.txt", out_.str());
}

TEST_F(Doctor, WithoutADaemonSaysHowToStartOneAndExitsWith3) {
  const TemporaryFolder folder;
  const std::string address = "unix:" + (folder.path() / "x.sock").native();
  EXPECT_EQ(Program({"--address", address, "doctor"}), 3);
  EXPECT_EQ(out_.str(), "problem  machine  no daemon at " + address +
                            " (No such file or directory)\n"
                            "                  do: start one with: torchlapd\n"
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
