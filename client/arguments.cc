#include "client/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "client/close_names.h"
#include "client/help_topics.h"
#include "client/history_flags.h"
#include "client/manual.h"
#include "client/sweep_flags.h"

namespace torchlap::client {
namespace {

using Words = std::vector<std::string>;
using Word1 = std::optional<std::string>;

constexpr char kCvAndExitCodes[] =
    "The table's CV is the largest of the row's columns. Exit codes: 0 all succeeded, 1 usage, 2 "
    "some job failed,\n3 daemon not reached, 4 not found or refused, 6 result not written, 130 "
    "interrupted, 143 terminated.";
constexpr char kExitCodes[] =
    "Exit codes: 0 succeeded, 1 usage, 2 the job failed, 3 daemon not reached, 4 not found or "
    "refused,\n6 result not written, 130 interrupted, 143 terminated.";

constexpr char kFailOnExitCodes[] =
    "Exit codes: 0 succeeded, 1 usage, 2 a job of --until-decided failed, 3 daemon not reached,\n4 "
    "not found or refused, 5 --fail-on has happened, 6 result not written, 130 interrupted, 143 "
    "terminated.";
constexpr char kTrendExitCodes[] =
    "Exit codes: 0 succeeded, 1 usage, 3 daemon not reached, 4 not found or refused, 5 --fail-on "
    "has\nhappened, 6 result not written.";

void AddSelectors(CLI::App* app, Words* words, const std::string& help) {
  app->add_option("SELECTOR", *words, help)->type_name("");
}

constexpr char kJobSelectors[] = "17, sweep:3, sweep:NAME, last (default), label:k=v";

// All commands' options at one address each, so that CLI11 can write into them.
struct AllOptions {
  Word1 address;
  RunOptions run;
  SubmitOptions submit;
  WarmupOptions warmup;
  FitOptions fit;
  CalibrateOptions calibrate;
  WaitOptions wait;
  WatchOptions watch;
  CancelOptions cancel;
  QueueOptions queue;
  ShowOptions show;
  RunsOptions runs;
  ExportOptions export_runs;
  SweepsOptions sweeps;
  PresetsOptions presets;
  DevicesOptions devices;
  StatusOptions status;
  DoctorOptions doctor;
  CompareOptions compare;
  TrendOptions trend;
  BaselineOptions baseline;
  LabelOptions label;
  NoteOptions note;
  InvalidateOptions invalidate;
  LogsOptions logs;
  SqlOptions sql;
  BackupOptions backup;
  PruneOptions prune;
  RerunOptions rerun;
  PlotOptions plot;
  ReportOptions report;
  CompletionOptions completion;
  FindingsOptions findings;
  DigestOptions digest;
  SuiteOptions suite;
  ImportOptions imports;
};

void AddMeasuring(CLI::App* app, AllOptions* all) {
  auto* run = app->add_subcommand("run", "submit, follow with progress, print the table");
  AddSweepFlags(run, &all->run.sweep, &all->run.output);
  AddKnownFlags(run, &all->run.known);
  auto* submit = app->add_subcommand("submit", "submit; print the sweep and its job ids at once");
  AddSweepFlags(submit, &all->submit.sweep, &all->submit.output);
  AddKnownFlags(submit, &all->submit.known);
  auto* warmup =
      app->add_subcommand("warmup", "what warm-up steps change, and how many are enough");
  AddWarmupFlags(warmup, &all->warmup);
  auto* fit = app->add_subcommand("fit", "the largest batch, or context, that fits");
  AddFitFlags(fit, &all->fit);
  auto* calibrate =
      app->add_subcommand("calibrate", "the device's matmul peak by precision, and its bandwidth");
  AddCalibrateFlags(calibrate, &all->calibrate);
  for (CLI::App* command : {run, submit, warmup}) command->footer(kCvAndExitCodes);
  for (CLI::App* command : {fit, calibrate}) command->footer(kExitCodes);
}

void AddFollowing(CLI::App* app, AllOptions* all) {
  auto* watch = app->add_subcommand("watch", "follow jobs to their end, print their table");
  AddSelectors(watch, &all->watch.selectors, kJobSelectors);
  AddOutput(watch, &all->watch.output, format::Content::kRuns);
  auto* wait = app->add_subcommand("wait", "block until jobs are done");
  AddSelectors(wait, &all->wait.selectors, kJobSelectors);
  AddWord(wait, "--timeout", &all->wait.timeout, "give up after this time, with exit code 124",
          "TIME");
  AddWord(wait, "--trace", &all->wait.trace, "write the jobs' Chrome traces to DIR", "DIR");
  auto* cancel = app->add_subcommand("cancel", "cancel queued and running jobs");
  AddSelectors(cancel, &all->cancel.selectors, "17, sweep:3, sweep:NAME, last, label:k=v");
  AddWord(cancel, "--user", &all->cancel.user,
          "of the chosen jobs those of this account (or uid:N); alone: all of its unfinished ones",
          "USER");
  AddOutput(cancel, &all->cancel.output, format::Content::kList);
}

void AddRunQueries(CLI::App* app, AllOptions* all) {
  auto* show = app->add_subcommand("show",
                                   "a job (17) with its attempts, a run (17.2) with samples and "
                                   "environment, or the jobs of a sweep");
  show->add_option("ID", all->show.id, "17, 17.2, last, sweep:3, sweep:NAME")->type_name("");
  AddOutput(show, &all->show.output, format::Content::kDetails);
  auto* runs = app->add_subcommand("runs", "finished runs of every outcome, newest first");
  AddRunSelectors(runs, &all->runs.filter.selectors);
  AddFilter(runs, &all->runs.filter);
  AddWord(runs, "--columns", &all->runs.columns, "names as in --format csv", "NAME,...");
  AddWord(runs, "--order", &all->runs.order, "newest (default), oldest", "ORDER");
  AddWord(runs, "--limit", &all->runs.limit, "at most so many (50)", "N");
  AddSwitch(runs, "--wide", &all->runs.wide, "every column, also beyond 80 characters");
  AddOutput(runs, &all->runs.output, format::Content::kRuns);
  auto* sweeps = app->add_subcommand("sweeps", "what was submitted, newest first");
  AddWord(sweeps, "--user", &all->sweeps.user, "account, or uid:N", "USER");
  AddWord(sweeps, "--limit", &all->sweeps.limit, "at most so many (50)", "N");
  AddSwitch(sweeps, "--wide", &all->sweeps.wide, "nothing shortened, also beyond 80 characters");
  AddOutput(sweeps, &all->sweeps.output, format::Content::kList);
  auto* exporting =
      app->add_subcommand("export", "results of a sweep (default: your latest) as a table or file");
  AddRunSelectors(exporting, &all->export_runs.filter.selectors);
  AddFilter(exporting, &all->export_runs.filter);
  AddSwitch(exporting, "--samples", &all->export_runs.samples,
            "a row for each step instead of each run (csv, jsonl)");
  AddPivotFlags(exporting, &all->export_runs);
  AddOutput(exporting, &all->export_runs.output, format::Content::kRuns);
}

void AddServiceQueries(CLI::App* app, AllOptions* all) {
  auto* queue = app->add_subcommand("queue", "queued and running jobs, and why each waits");
  AddWord(queue, "--limit", &all->queue.limit, "at most so many (1000); 0: all", "N");
  AddOutput(queue, &all->queue.output, format::Content::kList);
  AddOutput(app->add_subcommand("devices", "the devices and what they do"), &all->devices.output,
            format::Content::kList);
  AddOutput(app->add_subcommand("presets", "named model shapes"), &all->presets.output,
            format::Content::kList);
  AddOutput(app->add_subcommand("status", "the daemon"), &all->status.output,
            format::Content::kList);
  AddOutput(app->add_subcommand("doctor", "what is wrong with the machine, and what to do"),
            &all->doctor.output, format::Content::kList);
}

void AddHistory(CLI::App* app, AllOptions* all) {
  auto* compare =
      app->add_subcommand("compare", "is B faster than A, cell by cell, and may one say so");
  AddCompareFlags(compare, &all->compare);
  compare->footer(kFailOnExitCodes);
  auto* trend = app->add_subcommand("trend", "series over time, and when they changed");
  AddTrendFlags(trend, &all->trend);
  trend->footer(kTrendExitCodes);
  AddBaselineFlags(
      app->add_subcommand("baseline", "the runs that new ones are held against: set, show, clear"),
      &all->baseline);
  AddRerunFlags(app->add_subcommand("rerun", "submit again what was run before"), &all->rerun);
  AddPlotFlags(app->add_subcommand("plot", "draw results in the terminal, or to a file"),
               &all->plot);
  AddReportFlags(app->add_subcommand("report", "one self-contained page (HTML) of results"),
                 &all->report);
  AddSuiteFlags(app->add_subcommand("suite", "sweeps of a file, every night or when idle"),
                &all->suite);
  AddFindingsFlags(app->add_subcommand("findings", "cells that changed, and what became of them"),
                   &all->findings);
  AddDigestFlags(app->add_subcommand("digest", "what happened, on one screen"), &all->digest);
  AddSqlFlags(app->add_subcommand("sql", "read-only SQL on the runs"), &all->sql);
}

void AddKeeping(CLI::App* app, AllOptions* all) {
  AddLabelFlags(app->add_subcommand("label", "put labels on jobs, k=v"), &all->label);
  AddNoteFlags(app->add_subcommand("note", "write a note on runs"), &all->note);
  AddInvalidateFlags(
      app->add_subcommand("invalidate", "declare runs invalid, with a reason; nothing is deleted"),
      &all->invalidate);
  AddLogsFlags(app->add_subcommand("logs", "what a run's worker wrote to its standard error"),
               &all->logs);
  AddBackupFlags(
      app->add_subcommand("backup", "a checked copy of the database, while the daemon runs"),
      &all->backup);
  AddImportFlags(app->add_subcommand("import", "take in the runs of another machine's database"),
                 &all->imports);
  AddPruneFlags(app->add_subcommand("prune", "delete samples or runs, and give the room back"),
                &all->prune);
  AddCompletionFlags(
      app->add_subcommand("completion", "a script that completes words: bash, zsh, fish"),
      &all->completion);
}

CommandOptions Chosen(const std::string& name, const AllOptions& all) {
  if (name == "run") return all.run;
  if (name == "submit") return all.submit;
  if (name == "warmup") return all.warmup;
  if (name == "fit") return all.fit;
  if (name == "calibrate") return all.calibrate;
  if (name == "wait") return all.wait;
  if (name == "watch") return all.watch;
  if (name == "cancel") return all.cancel;
  if (name == "queue") return all.queue;
  if (name == "show") return all.show;
  if (name == "runs") return all.runs;
  if (name == "export") return all.export_runs;
  if (name == "sweeps") return all.sweeps;
  if (name == "presets") return all.presets;
  if (name == "devices") return all.devices;
  if (name == "doctor") return all.doctor;
  if (name == "compare") return all.compare;
  if (name == "trend") return all.trend;
  if (name == "baseline") return all.baseline;
  if (name == "label") return all.label;
  if (name == "note") return all.note;
  if (name == "invalidate") return all.invalidate;
  if (name == "logs") return all.logs;
  if (name == "sql") return all.sql;
  if (name == "backup") return all.backup;
  if (name == "prune") return all.prune;
  if (name == "rerun") return all.rerun;
  if (name == "plot") return all.plot;
  if (name == "report") return all.report;
  if (name == "completion") return all.completion;
  if (name == "findings") return all.findings;
  if (name == "digest") return all.digest;
  if (name == "suite") return all.suite;
  if (name == "import") return all.imports;
  return all.status;
}

// For the list of commands; the words behind it are read by HelpOf.
void AddHelp(CLI::App* app) {
  auto* help = app->add_subcommand("help", "what --help prints of a command, or of all; a topic");
  help->add_option("COMMAND")->type_name("");
  app->footer(
      fmt::format("Topics, as in torchlap help selectors: {}", fmt::join(HelpTopics(), ", ")));
}

// Where the command stands, if it is not behind other flags.
Words::const_iterator CommandPlace(const Words& words) {
  const bool has_address = words.size() > 2 && words.front() == "--address";
  return words.begin() + (has_address ? 2 : 0);
}

// The words behind `help`; nothing for another command.
std::optional<Words> AskedHelp(const Words& words) {
  const auto place = CommandPlace(words);
  if (place == words.end() || *place != "help") return std::nullopt;
  return Words(place + 1, words.end());
}

// The words of a line that a shell asks about, which are no flags of this one.
std::optional<Arguments> AskedWords(const Words& words) {
  auto place = CommandPlace(words);
  const auto next_is = [&](const char* word) { return place != words.end() && *place == word; };
  for (const char* word : {"completion", "words", "--"}) {
    if (!next_is(word)) return std::nullopt;
    ++place;
  }
  Arguments asked;
  if (words.front() == "--address") asked.address = words[1];
  asked.command = CompletionOptions{"words", Words(place, words.end())};
  return asked;
}

std::string ChosenCommand(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? "" : chosen.front()->get_name();
}

std::string NoCommand(const std::string& name, const CLI::App& app, const char* help) {
  Words names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  const std::string close = CloseNames(name, names);
  return fmt::format("{} is not a command{}", name, close.empty() ? help : close);
}

absl::StatusOr<InformationText> HelpOf(const Words& commands, const CLI::App& app) {
  if (commands.empty()) return InformationText{app.help()};
  if (commands.size() > 1) {
    return absl::InvalidArgumentError(
        fmt::format("help takes one command, got {}", fmt::join(commands, " and ")));
  }
  const std::string name = commands.front() == "--help" ? "help" : commands.front();
  if (name == "--man") return InformationText{ManualPage()};  // what the build writes for man
  if (auto topic = HelpOnTopic(name)) return InformationText{*std::move(topic)};
  const auto found =
      app.get_subcommands([&name](const CLI::App* one) { return one->get_name() == name; });
  if (found.empty()) {
    return absl::InvalidArgumentError(NoCommand(name, app, ", see torchlap help"));
  }
  return InformationText{found.front()->help(app.get_name())};
}

void AddGlobals(CLI::App* app, AllOptions* all) {
  app->add_option("--address", all->address,
                  "unix:/path or host:port; default: TORCHLAP_ADDRESS, else the system's socket, "
                  "else the user's")
      ->expected(1)
      ->type_name("ADDR");
  app->set_version_flag("--version", "torchlap " TORCHLAP_VERSION);
  app->require_subcommand(0, 1);
  app->fallthrough();
}

void AddAll(CLI::App* app, AllOptions* all) {
  AddGlobals(app, all);
  AddMeasuring(app, all);
  AddFollowing(app, all);
  AddRunQueries(app, all);
  AddHistory(app, all);
  AddKeeping(app, all);
  AddServiceQueries(app, all);
  AddHelp(app);
}

FlagWords FlagOf(const CLI::Option& option) {
  FlagWords flag;
  if (option.get_positional()) flag.names.push_back(option.get_name(/*positional=*/true));
  for (const std::string& name : option.get_lnames()) flag.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) flag.names.push_back("-" + name);
  if (option.get_items_expected_max() > 0) flag.type = option.get_type_name();
  flag.help = option.get_description();
  flag.group = option.get_group();
  flag.is_list = option.get_items_expected_max() > 1;
  return flag;
}

CommandWords CommandOf(const std::string& name, const CLI::App& app) {
  CommandWords command{name, app.get_description(), app.get_footer(), {}, {}};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;  // help does not show it
    (option->get_positional() ? command.positionals : command.flags).push_back(FlagOf(*option));
  }
  return command;
}

