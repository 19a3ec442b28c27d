#include "client/format/forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "client/format/numbers.h"
#include "client/format/subject.h"
#include "client/format/width.h"
#include "client/format/words.h"
#include "client/time_words.h"

namespace torchlap::client::format {
namespace {

constexpr double kNsPerSecond = 1e9;
constexpr size_t kMostNamedCells = 10;

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

std::string NumberOrDash(uint64_t number) { return number == 0 ? "-" : std::to_string(number); }

std::string BytesOrDash(uint64_t bytes) { return bytes == 0 ? "-" : BytesShort(bytes); }

std::string Duration(int64_t ns) { return ShortDuration(std::chrono::nanoseconds(ns)); }

bool HasTime(const v1::JobForecast& job) { return job.has_duration_ns() && !CannotFit(job); }

// No launch is thought to take longer than it may.
bool ReachesLimit(const v1::JobForecast& job) {
  const v1::Plan& plan = job.spec().plan();
  const int64_t launches = int64_t{plan.launches()} + (plan.trace() ? 1 : 0);
  return HasTime(job) && plan.time_limit_ns() > 0 &&
         job.duration_ns() / std::max<int64_t>(launches, 1) >= plan.time_limit_ns();
}

// Nobody knows before how many steps it does; a time by FLOPs is that of the fewest.
bool EndsByItself(const v1::Plan& plan) {
  return plan.has_target_precision() || plan.warmup_until_settled();
}

std::string WarmupWords(const v1::Plan& plan) {
  return plan.warmup_until_settled() ? "until settled" : std::to_string(plan.warmup_steps());
}

std::string StepsWords(const v1::Plan& plan) {
  const std::string steps = NumberOrDash(plan.measure_steps());
  return plan.has_target_precision() && plan.measure_steps() > 0 ? "at least " + steps : steps;
}

std::string TimeOf(const v1::JobForecast& job) {
  if (!HasTime(job)) return "-";
  const std::string time = Duration(job.duration_ns());
  if (ReachesLimit(job)) return fmt::format("over {} (limit)", time);
  const bool is_least =
      EndsByItself(job.spec().plan()) && job.time_basis() == v1::TIME_BASIS_SCALED;
  return is_least ? "at least " + time : time;
}

bool IsReused(const v1::JobForecast& job) { return job.reusable_run_ids_size() > 0; }

bool Asks(const v1::JobForecast& job) {
  return IsReused(job) || job.no_reuse() != v1::NO_REUSE_UNSPECIFIED;
}

std::string FitWords(const v1::JobForecast& job) {
  switch (job.fit()) {
    case v1::FIT_RAN:
      return "yes";
    case v1::FIT_BY_ARITHMETIC:
      return "not ruled out";
    case v1::FIT_TOO_LARGE:
      return "no";
    case v1::FIT_RAN_OUT:
      return fmt::format("no: {} ran out", job.memory_run_id());
    default:
      return "-";
  }
}

// For programs.
std::string FitWord(v1::Fit fit) {
  switch (fit) {
    case v1::FIT_RAN:
      return "ran";
    case v1::FIT_BY_ARITHMETIC:
      return "by-arithmetic";
    case v1::FIT_TOO_LARGE:
      return "too-large";
    case v1::FIT_RAN_OUT:
      return "ran-out";
    default:
      return "";
  }
}

std::string PeakWords(const v1::JobForecast& job) {
  if (!job.has_peak_bytes()) return "-";
  const std::string bytes = BytesShort(job.peak_bytes());
  const bool is_of_run = job.fit() != v1::FIT_RAN_OUT && !job.memory_run_id().empty();
  return is_of_run ? fmt::format("{} ({})", bytes, job.memory_run_id()) : bytes;
}

std::string BasisWords(const v1::JobForecast& job) {
  switch (job.time_basis()) {
    case v1::TIME_BASIS_SERIES:
      return Counted(job.time_runs(), "run") + " of it";
    case v1::TIME_BASIS_SCALED:
      return "FLOPs of " + Counted(job.time_runs(), "run");
    default:
      return "-";
  }
}

std::string BasisWord(v1::TimeBasis basis) {
  switch (basis) {
    case v1::TIME_BASIS_SERIES:
      return "series";
    case v1::TIME_BASIS_SCALED:
      return "scaled";
    default:
      return "";
  }
}

std::string NoReuseWord(v1::NoReuse why) {
  switch (why) {
    case v1::NO_REUSE_NONE:
      return "none";
    case v1::NO_REUSE_ENVIRONMENT:
      return "environment";
    case v1::NO_REUSE_LAUNCHES:
      return "launches";
    case v1::NO_REUSE_PURPOSE:
      return "purpose";
    default:
      return "";
  }
}

std::string JoinedIds(const v1::JobForecast& job, const char* between) {
  return fmt::format("{}", fmt::join(job.reusable_run_ids(), between));
}

std::string ReuseWords(const v1::JobForecast& job) {
  return IsReused(job) ? JoinedIds(job, " ") : OrDash(NoReuseWords(job));
}

std::vector<std::string> GridRow(const v1::JobForecast& job, bool asks) {
  const Subject subject = SubjectOf(job.spec().workload());
  const v1::Plan& plan = job.spec().plan();
  std::vector<std::string> row = {OrDash(subject.name),
                                  OrDash(PassName(subject)),
                                  NumberOrDash(subject.batch_size),
                                  NumberOrDash(subject.context_length),
                                  OrDash(subject.precision),
                                  OrDash(subject.attention),
                                  WarmupWords(plan),
                                  StepsWords(plan),
                                  NumberOrDash(plan.launches()),
                                  OrDash(job.device()),
                                  BytesOrDash(job.needed_bytes()),
                                  PeakWords(job),
                                  BytesOrDash(job.device_bytes()),
                                  FitWords(job),
                                  TimeOf(job),
                                  CannotFit(job) ? "-" : BasisWords(job)};
  if (asks) row.push_back(ReuseWords(job));
  return row;
}

// Of the cells that would run.
struct Whole {
  size_t reused = 0;
  size_t to_run = 0;
  size_t untimed = 0;
  size_t cannot_fit = 0;
  size_t at_limit = 0;
  int64_t duration_ns = 0;
};

Whole WholeOf(const v1::ForecastJobsResponse& forecast) {
  Whole whole;
  for (const v1::JobForecast& job : forecast.jobs()) {
    if (IsReused(job)) {
      ++whole.reused;
      continue;
    }
    if (CannotFit(job)) {
      ++whole.cannot_fit;
      continue;
    }
    ++whole.to_run;
    whole.at_limit += ReachesLimit(job) ? 1 : 0;
    if (HasTime(job)) {
      whole.duration_ns += job.duration_ns();
    } else {
      ++whole.untimed;
    }
  }
  return whole;
}

std::string TimeWords(const v1::ForecastJobsResponse& forecast, const Whole& whole) {
  std::string words;
  if (whole.duration_ns > 0) words = fmt::format(" in about {}", Duration(whole.duration_ns));
  if (whole.untimed > 0 && !words.empty()) {
    words += fmt::format(" and the time of {}, which is not known", Counted(whole.untimed, "cell"));
  } else if (whole.untimed > 0) {
    words = ", in a time that is not known";
  }
  if (!forecast.has_queue_ns()) return words;
  return forecast.queue_ns() == 0
             ? words + "; the queue is empty"
             : words + fmt::format("; after about {} of the queue", Duration(forecast.queue_ns()));
}

Lines TotalLines(const v1::ForecastJobsResponse& forecast) {
  const Whole whole = WholeOf(forecast);
  Lines lines = {ForecastTotal(forecast)};
  if (whole.at_limit > 0) {
    lines.push_back(fmt::format("{} would reach {} time limit: --time-limit",
                                Counted(whole.at_limit, "cell"),
                                whole.at_limit == 1 ? "its" : "their"));
  }
  return lines;
}

// Columns of which nothing is known: without a daemon most.
void DropUnknown(Grid* grid) {
  for (size_t column = grid->titles.size(); column-- > 0;) {
    const bool is_unknown = std::all_of(grid->rows.begin(), grid->rows.end(),
                                        [column](const auto& row) { return row[column] == "-"; });
    if (!is_unknown) continue;
    const auto offset = static_cast<std::ptrdiff_t>(column);
    grid->titles.erase(grid->titles.begin() + offset);
    for (auto& row : grid->rows) row.erase(row.begin() + offset);
  }
}

// A row a cell, and around it what all have in common and what there is no room for.
std::vector<Block> CellBlocks(const v1::ForecastJobsResponse& forecast, bool in_short) {
  const bool asks = std::any_of(forecast.jobs().begin(), forecast.jobs().end(), Asks);
  Grid grid;
  grid.titles = {"size",    "pass",  "batch",    "context", "precision", "attention",
                 "warm-up", "steps", "launches", "device",  "needs",     "peak (run)",
                 "memory",  "fits",  "time",     "based on"};
  if (asks) grid.titles.emplace_back("reuse");
  for (const v1::JobForecast& job : forecast.jobs()) grid.rows.push_back(GridRow(job, asks));
  DropUnknown(&grid);
  const Narrowing how = {
      .above = {"pass", "batch", "context", "precision", "attention", "warm-up", "steps",
                "launches", "device", "memory"},
      .drop = {"memory", "based on", "needs", "warm-up", "steps", "launches", "attention"},
      .shorten = {"reuse"}};
  std::vector<Block> blocks;
  // The size stays: a table has a column.
  const std::vector<std::string> constants = TakeConstants(how, &grid);
  if (!constants.empty()) blocks.emplace_back(Wrapped("", constants, how.width));
  const std::vector<std::string> gone = in_short ? Narrow(how, &grid) : std::vector<std::string>();
  blocks.emplace_back(std::move(grid));
  if (!gone.empty()) blocks.emplace_back(Wrapped("--format csv also has:", gone, how.width));
  return blocks;
}

std::vector<Block> Blocks(const v1::ForecastJobsResponse& forecast, bool in_short) {
  std::vector<Block> blocks = CellBlocks(forecast, in_short);
  blocks.emplace_back(TotalLines(forecast));
  return blocks;
}

std::vector<Block> SweepBlocks(const std::vector<SweepForecast>& sweeps, bool in_short) {
  std::vector<Block> blocks;
  for (const SweepForecast& sweep : sweeps) {
    // An empty line parts it from the sweep before.
    Lines heading = {"sweep " + sweep.name};
    if (!blocks.empty()) heading.insert(heading.begin(), "");
    blocks.emplace_back(std::move(heading));
    for (Block& block : CellBlocks(sweep.forecast, in_short)) blocks.push_back(std::move(block));
    // The queue is before all of them.
    v1::ForecastJobsResponse alone = sweep.forecast;
    alone.clear_queue_ns();
    if (sweeps.size() > 1) blocks.emplace_back(TotalLines(alone));
  }
  Lines whole = TotalLines(Together(sweeps));
  if (sweeps.size() > 1) {
    whole.front() = "all: " + whole.front();
    whole.insert(whole.begin(), "");
  }
  blocks.emplace_back(std::move(whole));
  return blocks;
}

// `needs 90.0 GiB, cuda:0 has 16.0 GiB`, `17.2 ran out of memory`
std::string WhyNoFit(const v1::JobForecast& job) {
  if (job.fit() == v1::FIT_RAN_OUT) return job.memory_run_id() + " ran out of memory";
  const std::string device = job.device().empty() ? "the device" : job.device();
  if (job.needed_bytes() == 0 || job.device_bytes() == 0) return "too large for " + device;
  return fmt::format("needs {}, {} has {}", BytesShort(job.needed_bytes()), device,
                     BytesShort(job.device_bytes()));
}

Value TextOrUnknown(const std::string& text) {
  if (text.empty()) return {};
  return text;
}

Value NumberOrUnknown(uint64_t number) {
  if (number == 0) return {};
  return number;
}

Value SecondsOrUnknown(const v1::JobForecast& job) {
  if (!HasTime(job)) return {};
  return static_cast<double>(job.duration_ns()) / kNsPerSecond;
}

std::vector<Value> SheetRow(const v1::JobForecast& job) {
  const Subject subject = SubjectOf(job.spec().workload());
  const v1::Plan& plan = job.spec().plan();
  return {TextOrUnknown(subject.edition),
          TextOrUnknown(subject.preset),
          NumberOrUnknown(job.parameters()),
          TextOrUnknown(subject.pass),
          NumberOrUnknown(subject.batch_size),
          NumberOrUnknown(subject.context_length),
          TextOrUnknown(subject.precision),
          TextOrUnknown(subject.attention),
          uint64_t{plan.warmup_steps()},
          NumberOrUnknown(plan.measure_steps()),
          NumberOrUnknown(plan.launches()),
          TextOrUnknown(job.device()),
          NumberOrUnknown(job.needed_bytes()),
          NumberOrUnknown(job.peak_bytes()),
          TextOrUnknown(job.memory_run_id()),
          NumberOrUnknown(job.device_bytes()),
          TextOrUnknown(FitWord(job.fit())),
          SecondsOrUnknown(job),
          TextOrUnknown(HasTime(job) ? BasisWord(job.time_basis()) : ""),
          NumberOrUnknown(HasTime(job) ? job.time_runs() : 0),
          TextOrUnknown(JoinedIds(job, " ")),
          TextOrUnknown(NoReuseWord(job.no_reuse())),
          TextOrUnknown(ChangesText(job.environment_changes()))};
}

Sheet ForecastSheet(const v1::ForecastJobsResponse& forecast) {
  Sheet sheet;
  sheet.names = {
      "edition",        "model_size", "parameters",         "pass_type",    "batch_size",
      "context_length", "precision",  "attention",          "warmup_steps", "measure_steps",
      "launches",       "device",     "needed_bytes",       "peak_bytes",   "memory_run_id",
      "device_bytes",   "fit",        "duration_s",         "time_basis",   "time_runs",
      "reused_run_ids", "no_reuse",   "environment_changes"};
  for (const v1::JobForecast& job : forecast.jobs()) sheet.rows.push_back(SheetRow(job));
  return sheet;
}

}  // namespace

std::string ForecastTotal(const v1::ForecastJobsResponse& forecast) {
  const Whole whole = WholeOf(forecast);
  std::string line = Counted(static_cast<uint64_t>(forecast.jobs_size()), "cell") + ": ";
  if (whole.reused > 0) line += fmt::format("{} reused, ", whole.reused);
  line += fmt::format("{} to run", whole.to_run);
  if (whole.to_run > 0) line += TimeWords(forecast, whole);
  if (whole.cannot_fit > 0) line += fmt::format("; {} cannot fit as asked", whole.cannot_fit);
  return line;
}

std::string NoReuseWords(const v1::JobForecast& job) {
  switch (job.no_reuse()) {
    case v1::NO_REUSE_NONE:
      return "no clean run";
    case v1::NO_REUSE_ENVIRONMENT: {
      const std::string changes = ChangesText(job.environment_changes());
      return changes.empty() ? "other environment" : changes;
    }
    case v1::NO_REUSE_LAUNCHES:
      return "too few launches";
    case v1::NO_REUSE_PURPOSE:
      return "not a plain measurement";
    default:
      return "";
  }
}

std::string CellWords(const v1::JobSpec& spec) {
  const Subject subject = SubjectOf(spec.workload());
  std::string words = WorkloadWords(spec.workload());
  for (const std::string& setting : {subject.precision, subject.attention}) {
    if (!setting.empty()) words += ", " + setting;
  }
  return words;
}

bool CannotFit(const v1::JobForecast& job) {
  return job.fit() == v1::FIT_TOO_LARGE || job.fit() == v1::FIT_RAN_OUT;
}

v1::ForecastJobsResponse Together(const std::vector<SweepForecast>& sweeps) {
  v1::ForecastJobsResponse all;
  for (const SweepForecast& sweep : sweeps) all.mutable_jobs()->MergeFrom(sweep.forecast.jobs());
  if (!sweeps.empty() && sweeps.front().forecast.has_queue_ns()) {
    all.set_queue_ns(sweeps.front().forecast.queue_ns());
  }
  return all;
}

Lines WhatCannotFit(const std::vector<SweepForecast>& sweeps) {
  Lines lines;
  size_t more = 0;
  for (const SweepForecast& sweep : sweeps) {
    for (const v1::JobForecast& job : sweep.forecast.jobs()) {
      if (!CannotFit(job)) continue;
      if (lines.size() >= kMostNamedCells) {
        ++more;
        continue;
      }
      lines.push_back(
          fmt::format("{}: {} cannot fit: {}", sweep.name, CellWords(job.spec()), WhyNoFit(job)));
    }
  }
  if (more > 0) lines.push_back(fmt::format("and {} more", more));
  return lines;
}

Document ShowForecasts(const std::vector<SweepForecast>& sweeps, bool in_short) {
  Sheet sheet = ForecastSheet({});
  sheet.names.insert(sheet.names.begin(), "sweep");
  for (const SweepForecast& sweep : sweeps) {
    for (const v1::JobForecast& job : sweep.forecast.jobs()) {
      std::vector<Value> row = SheetRow(job);
      row.insert(row.begin(), Value(sweep.name));
      sheet.rows.push_back(std::move(row));
    }
  }
  Document document;
  document.blocks = [sweeps, in_short] { return SweepBlocks(sweeps, in_short); };
  document.rows = RowsOf(std::move(sheet));
  return document;
}

Document ShowForecast(const v1::ForecastJobsResponse& forecast, bool in_short) {
  Document document;
  document.blocks = [forecast, in_short] { return Blocks(forecast, in_short); };
  document.rows = RowsOf(ForecastSheet(forecast));
  return document;
}

}  // namespace torchlap::client::format
