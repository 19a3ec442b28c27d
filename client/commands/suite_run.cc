#include "client/commands/suite_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/close_names.h"
#include "client/commands/compare_words.h"
#include "client/commands/followed_sweep.h"
#include "client/commands/known_already.h"
#include "client/commands/results.h"
#include "client/commands/submission.h"
#include "client/exit_code.h"
#include "client/filter_flags.h"
#include "client/format/compare.h"
#include "client/format/forecast.h"
#include "client/format/subject.h"
#include "client/format/submitted.h"
#include "client/interrupts.h"
#include "client/parse_words.h"
#include "client/run_command.h"
#include "client/selector.h"
#include "client/suite_file.h"
#include "client/time_words.h"

namespace torchlap::client {
namespace {

// What else there is to say of sweeps stands in the file.
absl::StatusOr<SuiteFile> ReadAlone(const SweepWords& words, const KnownWords& known) {
  if (known.reuse) {
    return Invalid(
        fmt::format("--reuse is {} beside --file, must be without it: a suite runs all "
                    "of its cells",
                    *known.reuse));
  }
  SweepWords others = words;
  others.file.reset();
  if (others != SweepWords()) {
    return Invalid(fmt::format(
        "--file is {} beside other flags of sweeps, must be alone: they are keys of the file",
        *words.file));
  }
  auto suite = ReadSuiteFile(*words.file);
  if (!suite.ok()) return suite;
  if (absl::Status compared = CheckComparisons(*suite); !compared.ok()) return compared;
  return suite;
}

bool IsCompared(const FileSweep& sweep) { return sweep.baseline || sweep.by; }

// What `torchlap compare` is told of a sweep that has run as `sweep:ID`.
CompareOptions ToCompare(const FileSweep& sweep, const std::optional<std::string>& baseline,
                         const std::string& selector) {
  CompareOptions options;
  if (baseline) options.operands.push_back(FilterText(*baseline));
  options.operands.push_back(selector);
  options.by = sweep.by;
  return options;
}

// The same as a command for a shell.
std::string CompareCommand(const CompareOptions& options) {
  std::string command = "torchlap compare";
  for (const std::string& operand : options.operands) command += " " + ShellWord(operand);
  if (options.by) command += " --by " + ShellWord(*options.by);
  return command;
}

std::vector<uint64_t> IdsOf(const std::vector<v1::SubmitJobsResponse>& submitted) {
  std::vector<uint64_t> ids;
  for (const v1::SubmitJobsResponse& one : submitted) ids.push_back(one.sweep_id());
  return ids;
}

// Half a suite is nobody's wish: what was submitted of it is cancelled.
absl::StatusOr<std::vector<v1::SubmitJobsResponse>> SubmitAll(const SuiteFile& suite,
                                                              const Console& console,
                                                              DaemonChannel* channel) {
  std::vector<v1::SubmitJobsResponse> submitted;
  for (const FileSweep& sweep : suite.sweeps) {
    auto one = SubmitOnce(sweep.request, channel);
    if (!one.ok()) {
      CancelSweeps(IdsOf(submitted), console, channel);
      return absl::Status(one.status().code(),
                          suite.Placed(sweep, std::string(one.status().message())));
    }
    submitted.push_back(*std::move(one));
  }
  return submitted;
}

// `main (sweep:3)` above the rest.
Adapt Headed(const std::string& heading) {
  return [heading](format::Document document) {
    if (document.blocks) {
      document.blocks = [heading, blocks = std::move(document.blocks)] {
        std::vector<format::Block> all = blocks();
        all.insert(all.begin(), format::Lines{heading});
        return all;
      };
    }
    if (document.paragraphs) {
      document.paragraphs = [heading, paragraphs = std::move(document.paragraphs)] {
        std::vector<format::Lines> all = paragraphs();
        all.insert(all.begin(), format::Lines{heading});
        return all;
      };
    }
    return document;
  };
}

// The format of the table where it can write a comparison, else the first that can.
Output ComparisonOutput(const Output& output) {
  if (output.format->contents.Has(format::Content::kResult)) return output;
  return Output{};
}

// What a cell has of an axis of `compare --by`; of an axis that cannot be told before it ran what
// every cell has.
std::string ValueOn(const std::string& axis, const v1::JobSpec& job) {
  const format::Subject subject = format::SubjectOf(job.workload());
  if (axis == "precision") return subject.precision;
  if (axis == "attention") return subject.attention;
  if (axis == "optimizer") return subject.optimizer;
  if (axis == "batch") return std::to_string(subject.batch_size);
  if (axis == "context") return std::to_string(subject.context_length);
  if (axis == "size") return subject.name;
  return "";
}

bool IsToldBefore(const std::string& axis) {
  return axis == "precision" || axis == "attention" || axis == "optimizer" || axis == "batch" ||
         axis == "context" || axis == "size";
}

bool MayDiffer(const FileSweep& sweep, const std::string& axis) {
  const auto& jobs = sweep.request.jobs();
  if (jobs.size() < 2 || !IsToldBefore(axis)) return jobs.size() > 1;
  const std::string first = ValueOn(axis, jobs[0]);
  return std::any_of(jobs.begin(), jobs.end(),
                     [&](const v1::JobSpec& job) { return ValueOn(axis, job) != first; });
}

// Without a baseline the cells of the sweep are compared with each other.
absl::Status CheckWithin(const SuiteFile& suite, const FileSweep& sweep) {
  const std::string axis = sweep.by->substr(0, sweep.by->find('='));
  if (sweep.baseline || MayDiffer(sweep, axis)) return absl::OkStatus();
  return Invalid(suite.Placed(
      sweep,
      fmt::format("by is {} without a baseline, which compares cells of the sweep with each other: "
                  "none differs in {}, must have a baseline",
                  *sweep.by, axis),
      "by"));
}

bool IsOfFile(const SuiteFile& suite, const std::string& selector) {
  return std::any_of(suite.sweeps.begin(), suite.sweeps.end(),
                     [&](const FileSweep& sweep) { return selector == "sweep:" + sweep.name(); });
}

// Empty, too, where they cannot be asked for: they are a hint.
std::vector<std::string> SweepsThatThereAre(const SuiteFile& suite, DaemonChannel* channel) {
  constexpr uint32_t kNewest = 1000;
  std::vector<std::string> names;
  for (const FileSweep& sweep : suite.sweeps) names.push_back("sweep:" + sweep.name());
  v1::ListSweepsRequest request;
  request.set_page_size(kNewest);
  const auto stored = channel->ListSweeps(request);
  if (!stored.ok()) return names;
  for (const v1::Sweep& sweep : stored->sweeps()) {
    if (!sweep.name().empty()) names.push_back("sweep:" + sweep.name());
  }
  return names;
}

absl::Status CheckBaselineIsThere(const SuiteFile& suite, const FileSweep& sweep,
                                  DaemonChannel* channel) {
  if (!sweep.baseline || IsOfFile(suite, *sweep.baseline)) return absl::OkStatus();
  const auto selection = ParseSelectors({*sweep.baseline});
  if (!selection.ok()) return selection.status();
  const v1::Selector& selector = selection->selector;
  if (selector.sweep_names().empty() && selector.sweep_ids().empty()) return absl::OkStatus();
  v1::ListRunsRequest request;
  *request.mutable_filter()->mutable_selector() = selector;
  request.set_page_size(1);
  const absl::Status status = channel->ListRuns(request).status();
  if (status.ok()) return status;
  if (!absl::IsNotFound(status)) {
    return {status.code(), suite.Placed(sweep, std::string(status.message()), "baseline")};
  }
  return Invalid(suite.Placed(
      sweep,
      fmt::format("baseline is {}, which is neither in this file nor stored{}", *sweep.baseline,
                  CloseNames(*sweep.baseline, SweepsThatThereAre(suite, channel))),
      "baseline"));
}

class Report {
 public:
  Report(const SuiteFile& suite, std::vector<v1::SubmitJobsResponse> submitted,
         const Output& output, const Console& console, DaemonChannel* channel)
      : suite_(suite),
        submitted_(std::move(submitted)),
        output_(output),
        console_(console),
        channel_(channel) {
    for (size_t i = 0; i < submitted_.size(); ++i) {
      ids_[suite_.sweeps[i].name()] = submitted_[i].sweep_id();
    }
  }

