#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <string>
#include <utility>

#include "client/commands/chosen_results.h"
#include "client/commands/commands.h"
#include "client/commands/results.h"
#include "client/commands/unreadable.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/format/compare.h"
#include "client/format/format.h"
#include "client/format/report_page.h"
#include "client/format/runs.h"
#include "client/time_words.h"

namespace torchlap::client {
namespace {

constexpr char kDefaultFile[] = "report.html";
constexpr size_t kMostEnvironments = 8;

// A page is written as a file or not at all; one that ends in .csv would open as something else.
absl::StatusOr<std::string> ChooseFile(const std::optional<std::string>& word,
                                       const Console& console) {
  const std::string file = word.value_or(kDefaultFile);
  if (file.empty() || file == "-") {
    return absl::InvalidArgumentError(
        fmt::format("-o is {}, must be a file: {}", file.empty() ? "empty" : file, kDefaultFile));
  }
  const std::string ending = format::EndingOfFile(file);
  if (!ending.empty() && ending != "html" && ending != "htm") {
    return absl::InvalidArgumentError(
        fmt::format("-o {} ends in .{}, must end in .html", file, ending));
  }
  if (absl::Status status = CheckWritable(file, console); !status.ok()) return status;
  return file;
}

// As an export: without a selector the latest sweep, whatever was measured, but no profile.
absl::StatusOr<v1::RunFilter> ChooseRuns(const FilterWords& words) {
  auto filter = BuildFilter(words, UnixNowNs());
  if (!filter.ok()) return filter;
  LeaveOutCanariesOfAll(&*filter);
  if (!words.selectors.empty()) return filter;
  filter->mutable_selector()->set_last(true);
  if (filter->purposes().empty()) {
    for (const v1::Purpose purpose :
         {v1::PURPOSE_MEASURE, v1::PURPOSE_WARMUP, v1::PURPOSE_FIT, v1::PURPOSE_CALIBRATE}) {
      filter->add_purposes(purpose);
    }
  }
  return filter;
}

std::string SelectionWords(const std::vector<std::string>& selectors) {
  return selectors.empty() ? "last" : fmt::format("{}", fmt::join(selectors, " "));
}

// The name of the sweep where it is one that has a name.
std::string TitleOf(const ReportOptions& options, const std::vector<v1::Run>& cells) {
  if (options.title && !options.title->empty()) return *options.title;
  std::set<uint64_t> sweeps;
  for (const v1::Run& cell : cells) sweeps.insert(cell.sweep_id());
  if (sweeps.size() != 1) return "Benchmarks: " + SelectionWords(options.filter.selectors);
  const v1::Run& first = cells.front();
  return first.sweep_name().empty() ? fmt::format("Sweep {}", first.sweep_id())
                                    : first.sweep_name();
}

// Where the daemon is: this host, or what was dialled.
std::string HostOf(const std::string& address) {
  if (address.rfind("unix:", 0) != 0) return address;
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "";
  return name.data();
}

void AddPlace(DaemonChannel* channel, format::Report* report) {
  report->host = HostOf(channel->address());
  const auto status = channel->GetDaemonStatus();
  if (!status.ok()) return;
  report->daemon_version = status->version();
  report->user = status->caller();
}

v1::ExportRunsRequest Cells(const v1::RunFilter& filter) {
  v1::ExportRunsRequest request;
  *request.mutable_filter() = filter;
  request.set_rows(v1::ROW_KIND_CELL);
  request.set_with_unfinished(true);
  return request;
}

// What the experiments among the results show, without the table of measurements.
std::vector<format::Block> ExperimentsOf(format::Results results) {
  results.cells.clear();
  return format::ShowResults(results).blocks();
}

// Gathers runs with their steps, no more of them than are drawn.
class StepRuns {
 public:
  explicit StepRuns(std::vector<format::ReportRun>* runs) : runs_(runs) {}

  // False: another run would be one too many.
  bool Take(const v1::ExportRunsResponse& part) {
    for (const v1::Run& run : part.rows()) {
      current_ = run;
      is_new_ = true;
    }
    if (part.samples().step_ns().empty()) return true;
    if (is_new_ && runs_->size() >= format::kMostStepCharts) {
      is_full_ = true;
      return false;
    }
    if (std::exchange(is_new_, false)) runs_->push_back({current_, {}});
    runs_->back().samples.push_back(part.samples());
    return true;
  }

  bool is_full() const { return is_full_; }

