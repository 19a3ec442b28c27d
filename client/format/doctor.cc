#include "client/format/doctor.h"

#include <fmt/format.h>

#include <algorithm>

#include "client/format/numbers.h"
#include "client/format/words.h"
#include "client/run_command.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

constexpr char kMachine[] = "machine";

// The words of a code. `{0}` is what was found, `{1}` what would be right, `{2}` the same in a
// command, `{3}` the device in one.
struct Wording {
  v1::FindingCode code;
  const char* finding;
  const char* remedy;
};

constexpr Wording kWordings[] = {
    {v1::FINDING_DAEMON, "torchlapd {0} answers", "{1}"},
    {v1::FINDING_TORCH, "LibTorch in {0}", ""},
    {v1::FINDING_TORCH_MISSING, "no job can run: {0}",
     "start torchlapd with --torch DIR, the torch folder of an unpacked wheel, and with its worker "
     "beside it"},
    {v1::FINDING_DRIVER, "NVIDIA driver {0}", ""},
    {v1::FINDING_DRIVER_ABSENT, "no NVIDIA driver, so no CUDA devices",
     "if this machine has an NVIDIA GPU, install its driver and start torchlapd again"},
    {v1::FINDING_DRIVER_TOO_OLD, "NVIDIA driver {0} is too old for CUDA 13: needs {1} or newer",
     "install NVIDIA driver {1} or newer and start torchlapd again"},
    {v1::FINDING_DRIVER_MISMATCH, "NVIDIA's library and kernel module do not match: {0}",
     "the driver was upgraded while it was loaded: reboot, or load the nvidia modules anew"},
    {v1::FINDING_DRIVER_FAILED, "the NVIDIA driver does not answer: {0}",
     "run nvidia-smi: it must work first; then start torchlapd again"},
    {v1::FINDING_DEVICE, "{0}", ""},
    {v1::FINDING_DEVICE_LOST, "lost: {0}",
     "`dmesg | grep -i xid` tells why; reset the GPU or reboot, and start torchlapd again"},
    {v1::FINDING_DEVICE_LEFT_OUT, "cannot be used: {0}",
     "mend the reason and start torchlapd again"},
    {v1::FINDING_DEVICE_CLAIMED, "{0}",
     "nothing: jobs wait until that daemon ends; to use it now, ask its user"},
    {v1::FINDING_TEMPERATURE, "{0} degrees Celsius, slows down at {1}",
     "let it cool down, and look at its fans and the air around it"},
    {v1::FINDING_THROTTLED, "its clocks are held down by {0}",
     "`nvidia-smi -q -d PERFORMANCE,POWER,TEMPERATURE` tells more; look at cooling and power"},
    {v1::FINDING_FOREIGN_PROCESS, "also used by {0}",
     "ask its user or wait: runs are marked contaminated while it computes"},
    {v1::FINDING_SETTINGS_MISSING, "{0}",
     "start torchlapd as root or with CAP_SYS_ADMIN, mend the key in torchlapd.toml or take it "
     "out: runs say settings-missing until then"},
    {v1::FINDING_CANARY, "its canary is steady: {0}", ""},
    {v1::FINDING_CANARY_STEP, "its own speed changed: {0}",
     "torchlap trend --purpose canary --device {3}; a difference between runs from before and from "
     "after may be the machine's"},
    {v1::FINDING_DISK, "{0} free for the database", ""},
    {v1::FINDING_DISK_LOW, "{0} free for the database, should be {1}",
     "free some space, or set state_folder in torchlapd.toml to another disk"},
    {v1::FINDING_STATE_LOST, "{0}: new jobs are refused, and what is stored now will be lost",
     "keep what is needed with `torchlap export`, then restart torchlapd"},
    {v1::FINDING_NOT_STORED, "{0}",
     "mend the reason: free some space, or let the daemon write its database; it tries again"},
    {v1::FINDING_LOAD, "load {0}", ""},
    {v1::FINDING_LOAD_HIGH, "load {0}, should be below {1}",
     "wait until the host is quiet: `top` shows who works"},
    {v1::FINDING_GOVERNOR, "clocks of the CPU follow `{0}`, should be `{1}`",
     "sudo cpupower frequency-set -g {2}"},
};

const Wording* WordingOf(v1::FindingCode code) {
  const auto found = std::find_if(std::begin(kWordings), std::end(kWordings),
                                  [code](const Wording& wording) { return wording.code == code; });
  return found == std::end(kWordings) ? nullptr : found;
}