  // What could be printed has been; the first error.
  absl::Status Print() const {
    const bool is_for_people = output_.format->rows == v1::ROW_KIND_CELL;
    if (!is_for_people || !output_.file.empty()) return PrintAtOnce();
    absl::Status first;
    for (size_t i = 0; i < submitted_.size(); ++i) {
      if (i > 0) *console_.out << '\n';
      first.Update(PrintOne(suite_.sweeps[i], submitted_[i].sweep_id()));
    }
    return first;
  }

 private:
  absl::Status PrintAtOnce() const {
    v1::RunFilter filter;
    for (const v1::SubmitJobsResponse& one : submitted_) {
      filter.mutable_selector()->add_sweep_ids(one.sweep_id());
    }
    absl::Status printed = PrintResultsAndTable(filter, output_, console_, channel_);
    if (!printed.ok()) return printed;
    for (const FileSweep& sweep : suite_.sweeps) {
      if (!IsCompared(sweep)) continue;
      SayLine(console_,
              fmt::format("compare {}: {}", sweep.name(), CompareCommand(OptionsOf(sweep))));
    }
    return absl::OkStatus();
  }

  absl::Status PrintOne(const FileSweep& sweep, uint64_t sweep_id) const {
    v1::RunFilter filter;
    *filter.mutable_selector() = SweepSelector(sweep_id);
    absl::Status printed =
        PrintResults(filter, output_, console_, channel_,
                     Headed(fmt::format("{} (sweep:{})", sweep.name(), sweep_id)));
    if (!printed.ok() || !IsCompared(sweep)) return printed;
    absl::Status compared = Compare(OptionsOf(sweep));
    if (compared.ok()) return compared;
    return {compared.code(), suite_.Placed(sweep, std::string(compared.message()))};
  }

