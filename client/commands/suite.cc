#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/commands/commands.h"
#include "client/commands/suite_run.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/format/suites.h"
#include "client/parse_words.h"
#include "client/run_command.h"
#include "client/suite_file.h"
#include "client/time_words.h"

namespace torchlap::client {
namespace {

constexpr char kActions[] = "suite check FILE, add FILE, list or remove NAME";
constexpr std::chrono::minutes kUsualIdle{10};
constexpr std::chrono::seconds kShortestIdle{1};
constexpr std::chrono::hours kLongestIdle{7 * 24};
constexpr uint32_t kHours = 24;
constexpr uint32_t kMinutes = 60;

// `02:00`; nothing: it is no time of the day.
std::optional<uint32_t> MinuteOfDay(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos || text.size() - colon != 3) return std::nullopt;
  const auto hour = ReadNumber<uint32_t>(std::string_view(text).substr(0, colon));
  const auto minute = ReadNumber<uint32_t>(std::string_view(text).substr(colon + 1));
  if (!hour || !minute || *hour >= kHours || *minute >= kMinutes) return std::nullopt;
  return *hour * kMinutes + *minute;
}

absl::Status SetIdle(std::chrono::nanoseconds idle, v1::SuiteTime* time) {
  time->set_idle_ns(idle.count());
  return absl::OkStatus();
}

absl::Status SetWhen(const std::optional<std::string>& when, v1::SuiteTime* time) {
  constexpr char kForms[] = "a time of the day (02:00), idle, or idle=30m";
  if (!when) return Invalid(fmt::format("suite add needs --when, must be {}", kForms));
  if (*when == "idle") return SetIdle(kUsualIdle, time);
  if (when->rfind("idle=", 0) == 0) {
    const auto idle = ParseDuration("--when idle", when->substr(5));
    if (!idle.ok()) return idle.status();
    if (*idle >= kShortestIdle && *idle <= kLongestIdle) return SetIdle(*idle, time);
    return Invalid(fmt::format("--when idle is {}, must be 1s to 7d", when->substr(5)));
  }
  const auto minute = MinuteOfDay(*when);
  if (!minute) return Invalid(fmt::format("--when is {}, must be {}", *when, kForms));
  time->set_minute_of_day(*minute);
  return absl::OkStatus();
}

// What `suite` is to do, with the one word behind it.
struct Action {
  std::string name;
  std::string word;
};

absl::StatusOr<Action> ParseAction(const SuiteOptions& options) {
  const std::vector<std::string>& words = options.words;
  if (words.empty()) return Invalid(fmt::format("suite without an action, must be {}", kActions));
  const std::string& name = words.front();
  if (name != "check" && name != "add" && name != "list" && name != "remove") {
    return Invalid(fmt::format("suite {}: must be {}", name, kActions));
  }
  const size_t wanted = name == "list" ? 1 : 2;
  if (words.size() == wanted) return Action{name, wanted == 2 ? words[1] : ""};
  const char* what = name == "remove" ? "one NAME" : name == "list" ? "no word" : "one FILE";
  return Invalid(fmt::format("suite {} takes {} behind it, got {}", name, what, words.size() - 1));
}

// Of flags that another action has.
absl::Status CheckFlags(const SuiteOptions& options, const std::string& action) {
  const bool reads_file = action == "add" || action == "check";
  if (options.when && action != "add") {
    return Invalid(fmt::format("suite {} takes no --when, which is of suite add", action));
  }
  if (options.name && !reads_file) {
    return Invalid(fmt::format("suite {} takes no --name, which is of suite add", action));
  }
  if (!options.user || !reads_file) return absl::OkStatus();
  return Invalid(fmt::format("suite {} takes no --user: it is yours", action));
}

// `by` alone compares a sweep with itself.
std::string BaselineText(const FileSweep& sweep) {
  return sweep.baseline.value_or(sweep.by ? "itself" : "");
}

std::vector<format::CheckedSweep> SweepsOf(const SuiteFile& suite) {
  std::vector<format::CheckedSweep> sweeps;
  for (const FileSweep& sweep : suite.sweeps) {
    sweeps.push_back({sweep.request, BaselineText(sweep), std::nullopt});
  }
  return sweeps;
}

// Asks the daemon what it would say to each sweep. False: it cannot tell.
absl::StatusOr<bool> AskDaemon(const SuiteFile& suite, DaemonChannel* channel,
                               std::vector<format::CheckedSweep>* sweeps) {
  for (size_t i = 0; i < sweeps->size(); ++i) {
    v1::ForecastJobsRequest request;
    *request.mutable_jobs() = (*sweeps)[i].request.jobs();
    auto forecast = channel->ForecastJobs(request);
    if (absl::IsUnimplemented(forecast.status())) return false;
    if (!forecast.ok()) {
      return absl::Status(forecast.status().code(),
                          suite.Placed(suite.sweeps[i], std::string(forecast.status().message())));
    }
    (*sweeps)[i].forecast = *std::move(forecast);
  }
  return true;
}

// A file can be checked where no daemon is.
absl::StatusOr<std::string> Ask(const SuiteFile& suite, const std::string& address,
                                std::vector<format::CheckedSweep>* sweeps) {
  auto channel = DaemonChannel::Open(address);
  if (absl::IsUnavailable(channel.status())) {
    return "only the file was checked, as no daemon answers";
  }
  if (!channel.ok()) return channel.status();
  if (absl::Status there = CheckBaselinesAreThere(suite, channel->get()); !there.ok()) {
    return there;
  }
  const auto told = AskDaemon(suite, channel->get(), sweeps);
  if (!told.ok()) return told.status();
  return *told ? "the daemon would take it" : "only the file was checked: the daemon is older";
}

absl::StatusOr<SuiteFile> ReadChecked(const SuiteOptions& options, const std::string& file) {
  auto suite = ReadSuiteFile(file, options.name);
  if (!suite.ok()) return suite;
  if (absl::Status compared = CheckComparisons(*suite); !compared.ok()) return compared;
  return suite;
}

absl::StatusOr<format::Document> Check(const SuiteOptions& options, const std::string& file,
                                       const Invocation& invocation) {
  const auto suite = ReadChecked(options, file);
  if (!suite.ok()) return suite.status();
  std::vector<format::CheckedSweep> sweeps = SweepsOf(*suite);
  const auto checked = Ask(*suite, invocation.address, &sweeps);
  if (!checked.ok()) return checked.status();
  return format::ShowSuiteCheck(sweeps, fmt::format("suite {}: {}", suite->name, *checked),
                                fmt::format("torchlap run --file {} --dry-run", ShellWord(file)));
}

bool IsCompared(const FileSweep& sweep) { return sweep.baseline || sweep.by; }

// A suite of a file, and when it is to run.
struct Addition {
  SuiteFile suite;
  v1::AddSuiteRequest request;
};

absl::StatusOr<format::Document> Add(const Addition& addition, const Console& console,
                                     DaemonChannel* channel) {
  const std::vector<FileSweep>& sweeps = addition.suite.sweeps;
  if (absl::Status there = CheckBaselinesAreThere(addition.suite, channel); !there.ok()) {
    return there;
  }
  const auto response = channel->AddSuite(addition.request);
  if (!response.ok()) return response.status();
  if (std::any_of(sweeps.begin(), sweeps.end(), IsCompared)) {
    SayLine(console,
            "baseline and by are for run --file; what the daemon runs is held against your "
            "baseline (torchlap baseline set), else against its own past, once three earlier "
            "sweeps are known: torchlap findings");
  }
  return format::ShowSuiteAdded(addition.request, *response);
}

// Why a list of suites is empty.
std::string NoSuiteLine(const SuiteOptions& options) {
  if (options.user) return *options.user + " has no suite";
  return "there is no suite; add one: torchlap suite add SUITE.toml --when 02:00";
}

absl::StatusOr<format::Document> List(const SuiteOptions& options, bool in_short,
                                      const Console& console, DaemonChannel* channel) {
  v1::ListSuitesRequest request;
  request.set_user(options.user.value_or(""));
  const auto response = channel->ListSuites(request);
  if (!response.ok()) return response.status();
  if (response->suites().empty()) {
    SayLine(console, NoSuiteLine(options));
  }
  return format::ListSuites({response->suites().begin(), response->suites().end()}, in_short);
}

absl::StatusOr<format::Document> Remove(const SuiteOptions& options, const std::string& name,
                                        DaemonChannel* channel) {
  v1::RemoveSuiteRequest request;
  request.set_name(name);
  request.set_user(options.user.value_or(""));
  const auto response = channel->RemoveSuite(request);
  if (!response.ok()) return response.status();
  return format::ShowSuiteRemoved(name);
}

absl::StatusOr<Addition> ReadAddition(const SuiteOptions& options, const std::string& file) {
  Addition addition;
  v1::AddSuiteRequest& request = addition.request;
  if (absl::Status when = SetWhen(options.when, request.mutable_time()); !when.ok()) return when;
  auto suite = ReadChecked(options, file);
  if (!suite.ok()) return suite.status();
  addition.suite = *std::move(suite);
  request.set_name(addition.suite.name);
  for (const FileSweep& sweep : addition.suite.sweeps) {
    v1::SuiteSweep* added = request.add_sweeps();
    added->set_name(sweep.name());
    *added->mutable_jobs() = sweep.request.jobs();
  }
  return addition;
}

absl::StatusOr<format::Document> Act(const SuiteOptions& options, const Action& action,
                                     const Output& output, const Invocation& invocation) {
  if (action.name == "check") return Check(options, action.word, invocation);
  Addition addition;
  if (action.name == "add") {
    auto read = ReadAddition(options, action.word);
    if (!read.ok()) return read.status();
    addition = *std::move(read);
  }
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  if (action.name == "add") return Add(addition, invocation.console, channel->get());
  if (action.name == "remove") return Remove(options, action.word, channel->get());
  const bool in_short = IsTerminalTable(output, invocation.console);
  return List(options, in_short, invocation.console, channel->get());
}

}  // namespace

absl::StatusOr<int> Execute(const SuiteOptions& options, const Invocation& invocation) {
  const auto action = ParseAction(options);
  if (!action.ok()) return action.status();
  if (absl::Status flags = CheckFlags(options, action->name); !flags.ok()) return flags;
  const auto output = ChooseOutput(options.output, format::Content::kList);
  if (!output.ok()) return output.status();
  const auto document = Act(options, *action, *output, invocation);
  if (!document.ok()) return document.status();
  const absl::Status written = WriteOutput(*output, invocation.console, *document);
  if (!written.ok()) return written;
  return kExitOk;
}

}  // namespace torchlap::client