 private:
  std::vector<format::ReportRun>* const runs_;
  v1::Run current_;
  bool is_new_ = false;
  bool is_full_ = false;
};

bool HasSteps(const v1::Run& run) {
  return run.actual_warmup_steps() + run.actual_measure_steps() > 0;
}

// Without the steps themselves, which may be many.
absl::StatusOr<uint64_t> CountRunsWithSteps(v1::ExportRunsRequest request, DaemonChannel* channel) {
  request.set_with_samples(false);
  const auto rows = FetchRows(request, channel);
  if (!rows.ok()) return rows.status();
  return static_cast<uint64_t>(std::count_if(rows->begin(), rows->end(), HasSteps));
}

absl::Status AddSteps(const v1::RunFilter& filter, DaemonChannel* channel, format::Report* report) {
  v1::ExportRunsRequest request;
  *request.mutable_filter() = filter;
  request.set_rows(v1::ROW_KIND_RUN);
  request.set_with_samples(true);
  StepRuns runs(&report->runs);
  const absl::Status status = channel->ExportRuns(
      request, [&runs](const v1::ExportRunsResponse& part) { return runs.Take(part); });
  if (!status.ok() || !runs.is_full()) return status;
  const auto count = CountRunsWithSteps(request, channel);
  if (!count.ok()) return count.status();
  report->more_runs = *count - std::min<uint64_t>(*count, report->runs.size());
  return absl::OkStatus();
}

// Experiments have no baseline and no trend: of several purposes that of measurements.
v1::RunFilter Measurements(v1::RunFilter filter) {
  const bool has_others = filter.purposes_size() > 1;
  const bool has_them =
      std::count(filter.purposes().begin(), filter.purposes().end(), v1::PURPOSE_MEASURE) > 0;
  if (has_others && has_them) {
    filter.clear_purposes();
    filter.add_purposes(v1::PURPOSE_MEASURE);
  }
  return filter;
}

// Where there is none of it there is nothing to say; neither is there by a daemon that knows none.
void SayLeftOut(const char* what, const absl::Status& status, const Console& console) {
  if (absl::IsNotFound(status) || absl::IsUnimplemented(status)) return;
  SayLine(console, fmt::format("left out, {}: {}", what, OneLine(status)));
}

void AddComparison(const v1::RunFilter& filter, DaemonChannel* channel, const Console& console,
                   format::Report* report) {
  v1::CompareRunsRequest request;
  request.mutable_a()->mutable_selector()->set_baseline(true);
  *request.mutable_b() = Measurements(filter);
  const auto answer = channel->CompareRuns(request);
  if (answer.ok()) {
    // What the baseline was set from is not held against itself.
    std::copy_if(answer->cells().begin(), answer->cells().end(),
                 std::back_inserter(report->compared),
                 [](const v1::ComparedCell& cell) { return format::SharedRuns(cell) == 0; });
  } else {
    SayLeftOut("the comparison with the baseline", answer.status(), console);
  }
}

void AddTrends(const v1::RunFilter& filter, DaemonChannel* channel, const Console& console,
               format::Report* report) {
  v1::GetTrendRequest request;
  *request.mutable_filter() = Measurements(filter);
  const auto answer = channel->GetTrend(request);
  if (answer.ok()) {
    report->trends.assign(answer->series().begin(), answer->series().end());
  } else {
    SayLeftOut("the series over time", answer.status(), console);
  }
}

// A run of each environment is asked for it.
void AddEnvironments(DaemonChannel* channel, format::Report* report) {
  std::set<std::string> known;
  for (const v1::Run& cell : report->cells) {
    if (cell.environment_hash().empty() || known.size() >= kMostEnvironments) continue;
    if (!known.insert(cell.environment_hash()).second) continue;
    v1::GetRunRequest request;
    request.set_run_id(cell.run_id());
    format::DeviceNote note{cell, {}};
    const absl::Status status = channel->GetRun(request, [&note](const v1::GetRunResponse& part) {
      if (part.has_detail()) note.environment = part.detail().environment();
    });
    if (status.ok()) report->environments.push_back(std::move(note));
  }
}

absl::StatusOr<format::Report> Gather(const ReportOptions& options, const v1::RunFilter& filter,
                                      const Console& console, DaemonChannel* channel) {
  const auto rows = FetchRows(Cells(filter), channel);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return NothingMatches(filter, channel);
  const auto results = SortResults(*rows, channel);
  if (!results.ok()) return results.status();
  format::Report report;
  report.title = TitleOf(options, *rows);
  report.selection = SelectionWords(options.filter.selectors);
  report.made_at_ns = UnixNowNs();
  report.cells = results->cells;
  report.experiments = ExperimentsOf(*results);
  if (absl::Status status = AddSteps(filter, channel, &report); !status.ok()) return status;
  AddPlace(channel, &report);
  AddComparison(filter, channel, console, &report);
  AddTrends(filter, channel, console, &report);
  AddEnvironments(channel, &report);
  return report;
}

}  // namespace

absl::StatusOr<int> Execute(const ReportOptions& options, const Invocation& invocation) {
  const auto filter = ChooseRuns(options.filter);
  if (!filter.ok()) return filter.status();
  const auto file = ChooseFile(options.file, invocation.console);
  if (!file.ok()) return file.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const auto report = Gather(options, *filter, invocation.console, channel->get());
  if (!report.ok()) return report.status();
  if (absl::Status written = WriteFileWhole(*file, format::ReportPage(*report)); !written.ok()) {
    return written;
  }
  SayUnreadable(**channel, invocation.console);
  SayLine(invocation.console, "wrote " + *file);
  return kExitOk;
}

}  // namespace torchlap::client