  // `sweep:main` of this file is the one that was just run.
  CompareOptions OptionsOf(const FileSweep& sweep) const {
    std::optional<std::string> baseline = sweep.baseline;
    for (const auto& [name, id] : ids_) {
      if (sweep.baseline == "sweep:" + name) baseline = fmt::format("sweep:{}", id);
    }
    return ToCompare(sweep, baseline, fmt::format("sweep:{}", ids_.at(sweep.name())));
  }

  // An empty line parts it from the table above.
  absl::Status Compare(const CompareOptions& options) const {
    const auto words = ParseCompare(options, UnixNowNs());
    if (!words.ok()) return words.status();
    const auto response = channel_->CompareRuns(words->request);
    if (!response.ok()) return response.status();
    if (response->cells().empty()) {
      return absl::NotFoundError(
          fmt::format("no run of {} matches", fmt::join(options.operands, " and ")));
    }
    format::Comparison comparison = client::ComparisonOf(*words);
    comparison.command = CompareCommand(options);
    for (const v1::ComparedCell& cell : response->cells()) comparison.cells.push_back({cell});
    *console_.out << '\n';
    const Output output = ComparisonOutput(output_);
    return WriteOutput(output, console_,
                       format::ShowComparison(comparison, IsTerminalTable(output, console_)));
  }

