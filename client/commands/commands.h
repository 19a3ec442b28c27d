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
};

// Submits, follows, prints the result table. Ctrl-C detaches, a second one within 3 s cancels.
struct RunOptions {
  SweepWords sweep;
  OutputWords output;
};
absl::StatusOr<int> Execute(const RunOptions& options, const Invocation& invocation);

// Prints the sweep and its job ids at once.
struct SubmitOptions {
  SweepWords sweep;
  OutputWords output;
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
  bool samples = false;  // a row a step instead of a row a run
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

using CommandOptions =
    std::variant<RunOptions, SubmitOptions, WarmupOptions, FitOptions, CalibrateOptions,
                 WaitOptions, WatchOptions, CancelOptions, QueueOptions, ShowOptions, RunsOptions,
                 ExportOptions, SweepsOptions, PresetsOptions, DevicesOptions, StatusOptions,
                 DoctorOptions>;

}  // namespace torchlap::client
