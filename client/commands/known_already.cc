#include "client/commands/known_already.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "client/commands/followed_sweep.h"
#include "client/commands/results.h"
#include "client/exit_code.h"
#include "client/format/forecast.h"
#include "client/format/width.h"
#include "client/interrupts.h"
#include "client/parse_words.h"
#include "client/time_words.h"
#include "proto/ranges.h"

namespace torchlap::client {
namespace {

// A line names no more of them.
constexpr size_t kMostNamed = 10;
constexpr size_t kWidth = 98;

bool IsReused(const v1::JobForecast& cell) { return cell.reusable_run_ids_size() > 0; }

// `a, b and 3 more`
std::string Named(std::vector<std::string> names) {
  const size_t more = names.size() > kMostNamed ? names.size() - kMostNamed : 0;
  names.resize(names.size() - more);
  const std::string words = fmt::format("{}", fmt::join(names, ", "));
  return more == 0 ? words : fmt::format("{} and {} more", words, more);
}

// Each once: a run may answer several cells.
std::vector<std::string> ReusedRuns(const PartedSweep& parted) {
  std::vector<std::string> runs;
  std::set<std::string> known;
  for (const v1::JobForecast& cell : parted.cells) {
    for (const std::string& run : cell.reusable_run_ids()) {
      if (known.insert(run).second) runs.push_back(run);
    }
  }
  return runs;
}

std::string CellsWords(const PartedSweep& parted) {
  const auto reused = std::count_if(parted.cells.begin(), parted.cells.end(), IsReused);
  return fmt::format("{} of {} cell{}", reused, parted.cells.size(),
                     parted.cells.size() == 1 ? "" : "s");
}

// `3 no clean run, 1 kernel 6.1 -> 6.2`; empty: all are reused.
std::string WhyNot(const PartedSweep& parted) {
  std::map<std::string, size_t> counts;
  for (const v1::JobForecast& cell : parted.cells) {
    if (!IsReused(cell)) ++counts[format::NoReuseWords(cell)];
  }
  std::vector<std::string> parts;
  for (const auto& [why, count] : counts) {
    if (!why.empty()) parts.push_back(fmt::format("{} {}", count, why));
  }
  return Named(std::move(parts));
}

// The name and the labels of a sweep of which nothing is left to run get lost; empty: none does.
std::string NothingNamedLine(const PartedSweep& parted) {
  if (parted.cells.empty() || !parted.left.jobs().empty()) return "";
  std::vector<std::string> words;
  if (!parted.left.sweep_name().empty()) words.push_back("named " + parted.left.sweep_name());
  const auto& labels = parted.cells.front().spec().labels();
  for (const auto& [key, value] :
       std::map<std::string, std::string>(labels.begin(), labels.end())) {
    words.push_back(fmt::format("labelled {}={}", key, value));
  }
  if (words.empty()) return "";
  return fmt::format("nothing is run, so nothing is {}", fmt::join(words, " or "));
}

// Where a row stands among the cells.
class Places {
 public:
  Places(const PartedSweep& parted, const v1::SubmitJobsResponse& submitted) {
    for (size_t i = 0; i < parted.cells.size(); ++i) {
      for (const std::string& run : parted.cells[i].reusable_run_ids()) by_run_.emplace(run, i);
    }
    const size_t jobs =
        std::min(parted.places_left.size(), static_cast<size_t>(submitted.job_ids_size()));
    for (size_t i = 0; i < jobs; ++i) {
      by_job_[submitted.job_ids(static_cast<int>(i))] = parted.places_left[i];
    }
  }

  size_t Of(const v1::Run& row) const {
    if (const auto run = by_run_.find(row.run_id()); run != by_run_.end()) return run->second;
    const auto job = by_job_.find(row.job_id());
    return job == by_job_.end() ? std::numeric_limits<size_t>::max() : job->second;
  }