std::string Amount(uint64_t bytes) {
  const double mebibytes = static_cast<double>(bytes) / (1 << 20);
  return mebibytes < 1000 ? fmt::format("{:.0f} MiB", mebibytes)
                          : fmt::format("{:.1f} GiB", mebibytes / 1024);
}

const char* CauseWords(int cause) {
  switch (cause) {
    case v1::THROTTLE_HARDWARE_THERMAL:
      return "heat (hardware)";
    case v1::THROTTLE_DRIVER_THERMAL:
      return "heat (driver)";
    case v1::THROTTLE_POWER_BRAKE:
      return "the power brake";
    case v1::THROTTLE_HARDWARE:
      return "a hardware slowdown";
    case v1::THROTTLE_POWER_LIMIT:
      return "its power limit";
    default:
      return "a cause that this program does not know";
  }
}

std::string CausesText(const v1::Finding& finding) {
  std::string text;
  for (const int cause : finding.causes()) {
    text += (text.empty() ? "" : ", ") + std::string(CauseWords(cause));
  }
  return text;
}

// `pid 4211 ann python3 11.2 GiB (graphics)`, as far as it is known.
std::string ProcessText(const v1::ProcessUse& process) {
  std::string text = fmt::format("pid {}", process.pid());
  if (!process.user().empty()) text += " " + process.user();
  if (!process.name().empty()) text += " " + process.name();
  if (process.has_used_bytes()) text += " " + Amount(process.used_bytes());
  return process.only_draws() ? text + " (graphics)" : text;
}

std::string ClaimText(const v1::ProcessUse& process) {
  const std::string user = process.user().empty() ? "" : ", user " + process.user();
  return fmt::format("claimed by pid {}{}", process.pid(), user);
}

std::string LoadText(const v1::Finding& finding) {
  return fmt::format("{:.2f} on {} {}", finding.load(), finding.cores(),
                     finding.cores() == 1 ? "core" : "cores");
}

// `the canary takes +6.1 % since 2026-01-31 12:00 (UTC; run 17.1 is the first), driver 580.65 ->
// 580.82`.
std::string StepText(const v1::Finding& finding) {
  const std::string first =
      finding.run_id().empty() ? "" : fmt::format("; run {} is the first", finding.run_id());
  const std::string changes =
      finding.detail().empty() ? "nothing else that torchlap knows of" : finding.detail();
  return fmt::format("the canary takes {} since {} (UTC{}), {}", SignedPercent(finding.ratio() - 1),
                     UtcMinute(finding.at_ns()), first, changes);
}

// Of a canary that has run too seldom to tell a step.
bool IsEarlyCanary(const v1::Finding& finding) {
  return finding.code() == v1::FINDING_CANARY && finding.severity() == v1::SEVERITY_NOTE;
}

// `0 of 5 undisturbed runs yet, 1 disturbed; newest 2026-01-31 16:08 (UTC)`. Where even disturbed
// ones are none, all failed or were declared invalid.
std::string EarlyCanaryText(const v1::Finding& finding) {
  if (finding.runs() == 0 && finding.detail().empty()) {
    return fmt::format(
        "none of its runs ended well and counts, the newest of {} (UTC): torchlap runs --purpose "
        "canary --include-invalid",
        UtcMinute(finding.at_ns()));
  }
  const std::string disturbed =
      finding.detail().empty() ? "" : fmt::format(", {} disturbed", finding.detail());
  return fmt::format("{} of {} undisturbed runs yet{}; newest {} (UTC)", finding.runs(),
                     finding.expected(), disturbed, UtcMinute(finding.at_ns()));
}

// What was found: the numbers of the finding, else its detail.
std::string DetailText(const v1::Finding& finding) {
  if (finding.has_load()) return LoadText(finding);
  if (finding.has_celsius()) return std::to_string(finding.celsius());
  if (finding.causes_size() > 0) return CausesText(finding);
  if (IsEarlyCanary(finding)) return EarlyCanaryText(finding);
  if (finding.has_ratio()) return StepText(finding);
  if (finding.has_runs()) {
    return fmt::format("{} since {} (UTC)", Counted(finding.runs(), "run"),
                       UtcMinute(finding.at_ns()));
  }
  if (finding.has_process()) {
    const bool is_claim = finding.code() == v1::FINDING_DEVICE_CLAIMED;
    return is_claim ? ClaimText(finding.process()) : ProcessText(finding.process());
  }
  if (!finding.has_bytes()) return finding.detail();
  const std::string before = finding.detail().empty() ? "" : finding.detail() + ", ";
  return before + Amount(finding.bytes());
}

