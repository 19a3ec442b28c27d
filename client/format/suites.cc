#include "client/format/suites.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "client/format/forecast.h"
#include "client/format/width.h"
#include "client/format/words.h"
#include "client/time_words.h"

namespace torchlap::client::format {
namespace {

constexpr uint32_t kMinutesOfHour = 60;
constexpr double kNsPerSecond = 1e9;

std::string Duration(int64_t ns) { return ShortDuration(std::chrono::nanoseconds(ns)); }

// `daily 02:00`, `idle 10 min`.
std::string WhenText(const v1::SuiteTime& time) {
  if (time.has_idle_ns()) return "idle " + Duration(time.idle_ns());
  return fmt::format("daily {:02}:{:02}", time.minute_of_day() / kMinutesOfHour,
                     time.minute_of_day() % kMinutesOfHour);
}

std::string NextText(const v1::Suite& suite) {
  return suite.has_next_at_ns() ? UtcMinute(suite.next_at_ns()) : "when idle";
}

std::string SweepIds(const v1::Suite& suite) {
  return suite.last_sweep_ids().empty() ? "-"
                                        : fmt::format("{}", fmt::join(suite.last_sweep_ids(), " "));
}

std::vector<std::string> GridRow(const v1::Suite& suite) {
  return {suite.name(),
          suite.user(),
          WhenText(suite.time()),
          std::to_string(suite.sweeps()),
          std::to_string(suite.jobs()),
          suite.last_at_ns() == 0 ? "-" : UtcMinute(suite.last_at_ns()),
          SweepIds(suite),
          NextText(suite),
          suite.problem().empty() ? "-" : suite.problem()};
}

bool HasProblem(const v1::Suite& suite) { return !suite.problem().empty(); }

std::vector<Block> SuiteBlocks(const std::vector<v1::Suite>& suites, bool in_short) {
  Grid grid;
  grid.titles = {"suite",      "user",        "when",       "sweeps", "jobs",
                 "last (UTC)", "last sweeps", "next (UTC)", "problem"};
  for (const v1::Suite& suite : suites) grid.rows.push_back(GridRow(suite));
  Narrowing how = {.above = {"user"},
                   .drop = {"jobs", "sweeps", "last sweeps", "next (UTC)"},
                   .shorten = {"problem", "suite"}};
  // A column of dashes takes the room.
  if (std::none_of(suites.begin(), suites.end(), HasProblem)) how.above.emplace_back("problem");
  std::vector<std::string> constants = TakeConstants(how, &grid);
  std::erase(constants, "problem -");
  const std::vector<std::string> gone = in_short ? Narrow(how, &grid) : std::vector<std::string>();
  std::vector<Block> blocks;
  if (!constants.empty()) blocks.emplace_back(Wrapped("", constants, how.width));
  blocks.emplace_back(std::move(grid));
  if (!gone.empty()) blocks.emplace_back(Wrapped("--format csv also has:", gone, how.width));
  return blocks;
}

Value TimeOrUnknown(int64_t unix_ns) {
  if (unix_ns == 0) return {};
  return Rfc3339(unix_ns);
}

Value TextOrUnknown(const std::string& text) {
  if (text.empty()) return {};
  return text;
}

std::vector<Value> SheetRow(const v1::Suite& suite) {
  return {suite.name(),
          TextOrUnknown(suite.user()),
          WhenText(suite.time()),
          uint64_t{suite.sweeps()},
          uint64_t{suite.jobs()},
          TimeOrUnknown(suite.added_at_ns()),
          TimeOrUnknown(suite.last_at_ns()),
          fmt::format("{}", fmt::join(suite.last_sweep_ids(), " ")),
          TimeOrUnknown(suite.next_at_ns()),
          TextOrUnknown(suite.problem())};
}

// One line for people, one row for programs.
Document OneThing(std::string line, std::vector<std::string> names, std::vector<Value> values) {
  Sheet sheet;
  sheet.names = std::move(names);
  sheet.rows.push_back(std::move(values));
  Document document;
  document.blocks = [line = std::move(line)] { return std::vector<Block>{Lines{line}}; };
  document.rows = RowsOf(std::move(sheet));
  document.rows.is_single = true;
  return document;
}

size_t JobsOf(const v1::AddSuiteRequest& suite) {
  size_t jobs = 0;
  for (const v1::SuiteSweep& sweep : suite.sweeps()) jobs += static_cast<size_t>(sweep.jobs_size());
  return jobs;
}

std::string RunsWhen(const v1::SuiteTime& time, const v1::AddSuiteResponse& response) {
  if (time.has_idle_ns()) {
    return fmt::format("runs when its devices have been idle for {}, at most once a day",
                       Duration(time.idle_ns()));
  }
  return fmt::format("next {} UTC", UtcMinute(response.next_at_ns()));
}

uint64_t LaunchesOf(const v1::SubmitJobsRequest& request) {
  uint64_t launches = 0;
  for (const v1::JobSpec& job : request.jobs()) {
    launches += job.plan().has_launches() ? job.plan().launches() : 1;
  }
  return launches;
}

// All jobs of a sweep in a file ask for one.
std::string DeviceOf(const v1::SubmitJobsRequest& request) {
  const std::string& device = request.jobs(0).device();
  return device.empty() ? "any" : device;
}

size_t TooLarge(const v1::ForecastJobsResponse& forecast) {
  return static_cast<size_t>(
      std::count_if(forecast.jobs().begin(), forecast.jobs().end(), CannotFit));
}

std::string FitText(const CheckedSweep& sweep) {
  if (!sweep.forecast) return "not asked";
  const size_t too_large = TooLarge(*sweep.forecast);
  return too_large == 0 ? "not ruled out" : Counted(too_large, "cell") + " too large";
}

// Of the cells that may fit; nothing where that of one is not known.
std::optional<int64_t> DurationNs(const CheckedSweep& sweep) {
  if (!sweep.forecast) return std::nullopt;
  int64_t duration_ns = 0;
  for (const v1::JobForecast& job : sweep.forecast->jobs()) {
    if (CannotFit(job)) continue;
    if (!job.has_duration_ns()) return std::nullopt;
    duration_ns += job.duration_ns();
  }
  return duration_ns;
}

std::string TimeText(const CheckedSweep& sweep) {
  const auto duration_ns = DurationNs(sweep);
  return duration_ns ? Duration(*duration_ns) : "not known";
}

bool WasForecast(const CheckedSweep& sweep) { return sweep.forecast.has_value(); }

std::vector<SweepForecast> ForecastsOf(const std::vector<CheckedSweep>& sweeps) {
  std::vector<SweepForecast> forecasts;
  for (const CheckedSweep& sweep : sweeps) {
    if (sweep.forecast) forecasts.push_back({sweep.request.sweep_name(), *sweep.forecast});
  }
  return forecasts;
}

// What all would take, and which cells cannot fit.
Lines ForecastLines(const std::vector<CheckedSweep>& sweeps, const std::string& command) {
  const std::vector<SweepForecast> forecasts = ForecastsOf(sweeps);
  Lines lines = {ForecastTotal(Together(forecasts))};
  const Lines too_large = WhatCannotFit(forecasts);
  if (too_large.empty()) return lines;
  lines.insert(lines.end(), too_large.begin(), too_large.end());
  lines.push_back("all cells: " + command);
  return lines;
}

std::vector<Block> CheckBlocks(const std::vector<CheckedSweep>& sweeps, const std::string& checked,
                               const std::string& command) {
  Grid grid;
  grid.titles = {"sweep", "cells", "launches", "device", "baseline", "fits", "time"};
  for (const CheckedSweep& sweep : sweeps) {
    grid.rows.push_back({sweep.request.sweep_name(), std::to_string(sweep.request.jobs_size()),
                         std::to_string(LaunchesOf(sweep.request)), DeviceOf(sweep.request),
                         sweep.baseline.empty() ? "-" : sweep.baseline, FitText(sweep),
                         TimeText(sweep)});
  }
  Lines lines;
  if (std::all_of(sweeps.begin(), sweeps.end(), WasForecast)) {
    lines = ForecastLines(sweeps, command);
  }
  lines.push_back(checked);
  return {std::move(grid), std::move(lines)};
}

Value TooLargeOrUnknown(const CheckedSweep& sweep) {
  if (!sweep.forecast) return {};
  return uint64_t{TooLarge(*sweep.forecast)};
}

Value SecondsOrUnknown(const CheckedSweep& sweep) {
  const auto duration_ns = DurationNs(sweep);
  if (!duration_ns) return {};
  return static_cast<double>(*duration_ns) / kNsPerSecond;
}

}  // namespace

Document ListSuites(const std::vector<v1::Suite>& suites, bool in_short) {
  Sheet sheet;
  sheet.names = {"name",     "user",    "when",           "sweeps",  "jobs",
                 "added_at", "last_at", "last_sweep_ids", "next_at", "problem"};
  for (const v1::Suite& suite : suites) sheet.rows.push_back(SheetRow(suite));
  Document document;
  document.blocks = [suites, in_short] { return SuiteBlocks(suites, in_short); };
  document.rows = RowsOf(std::move(sheet));
  return document;
}

Document ShowSuiteAdded(const v1::AddSuiteRequest& suite, const v1::AddSuiteResponse& response) {
  const auto sweeps = static_cast<size_t>(suite.sweeps_size());
  const size_t jobs = JobsOf(suite);
  std::string line = fmt::format(
      "suite {} {}: {}, {}; {}", suite.name(), response.replaced() ? "replaced" : "added",
      Counted(sweeps, "sweep"), Counted(jobs, "job"), RunsWhen(suite.time(), response));
  return OneThing(std::move(line), {"name", "replaced", "sweeps", "jobs", "next_at"},
                  {suite.name(), response.replaced(), uint64_t{sweeps}, uint64_t{jobs},
                   TimeOrUnknown(response.next_at_ns())});
}

Document ShowSuiteRemoved(const std::string& name) {
  return OneThing(fmt::format("suite {} removed; what it submitted stays", name), {"name"}, {name});
}

Document ShowSuiteCheck(const std::vector<CheckedSweep>& sweeps, const std::string& checked,
                        const std::string& command) {
  Sheet sheet;
  sheet.names = {"sweep",    "cells",           "launches",  "device",
                 "baseline", "cells_too_large", "duration_s"};
  for (const CheckedSweep& sweep : sweeps) {
    sheet.rows.push_back(
        {sweep.request.sweep_name(), static_cast<uint64_t>(sweep.request.jobs_size()),
         LaunchesOf(sweep.request), DeviceOf(sweep.request), TextOrUnknown(sweep.baseline),
         TooLargeOrUnknown(sweep), SecondsOrUnknown(sweep)});
  }
  Document document;
  document.blocks = [sweeps, checked, command] { return CheckBlocks(sweeps, checked, command); };
  document.rows = RowsOf(std::move(sheet));
  return document;
}

}  // namespace torchlap::client::format