 private:
  std::map<std::string, size_t> by_run_;
  std::map<uint64_t, size_t> by_job_;
};

// Which rows are not of this run: below the table.
format::Lines ReusedNote(const PartedSweep& parted, const std::string& typed) {
  std::vector<std::string> cells;
  for (const v1::JobForecast& cell : parted.cells) {
    if (!IsReused(cell)) continue;
    cells.push_back(fmt::format("{} ({})", format::CellWords(cell.spec()),
                                fmt::join(cell.reusable_run_ids(), " ")));
  }
  if (cells.empty()) return {};
  const size_t all = cells.size();
  if (all > kMostNamed) {
    cells.resize(kMostNamed);
    cells.push_back(fmt::format("and {} more", all - kMostNamed));
  }
  return format::Wrapped(fmt::format("reused, not run again (--reuse {}):", typed), cells, kWidth);
}

absl::Status PrintAll(const PartedSweep& parted, const v1::SubmitJobsResponse& submitted,
                      const std::string& typed, const Output& output, const Console& console,
                      DaemonChannel* channel) {
  v1::RunFilter filter;
  if (submitted.sweep_id() != 0) *filter.mutable_selector() = SweepSelector(submitted.sweep_id());
  for (std::string& run : ReusedRuns(parted)) {
    filter.mutable_selector()->add_run_ids(std::move(run));
  }
  const Places places(parted, submitted);
  return PrintInOrder(
      filter, [&places](const v1::Run& row) { return places.Of(row); }, ReusedNote(parted, typed),
      output, console, channel);
}

absl::StatusOr<v1::ForecastJobsResponse> ForecastOrCells(const v1::SubmitJobsRequest& request,
                                                         int64_t since_ns,
                                                         const Invocation& invocation) {
  absl::StatusOr<v1::ForecastJobsResponse> forecast;
  auto channel = DaemonChannel::Open(invocation.address);
  if (channel.ok()) {
    forecast = ForecastCells(request, since_ns, channel->get());
  } else {
    forecast = channel.status();
  }
  if (!absl::IsUnavailable(forecast.status())) return forecast;
  SayLine(invocation.console, NothingKnownLine(forecast.status()));
  return CellsAlone(request);
}

}  // namespace

absl::StatusOr<v1::ForecastJobsResponse> ForecastCells(const v1::SubmitJobsRequest& request,
                                                       int64_t since_ns, DaemonChannel* channel) {
  v1::ForecastJobsRequest question;
  *question.mutable_jobs() = request.jobs();
  question.set_reuse_since_ns(since_ns);
  auto forecast = channel->ForecastJobs(question);
  if (!forecast.ok() || forecast->jobs_size() == request.jobs_size()) return forecast;
  return absl::InternalError(fmt::format("the daemon forecast {} cells, must be {}",
                                         forecast->jobs_size(), request.jobs_size()));
}

v1::ForecastJobsResponse CellsAlone(const v1::SubmitJobsRequest& request) {
  v1::ForecastJobsResponse forecast;
  for (const v1::JobSpec& job : request.jobs()) {
    v1::JobSpec* spec = forecast.add_jobs()->mutable_spec();
    *spec = job;
    FillDefaults(spec->mutable_workload()->mutable_transformer_lm());
    FillDefaults(spec->mutable_plan());
  }
  return forecast;
}

std::string NothingKnownLine(const absl::Status& unavailable) {
  return "nothing is known of memory, time and history: " + OneLine(unavailable);
}

absl::StatusOr<int64_t> ParseReuse(const KnownWords& known, const SweepWords& sweep) {
  if (!known.reuse) return 0;
  if (sweep.trace) {
    return Invalid(
        fmt::format("--reuse is {}, must not be given with --trace, which needs runs of its own",
                    *known.reuse));
  }
  const int64_t now_ns = UnixNowNs();
  auto since_ns = ParseTime("--reuse", *known.reuse, now_ns);
  if (!since_ns.ok() || *since_ns < now_ns) return since_ns;
  return Invalid(fmt::format("--reuse is {}, must {}", *known.reuse,
                             *since_ns > now_ns ? "not be to come" : "be before now"));
}

absl::StatusOr<PartedSweep> Part(v1::SubmitJobsRequest request, int64_t since_ns,
                                 DaemonChannel* channel) {
  auto forecast = ForecastCells(request, since_ns, channel);
  if (!forecast.ok()) return forecast.status();
  PartedSweep parted;
  parted.cells.assign(std::make_move_iterator(forecast->mutable_jobs()->begin()),
                      std::make_move_iterator(forecast->mutable_jobs()->end()));
  google::protobuf::RepeatedPtrField<v1::JobSpec> jobs;
  jobs.Swap(request.mutable_jobs());
  parted.left = std::move(request);
  for (size_t i = 0; i < parted.cells.size(); ++i) {
    if (IsReused(parted.cells[i])) continue;
    *parted.left.add_jobs() = std::move(jobs[static_cast<int>(i)]);
    parted.places_left.push_back(i);
  }
  return parted;
}

std::vector<std::string> ReusedLines(const PartedSweep& parted, const std::string& typed) {
  const std::vector<std::string> runs = ReusedRuns(parted);
  std::vector<std::string> lines = {fmt::format("reused {} ({}); --reuse {}",
                                                runs.empty() ? "nothing" : Named(runs),
                                                CellsWords(parted), typed)};
  if (const std::string why = WhyNot(parted); !why.empty()) lines.push_back("not reused: " + why);
  if (std::string line = NothingNamedLine(parted); !line.empty()) lines.push_back(std::move(line));
  return lines;
}

absl::StatusOr<int> RunWhatIsLeft(v1::SubmitJobsRequest request, int64_t since_ns,
                                  const RunOptions& options, const Output& output,
                                  const Invocation& invocation) {
  const Console& console = invocation.console;
  const std::string typed = options.known.reuse.value_or("");
  Interrupts interrupts;
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const auto parted = Part(std::move(request), since_ns, channel->get());
  if (!parted.ok()) return parted.status();
  for (const std::string& line : ReusedLines(*parted, typed)) SayLine(console, line);
  FollowedSweep followed;
  if (!parted->left.jobs().empty()) {
    auto submitted =
        SubmitAndFollowOn(parted->left, {}, options.output, console, &interrupts, channel->get());
    if (!submitted.ok()) return submitted.status();
    followed = *std::move(submitted);
  }
  if (followed.exit_code) return *followed.exit_code;
  interrupts.LetThemEnd();
  const absl::Status printed =
      PrintAll(*parted, followed.submitted, typed, output, console, channel->get());
  if (!printed.ok() && followed.submitted.sweep_id() != 0) {
    return WithRemark(printed, SweepEndedWords(followed.submitted.sweep_id()));
  }
  if (!printed.ok()) return printed;
  return followed.failed_jobs == 0 ? kExitOk : kExitJobFailed;
}

absl::StatusOr<int> DryRun(const v1::SubmitJobsRequest& request, int64_t since_ns,
                           const OutputWords& words, const Invocation& invocation) {
  auto output = ChooseOutput(words, format::Content::kList);
  if (!output.ok()) return output.status();
  const auto forecast = ForecastOrCells(request, since_ns, invocation);
  if (!forecast.ok()) return forecast.status();
  const bool for_terminal = IsTerminalTable(*output, invocation.console);
  const absl::Status written =
      WriteOutput(*output, invocation.console, format::ShowForecast(*forecast, for_terminal));
  if (!written.ok()) return written;
  return kExitOk;
}

}  // namespace torchlap::client