std::string ExpectedText(const v1::Finding& finding) {
  if (finding.has_expected_load()) return fmt::format("{:.1f}", finding.expected_load());
  if (finding.has_expected_celsius()) return std::to_string(finding.expected_celsius());
  return finding.has_expected_bytes() ? Amount(finding.expected_bytes()) : finding.expected();
}

std::string Fill(const char* words, const v1::Finding& finding) {
  const std::string expected = ExpectedText(finding);
  return fmt::format(fmt::runtime(words), DetailText(finding), expected, ShellWord(expected),
                     ShellWord(finding.device()));
}

// `driver-too-old`; of a newer daemon's code its number.
std::string CodeWord(v1::FindingCode code) {
  std::string name = v1::FindingCode_Name(code);
  if (name.empty()) return std::to_string(code);
  name.erase(0, std::string("FINDING_").size());
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c == '_' ? '-' : static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  return name;
}

std::string Subject(const v1::Finding& finding) {
  return finding.device().empty() ? kMachine : finding.device();
}

std::string Summary(const std::vector<v1::Finding>& findings) {
  const auto with = [&findings](v1::Severity severity) {
    return static_cast<size_t>(std::count_if(
        findings.begin(), findings.end(),
        [severity](const v1::Finding& finding) { return finding.severity() == severity; }));
  };
  const size_t problems = with(v1::SEVERITY_PROBLEM);
  const size_t notes = with(v1::SEVERITY_NOTE);
  if (problems == 0 && notes == 0) return "nothing is wrong";
  if (problems == 0) return "nothing is wrong, " + Counted(notes, "note");
  return notes == 0 ? Counted(problems, "problem")
                    : Counted(problems, "problem") + ", " + Counted(notes, "note");
}

Checklist ListForPeople(const std::vector<v1::Finding>& findings) {
  Checklist list;
  for (const v1::Finding& finding : findings) {
    list.items.push_back({std::string(Word(finding.severity())), Subject(finding),
                          FindingWords(finding), RemedyWords(finding)});
  }
  list.summary = Summary(findings);
  return list;
}

Value TextOrUnknown(const std::string& text) {
  if (text.empty()) return {};
  return text;
}

Sheet ListForPrograms(const std::vector<v1::Finding>& findings) {
  Sheet sheet;
  sheet.names = {"severity", "code", "device", "detail", "expected", "finding", "remedy"};
  for (const v1::Finding& finding : findings) {
    sheet.rows.push_back({std::string(Word(finding.severity())), CodeWord(finding.code()),
                          TextOrUnknown(finding.device()), TextOrUnknown(DetailText(finding)),
                          TextOrUnknown(ExpectedText(finding)), FindingWords(finding),
                          TextOrUnknown(RemedyWords(finding))});
  }
  return sheet;
}

}  // namespace

std::string FindingWords(const v1::Finding& finding) {
  const Wording* wording = WordingOf(finding.code());
  // A newer daemon has codes that this program does not know; and where nobody answers there is no
  // version to tell.
  const bool has_no_words = wording == nullptr || (finding.code() == v1::FINDING_DAEMON &&
                                                   finding.severity() == v1::SEVERITY_PROBLEM);
  if (has_no_words) return DetailText(finding);
  if (finding.code() == v1::FINDING_TORCH && finding.detail().empty()) {
    return "LibTorch where torchlap-worker looks for it";
  }
  if (finding.code() == v1::FINDING_TEMPERATURE && ExpectedText(finding).empty()) {
    return DetailText(finding) + " degrees Celsius";
  }
  if (IsEarlyCanary(finding)) return "its canary: " + DetailText(finding);
  return Fill(wording->finding, finding);
}

std::string RemedyWords(const v1::Finding& finding) {
  const Wording* wording = WordingOf(finding.code());
  if (wording == nullptr || finding.severity() == v1::SEVERITY_OK) return "";
  return Fill(wording->remedy, finding);
}

Document ShowFindings(const std::vector<v1::Finding>& findings) {
  Document document;
  document.blocks = [findings] { return std::vector<Block>{ListForPeople(findings)}; };
  document.rows = RowsOf(ListForPrograms(findings));
  return document;
}

}  // namespace torchlap::client::format
