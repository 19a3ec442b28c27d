#include "client/format/doctor.h"

#include <algorithm>

#include "client/commands/commands.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"

namespace torchlap::client {
namespace {

absl::Status Write(const std::vector<v1::Finding>& findings, const Output& output,
                   const Invocation& invocation) {
  return WriteOutput(output, invocation.console, format::ShowFindings(findings));
}

// `no daemon at unix:/x (Connection refused); start one with: torchlapd`: the second half is the
// remedy.
v1::Finding NobodyAnswers(const absl::Status& status) {
  v1::Finding finding;
  finding.set_severity(v1::SEVERITY_PROBLEM);
  finding.set_code(v1::FINDING_DAEMON);
  const std::string line = OneLine(status);
  const size_t advice = line.find("; ");
  finding.set_detail(line.substr(0, advice));
  if (advice != std::string::npos) finding.set_expected(line.substr(advice + 2));
  return finding;
}

}  // namespace

absl::StatusOr<int> Execute(const DoctorOptions& options, const Invocation& invocation) {
  auto output = ChooseOutput(options.output, format::Content::kList);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) {
    const absl::Status written = Write({NobodyAnswers(channel.status())}, *output, invocation);
    return written.ok() ? absl::StatusOr<int>(kExitUnavailable) : written;
  }
  auto response = (*channel)->Doctor();
  if (!response.ok()) return response.status();
  const absl::Status written =
      Write({response->findings().begin(), response->findings().end()}, *output, invocation);
  if (!written.ok()) return written;
  const auto& findings = response->findings();
  const bool is_well = std::none_of(
      findings.begin(), findings.end(),
      [](const v1::Finding& finding) { return finding.severity() == v1::SEVERITY_PROBLEM; });
  return is_well ? kExitOk : kExitProblemFound;
}

}  // namespace torchlap::client
