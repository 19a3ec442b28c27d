#include "client/history_flags.h"

#include <CLI/CLI.hpp>
#include <string>
#include <variant>

#include "client/filter_flags.h"
#include "client/flags.h"
#include "proto/words.h"

namespace torchlap::client {
namespace {

constexpr char kRunSelectors[] = "17, 17.2, sweep:3, sweep:NAME, last, baseline, all, label:k=v";
constexpr char kMinEffect[] = "differences below this are none (1%), or learned from the past";

void AddSelectors(CLI::App* app, std::vector<std::string>* words, const std::string& help) {
  app->add_option("SELECTOR", *words, help)->type_name("");
}

}  // namespace

void AddRunSelectors(CLI::App* app, std::vector<std::string>* words) {
  AddSelectors(app, words, kRunSelectors);
}

void AddFilter(CLI::App* app, FilterWords* filter) {
  SetGroup(app, "Filters (one word or a comma list)");
  for (const FilterFlag& flag : FilterFlags()) {
    const std::string name = "--" + flag.name;
    if (const auto* word = std::get_if<FilterFlag::OneWord>(&flag.field)) {
      AddWord(app, name, &(filter->**word), flag.help, flag.type);
    } else if (const auto* words = std::get_if<FilterFlag::Repeated>(&flag.field)) {
      AddRepeated(app, name, &(filter->**words), flag.help, flag.type);
    } else {
      AddSwitch(app, name, &(filter->*std::get<FilterFlag::Switch>(flag.field)), flag.help);
    }
  }
  SetGroup(app, "Output");
}

void AddCompareFlags(CLI::App* app, CompareOptions* options) {
  app->add_option("A B", options->operands,
                  std::string("two of: ") + kRunSelectors +
                      "; A is the reference; in quotes several words and filters of one side "
                      "(sweep:3 since=7d)")
      ->type_name("");
  AddWord(app, "--by", &options->by,
          "within one selection: precision, attention, device, torchlap, label:KEY ...; =VALUE "
          "names the reference",
          "AXIS[=VALUE]");
  AddWord(app, "--phase", &options->phase,
          "step (default), forward, loss, backward, optimizer, all", "PHASE,...");
  AddWord(app, "--min-effect", &options->min_effect, kMinEffect, "SHARE");
  AddWord(app, "--fail-on", &options->fail_on,
          "exit with code 5 at one of: slower, inconclusive, incomparable", "WORD,...");
  AddSwitch(app, "--include-contaminated", &options->include_contaminated,
            "keep launches that other work disturbed");
  AddSwitch(app, "--until-decided", &options->until_decided,
            "run both sides again, interleaved, until there is a verdict");
  AddWord(app, "--max-launches", &options->max_launches,
          "with --until-decided: at most so many a side (32)", "N");
  AddFilter(app, &options->filter);
  AddOutput(app, &options->output, format::Content::kResult);
}

void AddTrendFlags(CLI::App* app, TrendOptions* options) {
  AddSelectors(app, &options->filter.selectors,
               std::string(kRunSelectors) +
                   "; only what is chosen is in the series: --model-size small --since 30d");
  AddWord(app, "--phase", &options->phase, "step (default), forward, loss, backward, optimizer",
          "PHASE");
  AddWord(app, "--min-effect", &options->min_effect, kMinEffect, "SHARE");
  AddWord(app, "--fail-on", &options->fail_on, "exit with code 5 at a step", "step");
  AddSwitch(app, "--include-contaminated", &options->include_contaminated,
            "keep runs that other work disturbed: each try of a launch is a point");
  AddFilter(app, &options->filter);
  AddOutput(app, &options->output, format::Content::kList);
}

void AddBaselineFlags(CLI::App* app, BaselineOptions* options) {
  app->add_option("ACTION", options->action, "set, show, clear")->type_name("");
  AddRunSelectors(app, &options->filter.selectors);
  AddWord(app, "--reason", &options->reason, "why these runs are the reference", "TEXT");
  AddFilter(app, &options->filter);
  AddOutput(app, &options->output, format::Content::kList);
}

void AddLabelFlags(CLI::App* app, LabelOptions* options) {
  app->add_option("SELECTOR K=V", options->words, "17, sweep:3, last ... and labels")
      ->type_name("");
  AddRepeated(app, "--remove", &options->remove, "take this label away; repeatable", "KEY");
}

void AddNoteFlags(CLI::App* app, NoteOptions* options) {
  AddRunSelectors(app, &options->selectors);
  AddWord(app, "--text", &options->text, "the note; replaces the one before", "TEXT");
  AddSwitch(app, "--clear", &options->clear, "take the note away");
}

void AddInvalidateFlags(CLI::App* app, InvalidateOptions* options) {
  AddRunSelectors(app, &options->selectors);
  AddWord(app, "--reason", &options->reason, "why they are not to be counted", "TEXT");
  AddSwitch(app, "--undo", &options->undo, "they are valid again");
}

void AddLogsFlags(CLI::App* app, LogsOptions* options) {
  app->add_option("ID", options->id, "17.2; 17: the last run of the job")->type_name("");
}

void AddSqlFlags(CLI::App* app, SqlOptions* options) {
  app->add_option("QUERY", options->query, "one SELECT on the views that --schema shows")
      ->type_name("");
  AddSwitch(app, "--schema", &options->schema, "the views and their columns");
  AddWord(app, "--limit", &options->limit, "at most so many rows (100000)", "N");
  AddOutput(app, &options->output, format::Content::kList);
}

void AddBackupFlags(CLI::App* app, BackupOptions* options) {
  app->add_option("FILE", options->file, "must not be there yet")->type_name("");
}

void AddPruneFlags(CLI::App* app, PruneOptions* options) {
  AddWord(app, "--samples-older-than", &options->samples_older_than,
          "the steps of older runs, whose summaries stay: 180d", "TIME");
  AddRepeated(app, "--runs", &options->runs, "these runs as a whole; a selector, repeatable",
              "SELECTOR");
  AddSwitch(app, "--dry-run", &options->dry_run, "only say how many");
  AddSwitch(app, "--yes", &options->yes, "do not ask");
}

void AddRerunFlags(CLI::App* app, RerunOptions* options) {
  AddSelectors(app, &options->selectors, "17, 17.2, sweep:3, sweep:NAME, last, label:k=v");
  AddSwitch(app, "--failed", &options->failed, "only what failed");
  AddWord(app, "--name", &options->name, "of the new sweep", "NAME");
  AddOutput(app, &options->output, format::Content::kRuns);
}

void AddPlotFlags(CLI::App* app, PlotOptions* options) {
  AddRunSelectors(app, &options->filter.selectors);
  AddWord(app, "--x", &options->x, "axis or column: context, batch, size, parameters ...", "NAME");
  AddWord(app, "--y", &options->y, "column, as step_median (default), tokens_per_s", "NAME");
  AddWord(app, "--by", &options->by, "a line for each: precision, attention, size ...", "AXIS");
  AddSwitch(app, "--log-x", &options->log_x, "logarithmic");
  AddSwitch(app, "--log-y", &options->log_y, "logarithmic");
  AddWord(app, "--title", &options->title, "above the plot", "TEXT");
  app->add_option("-o,--output", options->file,
                  "FILE.svg, .pdf or .png (by gnuplot), or .gp: script and data")
      ->expected(1)
      ->type_name("FILE");
  AddFilter(app, &options->filter);
}

void AddReportFlags(CLI::App* app, ReportOptions* options) {
  AddRunSelectors(app, &options->filter.selectors);
  AddWord(app, "--title", &options->title, "of the page", "TEXT");
  app->add_option("-o,--output", options->file, "the page (report.html)")
      ->expected(1)
      ->type_name("FILE");
  AddFilter(app, &options->filter);
}

void AddCompletionFlags(CLI::App* app, CompletionOptions* options) {
  app->add_option("SHELL", options->shell, "bash, zsh, fish")->type_name("");
  app->add_option("WORDS", options->words)->type_name("")->group("");
}

void AddPivotFlags(CLI::App* app, ExportOptions* options) {
  AddWord(app, "--pivot", &options->pivot,
          "rows=size,columns=context,value=step_median; value may be given twice", "K=V,...");
  AddWord(app, "--relative-to", &options->relative_to, "speed-up over these cells: precision=fp32",
          "AXIS=VALUE");
  AddWord(app, "--columns", &options->columns, "names as in --format csv", "NAME,...");
  AddWord(app, "--caption", &options->caption, "of a LaTeX, Typst or Markdown table", "TEXT");
  AddWord(app, "--reference", &options->reference, "what a text calls the table: tab:speed",
          "NAME");
}

void AddFindingsFlags(CLI::App* app, FindingsOptions* options) {
  app->add_option("set N STATE", options->words,
                  "what has become of finding N: " + Words<v1::CellFindingState>())
      ->type_name("");
  AddWord(app, "--why", &options->why, "of set: the reason; without it that of before stays",
          "TEXT");
  AddWord(app, "--state", &options->state, Words<v1::CellFindingState>() + " (all but fixed)",
          "STATE,...");
  AddSwitch(app, "--all", &options->all, "every state");
  AddWord(app, "--user", &options->user, "account, or uid:N", "USER");
  AddWord(app, "--since", &options->since, "found, seen or closed since: 7d ago, 2026-01-31",
          "TIME");
  AddOutput(app, &options->output, format::Content::kList);
}

void AddDigestFlags(CLI::App* app, DigestOptions* options) {
  AddWord(app, "--since", &options->since, "1d (default), 7d, 2026-01-31", "TIME");
  AddWord(app, "--user", &options->user, "account, or uid:N", "USER");
  AddOutput(app, &options->output, format::Content::kDetails);
}

void AddSuiteFlags(CLI::App* app, SuiteOptions* options) {
  app->add_option("check FILE | add FILE | list | remove NAME", options->words, "")->type_name("");
  AddWord(app, "--when", &options->when, "of add: 02:00 (each day), idle, idle=30m", "TIME");
  AddWord(app, "--name", &options->name, "of add: instead of the file's", "NAME");
  AddWord(app, "--user", &options->user, "of list and remove: account, or uid:N", "USER");
  AddOutput(app, &options->output, format::Content::kList);
}

void AddImportFlags(CLI::App* app, ImportOptions* options) {
  app->add_option("FILE", options->file, "a torchlap database, or what backup wrote")
      ->type_name("");
  AddWord(app, "--host", &options->host, "what its machine is called here", "NAME");
}

}  // namespace torchlap::client