  const SuiteFile& suite_;
  const std::vector<v1::SubmitJobsResponse> submitted_;
  const Output& output_;
  const Console& console_;
  DaemonChannel* const channel_;
  std::map<std::string, uint64_t> ids_;  // by the sweeps' names
};

using Forecasts = std::vector<format::SweepForecast>;

absl::StatusOr<Forecasts> AskForAll(const SuiteFile& suite, DaemonChannel* channel) {
  if (absl::Status there = CheckBaselinesAreThere(suite, channel); !there.ok()) return there;
  Forecasts forecasts;
  for (const FileSweep& sweep : suite.sweeps) {
    auto forecast = ForecastCells(sweep.request, /*since_ns=*/0, channel);
    if (!forecast.ok()) {
      return absl::Status(forecast.status().code(),
                          suite.Placed(sweep, std::string(forecast.status().message())));
    }
    forecasts.push_back({sweep.name(), *std::move(forecast)});
  }
  return forecasts;
}

absl::StatusOr<Forecasts> ForecastsOrCells(const SuiteFile& suite, const Invocation& invocation) {
  absl::StatusOr<Forecasts> forecasts;
  auto channel = DaemonChannel::Open(invocation.address);
  if (channel.ok()) {
    forecasts = AskForAll(suite, channel->get());
  } else {
    forecasts = channel.status();
  }
  if (!absl::IsUnavailable(forecasts.status())) return forecasts;
  SayLine(invocation.console, NothingKnownLine(forecasts.status()));
  Forecasts alone;
  for (const FileSweep& sweep : suite.sweeps) {
    alone.push_back({sweep.name(), CellsAlone(sweep.request)});
  }
  return alone;
}

absl::StatusOr<int> DryRunOf(const SuiteFile& suite, const OutputWords& words,
                             const Invocation& invocation) {
  auto output = ChooseOutput(words, format::Content::kList);
  if (!output.ok()) return output.status();
  const auto forecasts = ForecastsOrCells(suite, invocation);
  if (!forecasts.ok()) return forecasts.status();
  const bool for_terminal = IsTerminalTable(*output, invocation.console);
  const absl::Status written =
      WriteOutput(*output, invocation.console, format::ShowForecasts(*forecasts, for_terminal));
  if (!written.ok()) return written;
  return kExitOk;
}

}  // namespace

absl::Status CheckComparisons(const SuiteFile& suite) {
  for (const FileSweep& sweep : suite.sweeps) {
    if (!sweep.by) continue;
    const auto words = ParseCompare(ToCompare(sweep, sweep.baseline, "sweep:1"), UnixNowNs());
    if (!words.ok()) {
      const std::string message(words.status().message());
      return Invalid(suite.Placed(sweep, message.starts_with("--") ? message.substr(2) : message));
    }
    if (absl::Status within = CheckWithin(suite, sweep); !within.ok()) return within;
  }
  return absl::OkStatus();
}

absl::Status CheckBaselinesAreThere(const SuiteFile& suite, DaemonChannel* channel) {
  for (const FileSweep& sweep : suite.sweeps) {
    absl::Status status = CheckBaselineIsThere(suite, sweep, channel);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<int> RunSuiteFile(const RunOptions& options, const Invocation& invocation) {
  const auto suite = ReadAlone(options.sweep, options.known);
  if (!suite.ok()) return suite.status();
  if (options.known.dry_run) return DryRunOf(*suite, options.output, invocation);
  const auto output = ChooseOutput(options.output, format::Content::kRuns);
  if (!output.ok()) return output.status();
  const Console& console = invocation.console;
  // Before the channel starts its threads.
  Interrupts interrupts;
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  if (absl::Status there = CheckBaselinesAreThere(*suite, channel->get()); !there.ok()) {
    return there;
  }
  auto submitted = SubmitAll(*suite, console, channel->get());
  if (!submitted.ok()) return submitted.status();
  for (size_t i = 0; i < submitted->size(); ++i) {
    *console.err << suite->sweeps[i].name() << ": " << StartLine((*submitted)[i]) << std::endl;
  }
  const std::vector<uint64_t> ids = IdsOf(*submitted);
  const auto followed = FollowSweeps(ids, {}, options.output, console, &interrupts, channel->get());
  if (!followed.ok()) return followed.status();
  if (followed->exit_code) return *followed->exit_code;
  interrupts.LetThemEnd();
  const Report report(*suite, *std::move(submitted), *output, console, channel->get());
  if (absl::Status status = report.Print(); !status.ok()) {
    return WithRemark(status, fmt::format("all sweeps have ended all the same, print them again: "
                                          "torchlap export {}",
                                          SweepWordsOf(ids)));
  }
  return followed->failed_jobs == 0 ? kExitOk : kExitJobFailed;
}

absl::StatusOr<int> SubmitSuiteFile(const SubmitOptions& options, const Invocation& invocation) {
  const auto suite = ReadAlone(options.sweep, options.known);
  if (!suite.ok()) return suite.status();
  if (options.known.dry_run) return DryRunOf(*suite, options.output, invocation);
  const auto output = ChooseOutput(options.output, format::Content::kRuns);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const auto submitted = SubmitAll(*suite, invocation.console, channel->get());
  if (!submitted.ok()) return submitted.status();
  const absl::Status written =
      WriteOutput(*output, invocation.console, format::ShowSubmitted(*submitted));
  if (written.ok()) return kExitOk;
  return WithRemark(written, "submitted all the same: " + SweepWordsOf(IdsOf(*submitted)));
}

}  // namespace torchlap::client