// The word that CLI11 could not place, in the words of this program.
std::string ExtraWord(const std::string& extra, const Words& words, const CLI::App& app) {
  const std::string command = ChosenCommand(app);
  if (command.empty()) {
    return extra[0] == '-' ? fmt::format("{} is not a flag, see torchlap --help", extra)
                           : NoCommand(extra, app, ", see torchlap --help");
  }
  const bool is_flag = extra.size() > 1 && extra[0] == '-' && (extra[1] < '0' || extra[1] > '9');
  if (is_flag) {
    return fmt::format("{} is not a flag of {}, see torchlap {} --help", extra, command, command);
  }
  const auto place = std::find(words.begin(), words.end(), extra);
  if (place - words.begin() >= 2 && std::prev(place, 2)->rfind("--", 0) == 0) {
    return fmt::format("{} takes one value, got {} and {}", *std::prev(place, 2), *std::prev(place),
                       extra);
  }
  return fmt::format("{} takes no word {} here, see torchlap {} --help", command, extra, command);
}

// CLI11's message begins with the flag.
std::string WrongCount(const std::string& message, const Words& words) {
  const std::string flag = message.substr(0, message.find(':'));
  const auto times = std::count_if(words.begin(), words.end(), [&](const std::string& word) {
    return word == flag || word.rfind(flag + "=", 0) == 0;
  });
  return times > 1 ? fmt::format("{} is given {} times, must be given once", flag, times)
                   : fmt::format("{} has no value, must have one", flag);
}

