// The commands: what each is given, and what carries it out. Words are as typed; a command checks
// them before it connects. Every Execute returns the exit code, or a status that the program words
// and maps (exit_code.h).
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/output.h"
#include "client/selector.h"
#include "client/sweep_words.h"

namespace torchlap::client {

// What all commands share.
struct Invocation {
  std::string address;
  Console console;
  std::vector<std::string> words = {};  // as typed, without the program's name and --address
};

// Of `run` and `submit`: what is known already.
struct KnownWords {
  std::optional<std::string> reuse;  // take stored runs since then instead of new ones
  bool dry_run = false;              // a forecast instead of a sweep
};

// Submits, follows, prints the result table. Ctrl-C detaches, a second one within 3 s cancels.
struct RunOptions {
  SweepWords sweep;
  OutputWords output;
  KnownWords known = {};
};
absl::StatusOr<int> Execute(const RunOptions& options, const Invocation& invocation);

// Prints the sweep and its job ids at once.
struct SubmitOptions {
  SweepWords sweep;
  OutputWords output;
  KnownWords known = {};
};
absl::StatusOr<int> Execute(const SubmitOptions& options, const Invocation& invocation);

// The same workload after different numbers of warm-up steps, each in a fresh process, in random
// order; prints what that shows. Follows as `run` does.
struct WarmupOptions {
  SweepWords sweep;  // one value an axis; without warm-up steps
  std::vector<std::string> steps;
  OutputWords output;
};
absl::StatusOr<int> Execute(const WarmupOptions& options, const Invocation& invocation);

// The largest batch, or context, that fits; each try is a run. Follows as `run` does.
struct FitOptions {
  SweepWords sweep;  // one value an axis
  std::optional<std::string> axis;
  OutputWords output;
};
absl::StatusOr<int> Execute(const FitOptions& options, const Invocation& invocation);

// The device's matmul peak by precision and its memory bandwidth. Follows as `run` does.
struct CalibrateOptions {
  SweepWords sweep;  // device, name, labels, priority and time limit
  std::optional<std::string> matrix_size;
  OutputWords output;
};
absl::StatusOr<int> Execute(const CalibrateOptions& options, const Invocation& invocation);

// Blocks until all chosen jobs are finished; 124 after --timeout.
struct WaitOptions {
  std::vector<std::string> selectors;
  std::optional<std::string> timeout;
  std::optional<std::string> trace;  // folder for the traces of the chosen jobs
};
absl::StatusOr<int> Execute(const WaitOptions& options, const Invocation& invocation);

// Follows jobs that were submitted before, and prints their result table. Ctrl-C ends it and says
// how to follow or cancel the jobs, which go on.
struct WatchOptions {
  std::vector<std::string> selectors;
  OutputWords output;
};
absl::StatusOr<int> Execute(const WatchOptions& options, const Invocation& invocation);

struct CancelOptions {
  std::vector<std::string> selectors;
  std::optional<std::string> user;  // of the chosen jobs those of this account
  OutputWords output;
};
absl::StatusOr<int> Execute(const CancelOptions& options, const Invocation& invocation);

// Queued and running jobs, and why each waits.
struct QueueOptions {
  std::optional<std::string> limit;
  OutputWords output;
};
absl::StatusOr<int> Execute(const QueueOptions& options, const Invocation& invocation);

// A job with its attempts, or a run with samples and environment.
struct ShowOptions {
  std::string id;
  OutputWords output;
};
absl::StatusOr<int> Execute(const ShowOptions& options, const Invocation& invocation);

// Finished runs, newest first.
struct RunsOptions {
  FilterWords filter;
  bool wide = false;  // every column, however long the lines become
  std::optional<std::string> columns;
  std::optional<std::string> order;
  std::optional<std::string> limit;
  OutputWords output;
};
absl::StatusOr<int> Execute(const RunsOptions& options, const Invocation& invocation);

// Without a selector the caller's latest sweep.
struct ExportOptions {
  FilterWords filter;
  std::optional<std::string> pivot;        // rows=size,columns=context,value=step_median
  std::optional<std::string> relative_to;  // AXIS=VALUE
  std::optional<std::string> columns;
  std::optional<std::string> caption;
  std::optional<std::string> reference;  // what a LaTeX or Typst text calls the table
  bool samples = false;                  // a row a step instead of a row a run
  OutputWords output;
};
absl::StatusOr<int> Execute(const ExportOptions& options, const Invocation& invocation);

// What was submitted, newest first.
struct SweepsOptions {
  std::optional<std::string> user;
  std::optional<std::string> limit;
  bool wide = false;  // nothing is shortened, however long the lines become
  OutputWords output;
};
absl::StatusOr<int> Execute(const SweepsOptions& options, const Invocation& invocation);

struct PresetsOptions {
  OutputWords output;
};
absl::StatusOr<int> Execute(const PresetsOptions& options, const Invocation& invocation);

struct DevicesOptions {
  OutputWords output;
};
absl::StatusOr<int> Execute(const DevicesOptions& options, const Invocation& invocation);

struct StatusOptions {
  OutputWords output;
};
absl::StatusOr<int> Execute(const StatusOptions& options, const Invocation& invocation);

// What is wrong with the machine, and what to do. Exits 0 whatever was found, 3 where no daemon
// answers (which is then what it found).
struct DoctorOptions {
  OutputWords output;
};
absl::StatusOr<int> Execute(const DoctorOptions& options, const Invocation& invocation);

// Is B faster than A, cell by cell. Without operands within the caller's latest sweep, by an axis.
struct CompareOptions {
  // A and B: selectors and filters, `sweep:3 precision=fp32`; with --by any number, all of them A.
  std::vector<std::string> operands;
  FilterWords filter;                     // of both sides; without selectors
  std::optional<std::string> by;          // AXIS or AXIS=VALUE, the value that is A
  std::optional<std::string> phase;       // one word or a comma list
  std::optional<std::string> min_effect;  // 1%, 0.01 or `learned`
  std::optional<std::string> fail_on;     // slower,inconclusive,incomparable
  bool include_contaminated = false;
  bool until_decided = false;
  std::optional<std::string> max_launches;
  OutputWords output;
};
absl::StatusOr<int> Execute(const CompareOptions& options, const Invocation& invocation);

// Series over time and the steps in them.
struct TrendOptions {
  FilterWords filter;
  std::optional<std::string> phase;
  std::optional<std::string> min_effect;
  std::optional<std::string> fail_on;  // step
  bool include_contaminated = false;
  OutputWords output;
};
absl::StatusOr<int> Execute(const TrendOptions& options, const Invocation& invocation);

// set, show or clear the caller's reference.
struct BaselineOptions {
  std::string action;
  FilterWords filter;
  std::optional<std::string> reason;
  OutputWords output;
};
absl::StatusOr<int> Execute(const BaselineOptions& options, const Invocation& invocation);

// Sets labels, `k=v`, and removes those of --remove.
struct LabelOptions {
  std::vector<std::string> words;  // selectors and k=v, mixed
  std::vector<std::string> remove;
};
absl::StatusOr<int> Execute(const LabelOptions& options, const Invocation& invocation);

struct NoteOptions {
  std::vector<std::string> selectors;
  std::optional<std::string> text;
  bool clear = false;
};
absl::StatusOr<int> Execute(const NoteOptions& options, const Invocation& invocation);

struct InvalidateOptions {
  std::vector<std::string> selectors;
  std::optional<std::string> reason;
  bool undo = false;
};
absl::StatusOr<int> Execute(const InvalidateOptions& options, const Invocation& invocation);

// What a run's worker wrote to its standard error; of a job: of its last run.
struct LogsOptions {
  std::string id;
};
absl::StatusOr<int> Execute(const LogsOptions& options, const Invocation& invocation);

// Read-only SQL on the documented views.
struct SqlOptions {
  std::optional<std::string> query;
  bool schema = false;
  std::optional<std::string> limit;
  OutputWords output;
};
absl::StatusOr<int> Execute(const SqlOptions& options, const Invocation& invocation);

struct BackupOptions {
  std::string file;
};
absl::StatusOr<int> Execute(const BackupOptions& options, const Invocation& invocation);

struct PruneOptions {
  std::optional<std::string> samples_older_than;
  std::vector<std::string> runs;  // selectors
  bool dry_run = false;
  bool yes = false;
};
absl::StatusOr<int> Execute(const PruneOptions& options, const Invocation& invocation);

// Submits again what was asked for.
struct RerunOptions {
  std::vector<std::string> selectors;
  bool failed = false;  // of the chosen jobs those that failed
  std::optional<std::string> name;
  OutputWords output;
};
absl::StatusOr<int> Execute(const RerunOptions& options, const Invocation& invocation);

struct PlotOptions {
  FilterWords filter;
  std::optional<std::string> x;
  std::optional<std::string> y;
  std::optional<std::string> by;
  bool log_x = false;
  bool log_y = false;
  std::optional<std::string> title;
  std::optional<std::string> file;  // .svg, .pdf, .png, .gp
};
absl::StatusOr<int> Execute(const PlotOptions& options, const Invocation& invocation);

struct ReportOptions {
  FilterWords filter;
  std::optional<std::string> title;
  std::optional<std::string> file;
};
absl::StatusOr<int> Execute(const ReportOptions& options, const Invocation& invocation);

// A script for a shell, or, for those scripts, the words that may follow.
struct CompletionOptions {
  std::string shell;               // bash, zsh, fish, words
  std::vector<std::string> words;  // of `words`: the line so far
};
absl::StatusOr<int> Execute(const CompletionOptions& options, const Invocation& invocation);

// What suites found; `findings set N STATE` says what has become of one.
struct FindingsOptions {
  std::vector<std::string> words;  // none, or: set N STATE
  std::optional<std::string> why;
  std::optional<std::string> state;
  std::optional<std::string> user;
  std::optional<std::string> since;
  bool all = false;
  OutputWords output;
};
absl::StatusOr<int> Execute(const FindingsOptions& options, const Invocation& invocation);

// What happened, on one screen.
struct DigestOptions {
  std::optional<std::string> since;
  std::optional<std::string> user;
  OutputWords output;
};
absl::StatusOr<int> Execute(const DigestOptions& options, const Invocation& invocation);

// check FILE, add FILE, list, remove NAME.
struct SuiteOptions {
  std::vector<std::string> words;
  std::optional<std::string> when;
  std::optional<std::string> name;
  std::optional<std::string> user;
  OutputWords output;
};
absl::StatusOr<int> Execute(const SuiteOptions& options, const Invocation& invocation);

// Runs of another torchlap's database.
struct ImportOptions {
  std::string file;
  std::optional<std::string> host;
};
absl::StatusOr<int> Execute(const ImportOptions& options, const Invocation& invocation);

using CommandOptions =
    std::variant<RunOptions, SubmitOptions, WarmupOptions, FitOptions, CalibrateOptions,
                 WaitOptions, WatchOptions, CancelOptions, QueueOptions, ShowOptions, RunsOptions,
                 ExportOptions, SweepsOptions, PresetsOptions, DevicesOptions, StatusOptions,
                 DoctorOptions, CompareOptions, TrendOptions, BaselineOptions, LabelOptions,
                 NoteOptions, InvalidateOptions, LogsOptions, SqlOptions, BackupOptions,
                 PruneOptions, RerunOptions, PlotOptions, ReportOptions, CompletionOptions,
                 FindingsOptions, DigestOptions, SuiteOptions, ImportOptions>;

}  // namespace torchlap::client
