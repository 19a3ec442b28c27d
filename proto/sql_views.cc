#include "proto/sql_views.h"

#include <initializer_list>

#include "proto/columns.h"
#include "proto/samples.h"

namespace torchlap {
namespace {

SqlView Runs() {
  SqlView view{"runs", "a row a finished run", {}};
  for (const RunColumn& column : RunColumns()) {
    view.columns.push_back({column.stored_name, column.meaning});
  }
  return view;
}

SqlView Phases() {
  return {"phases",
          "a row for each phase that a finished run timed",
          {{"run_id", "`17.2`"},
           {"phase", "forward, loss, backward, optimizer, step"},
           {"mean_ns", "of the measured steps"},
           {"std_ns", "standard deviation"},
           {"median_ns", "of the measured steps"},
           {"min_ns", "of the measured steps"},
           {"max_ns", "of the measured steps"},
           {"p95_ns", "95th percentile"},
           {"cv", "std_ns / mean_ns"},
           {"peak_allocated_bytes", "most that tensors had in the phase"},
           {"peak_reserved_bytes", "most that the allocator held in the phase"},
           {"invalid_reason", "why a user declared the run invalid; NULL: nobody did"}}};
}

std::string MeaningOfTime(const std::string& name) {
  if (name == "start_ns") return "start of the step, CLOCK_MONOTONIC of the host";
  if (name == "foreign_cpu_ns") return "CPU time that other processes had on the worker's cores";
  if (name == "run_delay_ns") return "time that the worker's threads were ready and did not run";
  return name.starts_with("device_") ? "device clock" : "host clock";
}

SqlView Steps() {
  SqlView view{"steps",
               "a row a step of a finished run, if its samples are kept",
               {{"run_id", "`17.2`; name it where you can, as each run's steps are one block"},
                {"step", "from 0, warm-up included"},
                {"warmup", "1: a warm-up step"}}};
  for (const SampleColumn& column : SampleColumns()) {
    view.columns.push_back({column.name, MeaningOfTime(column.name)});
  }
  return view;
}

SqlView Sweeps() {
  return {"sweeps",
          "a row a submit",
          {{"sweep_id", "`sweep:3` is 3"},
           {"name", "as it was given; NULL: none"},
           {"user", "who submitted it"},
           {"submitted_at_ns", "ns since 1970"},
           {"jobs", "how many it has"},
           {"succeeded", "of these"},
           {"failed", "of these"}}};
}

std::string MeaningOf(const std::string& name) {
  for (const RunColumn& column : RunColumns()) {
    if (column.stored_name == name) return column.meaning;
  }
  return "";
}

void AddLikeRuns(std::initializer_list<const char*> names, SqlView* view) {
  for (const char* name : names) view->columns.push_back({name, MeaningOf(name)});
}

// `times`: the columns between what was run and its shape.
void AddMeans(const std::vector<SqlColumn>& times, SqlView* view) {
  AddLikeRuns({"edition", "model_size", "parameters", "pass_type", "timing", "precision",
               "attention", "optimizer"},
              view);
  view->columns.push_back({"batch_size", "of what was computed"});
  view->columns.push_back({"context_length", "of what was computed"});
  AddLikeRuns({"purpose", "outcome", "validity"}, view);
  view->columns.insert(view->columns.end(), times.begin(), times.end());
  AddLikeRuns({"workload_hash", "vocab_size", "d_model", "d_ff", "layers", "heads"}, view);
}

SqlView Means() {
  std::vector<SqlColumn> times = {{"runs", "that finished: invalid ones and earlier tries, too"}};
  for (const std::string phase : {"forward", "loss", "backward", "optimizer", "step"}) {
    times.push_back({phase + "_runs",
                     "how many the mean is of: of each launch the last OK run that is not declared "
                     "invalid"});
    times.push_back({phase + "_mean_ns", "mean of their means; NULL: of none"});
  }
  SqlView view{"means",
               "a row for each workload, timing, purpose, outcome and verdict; kept, so there at "
               "once, however many runs there are",
               {}};
  AddMeans(times, &view);
  return view;
}

SqlView DailyMeans() {
  SqlView view{"daily_means",
               "the same by day, user and device, a row for each phase; name the phase, as each is "
               "summed up when it is asked for",
               {{"day", "UTC, of the start, `2026-11-28`"}}};
  AddLikeRuns({"user", "device"}, &view);
  AddMeans({{"phase", "forward, loss, backward, optimizer, step"},
            {"runs",
             "how many timed it and are not declared invalid: earlier tries of a launch, too "
             "(contaminated ones)"},
            {"mean_ns", "mean of their means"}},
           &view);
  return view;
}

}  // namespace

const std::vector<SqlView>& SqlViews() {
  static const std::vector<SqlView> views = {Runs(),   Phases(), Steps(),
                                             Sweeps(), Means(),  DailyMeans()};
  return views;
}

}  // namespace torchlap