absl::Status UsageError(const CLI::ParseError& error, const CLI::App& app, const Words& words) {
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    const Words extras = app.remaining(/*recurse=*/true);
    if (!extras.empty()) {
      return absl::InvalidArgumentError(ExtraWord(extras.front(), words, app));
    }
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    return absl::InvalidArgumentError(WrongCount(error.what(), words));
  }
  return absl::InvalidArgumentError(error.what());
}

}  // namespace

absl::StatusOr<std::variant<InformationText, Arguments>> ParseArguments(const Words& words) {
  if (auto asked = AskedWords(words)) return *std::move(asked);
  AllOptions all;
  CLI::App app("torchlap: benchmarks of Transformer language models on a shared machine",
               "torchlap");
  AddAll(&app, &all);
  if (const std::optional<Words> commands = AskedHelp(words)) return HelpOf(*commands, app);
  try {
    app.parse(Words(words.rbegin(), words.rend()));  // CLI11 takes them from the back
  } catch (const CLI::CallForHelp&) {
    return InformationText{app.help()};
  } catch (const CLI::CallForVersion& version) {
    return InformationText{std::string(version.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    return UsageError(error, app, words);
  }
  const std::string command = ChosenCommand(app);
  if (command.empty()) {
    return absl::InvalidArgumentError("no command is given, see torchlap --help");
  }
  return Arguments{all.address, Chosen(command, all)};
}

std::vector<CommandWords> AllCommands() {
  AllOptions all;
  CLI::App app("", "torchlap");
  AddAll(&app, &all);
  std::vector<CommandWords> commands = {CommandOf("", app)};
  for (const CLI::App* command : app.get_subcommands({})) {
    commands.push_back(CommandOf(command->get_name(), *command));
  }
  return commands;
}

}  // namespace torchlap::client
