#include "client/help_topics.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "client/format/format.h"
#include "proto/words.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client {
namespace {

using format::Content;

constexpr char kSelectors[] =
    R"(Selectors say which jobs or runs a command is about. Several name all of them together.

  17           a job
  17.2         a run: the second one of job 17
  sweep:3      what one run or submit made; sweep:NAME by its --name
  last         your latest sweep
  baseline     the runs that baseline set chose
  all          everything
  label:k=v    narrows the others; alone: everything that has the label

Commands about jobs (wait, watch, cancel) take no runs and not all; wait and watch mean last
without a selector, and so do export, plot, report and compare --by. torchlap sweeps lists what
there is. A side of compare may be several words in quotes, filters too: torchlap help filters.
)";

constexpr char kFilters[] =
    R"(Filters narrow what selectors chose. Each takes one word or a comma list; a run must match every
filter, and one of the words of each.

  --model-size small,xl          --pass-type  --timing  --precision  --attention
  --device cuda:0                --user ann
  --label card=A                 repeatable: all of them
  --since 7d, --until 2026-01-31 when the run started: a date or time (UTC), or so long ago
  --outcome OK                   {outcomes}
  --purpose measure              {purposes}
  --verdict clean,unverified     {verdicts}
  --exclude-contaminated         leave out what other work disturbed
  --include-invalid              also what was declared invalid (torchlap invalidate)

As flags of compare they are of both sides. Those of one side stand beside its selectors or alone,
in quotes, without dashes:

  torchlap compare "since=14d until=7d" "since=7d"
  torchlap compare "sweep:3 device=cuda:0" "sweep:4 device=cuda:1"
  torchlap compare "label:card=A label:day=1" last

A word that has blanks itself is quoted once more: "'sweep:my sweep' since=7d"
)";

constexpr char kSuites[] =
    R"(A suite is a file of named sweeps. Its keys are the flags of torchlap run without dashes; what
stands above the sweeps holds for all of them.

  name = "night"                        # else the file's
  device = "cuda"
  launches = 3
  labels = { card = "A" }

  [sweep.main]
  model-size = ["small", "medium"]
  context-length = "128..512*2"
  baseline = "baseline"                 # what it is compared with after it ran

  [sweep.bf16]
  model-size = "small"
  precision = "bf16"
  baseline = "sweep:main"               # of this file, or any selector
  by = "precision=fp32"                 # as compare --by; without a baseline: within the sweep

baseline and by are for run --file. What the daemon runs is held against your baseline (torchlap
baseline set), else against its own past, once three earlier sweeps are known: torchlap findings

  torchlap suite check FILE             what it would submit, and what cannot fit
  torchlap run --file FILE --dry-run    what each cell needs and takes; for programs one list, with
                                        the name of the sweep in each row
  torchlap run --file FILE              now: a table for each sweep, and how it compares
  torchlap suite add FILE --when 02:00  every day at this local time of the daemon
  torchlap suite add FILE --when idle   when its devices were idle for 10 minutes (idle=1h), at
                                        most once a day
  torchlap suite list, suite remove NAME

Runs of a suite have the label suite=NAME. The daemon submits them in your name with the lowest
priority; it does not begin again before they have ended, makes up once what it missed, and waits
while the queue is full.
)";

constexpr char kExitCodes[] =
    R"(Exit codes of every command:

    0  succeeded
    1  usage: the line says what is wrong and what would be right
    2  a job failed; of doctor: a problem was found
    3  the daemon was not reached
    4  not found, or refused
    5  what --fail-on names was found (compare, trend)
    6  the result could not be written
  124  wait --timeout passed
  130  interrupted (Ctrl-C)
  143  terminated
)";

std::string Filters() {
  return fmt::format(kFilters, fmt::arg("outcomes", Words<v1::Outcome>()),
                     fmt::arg("purposes", Words<v1::Purpose>()),
                     fmt::arg("verdicts", Words<v1::Validity>()));
}

// `runs, lists, results`
std::string ContentWords(const format::Format& format) {
  constexpr std::array<std::pair<Content, std::string_view>, 6> kContents = {
      {{Content::kRuns, "runs"},
       {Content::kList, "lists"},
       {Content::kResult, "experiments"},
       {Content::kDetails, "details"},
       {Content::kSamples, "samples"},
       {Content::kTable, "chosen columns and pivots"}}};
  std::string words;
  for (const auto& [content, word] : kContents) {
    if (format.contents.Has(content)) words.append(words.empty() ? "" : ", ").append(word);
  }
  return words;
}

std::string Formats() {
  std::string text =
      "--format NAME chooses a format; without it the ending of -o FILE does.\n\n"
      "  name      file    writes\n";
  for (const format::Format* one : format::kFormats) {
    const std::string ending = one->ending.empty() ? "-" : "." + std::string(one->ending);
    text += fmt::format("  {:<9} {:<7} {}\n", one->name, ending, ContentWords(*one));
  }
  return text +
         "\nFormats for programs (csv, json, jsonl) have a row for each run, failed attempts "
         "included, with every\ncolumn; the others a row for each cell.\n\n"
         "A run id is a text: 17.10 is another run than 17.1. A program that guesses types must be "
         "told:\n"
         "  pandas   read_csv(FILE, dtype={\"run_id\": str}, parse_dates=[\"started_at\"])\n"
         "           read_json(FILE, lines=True, dtype={\"run_id\": str}, precise_float=True)\n"
         "  duckdb   read_csv('FILE', types={'run_id': 'VARCHAR'})\n";
}

}  // namespace

std::vector<std::string> HelpTopics() {
  return {"selectors", "filters", "formats", "suites", "exit-codes"};
}

std::optional<std::string> HelpOnTopic(const std::string& name) {
  if (name == "selectors") return kSelectors;
  if (name == "filters") return Filters();
  if (name == "formats") return Formats();
  if (name == "suites") return kSuites;
  if (name == "exit-codes") return kExitCodes;
  return std::nullopt;
}

}  // namespace torchlap::client
