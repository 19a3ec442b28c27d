#include "client/format/digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "client/format/findings.h"
#include "client/format/width.h"
#include "client/format/words.h"
#include "client/time_words.h"
#include "proto/base/visible_text.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

constexpr size_t kColumns = 80;
// With the other lines 23 at most, and the prompt.
constexpr int kMostFindings = 4;
constexpr size_t kMostLinesAbove = 2;
constexpr int64_t kDayNs = int64_t{24} * 3600 * 1'000'000'000;
// Fewer days are too few points of a line in time.
constexpr int64_t kFewestTrendDays = 7;

using Parts = std::vector<std::string>;

std::string Duration(int64_t ns) { return ShortDuration(std::chrono::nanoseconds(ns)); }

// One column a character. What is longer than a line is cut.
std::string Cut(const std::string& text) {
  constexpr size_t kMost = 60;
  const std::string visible = Visible(text);
  if (DisplayWidth(visible) <= kMost) return visible;
  size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(visible[end]) & 0xC0) == 0x80) --end;
  return visible.substr(0, end) + "...";
}

// As many parts as the lines have room for, and how many more there are. Nothing for no parts.
Lines Section(const std::string& name, Parts parts, size_t most_lines) {
  for (std::string& part : parts) part = Cut(part);
  const size_t all = parts.size();
  Lines lines = Wrapped(name, parts, kColumns);
  for (size_t shown = all; lines.size() > most_lines && shown > 1;) {
    parts.resize(--shown);
    parts.push_back(fmt::format("{} more", all - shown));
    lines = Wrapped(name, parts, kColumns);
    parts.pop_back();
  }
  return lines;
}

uint64_t AllRuns(const v1::GetDigestResponse& response) {
  uint64_t runs = 0;
  for (const v1::DigestOutcome& outcome : response.outcomes()) runs += outcome.runs();
  return runs;
}

uint64_t ContaminatedRuns(const v1::GetDigestResponse& response) {
  uint64_t runs = 0;
  for (const v1::DigestUser& user : response.users()) runs += user.contaminated_runs();
  return runs;
}

Lines Head(const v1::GetDigestResponse& response) {
  std::string line = fmt::format("since {} UTC: {} started", UtcMinute(response.since_ns()),
                                 Counted(AllRuns(response), "run"));
  line += fmt::format(", {} submitted", Counted(response.sweeps(), "sweep"));
  return {line, fmt::format("now: {}, {}", Counted(response.running_jobs(), "job") + " running",
                            std::to_string(response.queued_jobs()) + " queued")};
}

Parts Outcomes(const v1::GetDigestResponse& response) {
  // Runs that ended otherwise have no verdict.
  const uint64_t contaminated = ContaminatedRuns(response);
  Parts parts;
  for (const v1::DigestOutcome& outcome : response.outcomes()) {
    std::string& part =
        parts.emplace_back(fmt::format("{} {}", outcome.runs(), OutcomeName(outcome.outcome())));
    if (outcome.outcome() == v1::OUTCOME_OK && contaminated > 0) {
      part += fmt::format(" ({} contaminated)", contaminated);
    }
  }
  return parts;
}

std::string UserText(const v1::DigestUser& user) {
  std::string text = fmt::format("{} {} ({}", user.user(), Duration(user.device_ns()),
                                 Counted(user.runs(), "run"));
  if (user.failed_runs() > 0) text += fmt::format("; {} not OK", user.failed_runs());
  if (user.contaminated_runs() > 0) {
    text += fmt::format("; {} contaminated", user.contaminated_runs());
  }
  return text + ")";
}

Parts Users(const v1::GetDigestResponse& response) {
  Parts parts;
  for (const v1::DigestUser& user : response.users()) parts.push_back(UserText(user));
  return parts;
}

Parts Devices(const v1::GetDigestResponse& response) {
  Parts parts;
  for (const v1::DigestDevice& device : response.devices()) {
    parts.push_back(fmt::format("{} {} ({})", device.device(), Duration(device.busy_ns()),
                                Counted(device.runs(), "run")));
  }
  return parts;
}

Parts Disturbers(const v1::GetDigestResponse& response) {
  Parts parts;
  for (const v1::DigestDisturber& disturber : response.disturbers()) {
    parts.push_back(fmt::format("{} in {}", disturber.process(), Counted(disturber.runs(), "run")));
  }
  return parts;
}

Parts Changes(const v1::GetDigestResponse& response) {
  Parts parts;
  for (const v1::EnvironmentChange& change : response.changes())
    parts.push_back(ChangeText(change));
  return parts;
}

std::string FindingsHead(const v1::GetDigestResponse& response) {
  const auto& findings = response.findings();
  Parts parts;
  for (const auto state : {v1::CELL_FINDING_NEW, v1::CELL_FINDING_CONFIRMED,
                           v1::CELL_FINDING_IGNORED, v1::CELL_FINDING_FIXED}) {
    const auto count = std::count_if(findings.begin(), findings.end(),
                                     [state](const auto& one) { return one.state() == state; });
    if (count > 0) parts.push_back(fmt::format("{} {}", count, Word(state)));
  }
  std::string line = fmt::format("findings: {}", fmt::join(parts, ", "));
  if (findings.size() > kMostFindings) {
    line += fmt::format("; the newest {}, all of them: torchlap findings --all", kMostFindings);
  }
  return line;
}

std::vector<Block> NewestFindings(const v1::GetDigestResponse& response) {
  auto newest = response.findings();
  if (newest.size() > kMostFindings) {
    newest.DeleteSubrange(kMostFindings, newest.size() - kMostFindings);
  }
  return ShortFindingBlocks(newest, kMostLinesAbove);
}

// Empty of less than a day.
Lines TrendLine(const v1::GetDigestResponse& response) {
  const int64_t days = (response.until_ns() - response.since_ns() + kDayNs / 2) / kDayNs;
  if (response.until_ns() - response.since_ns() < kDayNs) return {};
  return {
      fmt::format("changes in time: torchlap trend --since {}d", std::max(days, kFewestTrendDays))};
}

void Append(const Lines& more, Lines* lines) {
  lines->insert(lines->end(), more.begin(), more.end());
}

std::vector<Block> Blocks(const v1::GetDigestResponse& response) {
  Lines lines = Head(response);
  Append(Section("runs:", Outcomes(response), 2), &lines);
  Append(Section("users:", Users(response), 3), &lines);
  Append(Section("devices:", Devices(response), 2), &lines);
  Append(Section("disturbed by:", Disturbers(response), 2), &lines);
  Append(Section("changed:", Changes(response), 2), &lines);
  if (response.findings().empty()) {
    lines.emplace_back("findings: none opened or closed");
    Append(TrendLine(response), &lines);
    return {lines};
  }
  lines.push_back(FindingsHead(response));
  std::vector<Block> blocks = {lines};
  for (Block& block : NewestFindings(response)) blocks.push_back(std::move(block));
  if (Lines trend = TrendLine(response); !trend.empty()) blocks.emplace_back(std::move(trend));
  return blocks;
}

}  // namespace

Document ShowDigest(const v1::GetDigestResponse& response) {
  Document document;
  document.blocks = [response] { return Blocks(response); };
  document.object = DigestObject(response);
  return document;
}

}  // namespace torchlap::client::format
