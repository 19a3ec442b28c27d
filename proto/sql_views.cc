#include "proto/sql_views.h"

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
           {"peak_reserved_bytes", "most that the allocator held in the phase"}}};
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

}  // namespace

const std::vector<SqlView>& SqlViews() {
  static const std::vector<SqlView> views = {Runs(), Phases(), Steps(), Sweeps()};
  return views;
}

}  // namespace torchlap
