#include "client/sweep_flags.h"

#include <fmt/format.h>

#include "proto/ranges.h"
#include "proto/words.h"

namespace torchlap::client {
namespace {

using Model = v1::TransformerLm;
using Plan = v1::Plan;
using Oom = v1::OomPolicy;

constexpr double kSecondNs = 1e9;
constexpr double kMinuteNs = 60e9;

// "sequences in a step (4)": with the default of a field of the contract, which is counted
// in `unit` and said with its letter.
template <typename M>
std::string Usually(const char* text, int field, double unit = 1, const char* letter = "") {
  return fmt::format("{} ({:.15g}{})", text, DefaultOf<M>(field) / unit, letter);
}

std::string BatchHelp(const char* text) {
  return Usually<Model>(text, Model::kBatchSizeFieldNumber);
}

std::string ContextHelp(const char* text) {
  return Usually<Model>(text, Model::kContextLengthFieldNumber);
}

std::string WarmupHelp(const char* text) {
  return Usually<Plan>(text, Plan::kWarmupStepsFieldNumber);
}

std::string StepsHelp(const char* text) {
  return Usually<Plan>(text, Plan::kMeasureStepsFieldNumber);
}

std::string TimeLimitHelp(const char* text) {
  return Usually<Plan>(text, Plan::kTimeLimitNsFieldNumber, kMinuteNs, "m");
}

std::string PriorityHelp() {
  const auto& field =
      *v1::JobSpec::descriptor()->FindFieldByNumber(v1::JobSpec::kPriorityFieldNumber);
  return "larger first, " + RangeWords(field) + " (0)";
}

void AddShape(CLI::App* app, SweepWords* sweep) {
  AddWord(app, "--layers", &sweep->layers, "a shape in place of a preset: all four of these", "N");
  AddWord(app, "--heads", &sweep->heads, "", "N");
  AddWord(app, "--d-model", &sweep->d_model, "", "N");
  AddWord(app, "--d-ff", &sweep->d_ff, "", "N");
  AddWord(app, "--vocab", &sweep->vocab,
          Usually<Model>("vocabulary of the shape", Model::kVocabSizeFieldNumber), "N");
}

void AddAxes(CLI::App* app, SweepWords* sweep) {
  SetGroup(app, "Axes (several values: 128 256, 128,256, 128..1024*2, 1..4)");
  AddAxis(app, "--model-sizes,--model-size", &sweep->model_sizes,
          "presets: small, cs336-2026/xl (torchlap presets)");
  AddAxis(app, "--pass-type", &sweep->pass_types, Words<v1::PassType>());
  AddAxis(app, "--batch-size", &sweep->batch_sizes, BatchHelp("sequences in a step"));
  AddAxis(app, "--context-length", &sweep->context_lengths, ContextHelp("tokens in a sequence"));
  AddAxis(app, "--precision", &sweep->precisions, Words<v1::Precision>());
  AddAxis(app, "--attention", &sweep->attentions, Words<v1::Attention>());
  AddAxis(app, "--warmup-steps", &sweep->warmup_steps,
          WarmupHelp("steps before the measured ones"));
  AddAxis(app, "--measure-steps", &sweep->measure_steps, StepsHelp("measured steps"));
  SetGroup(app, "Cells and shapes");
  AddRepeated(app, "--cell", &sweep->cells,
              "add a single cell; keys: size pass batch context precision attention warmup steps",
              "K=V,...");
  AddShape(app, sweep);
}

// What a run of every kind has.
void AddExecution(CLI::App* app, SweepWords* sweep) {
  AddWord(app, "--optimizer", &sweep->optimizer, Words<v1::Optimizer>(), "OPTIMIZER");
  AddWord(app, "--seed", &sweep->seed, "of weights and token ids (0)", "N");
  AddWord(app, "--time-limit", &sweep->time_limit, TimeLimitHelp("of one run: 90s, 15m, 1h"),
          "TIME");
  AddWord(app, "--telemetry", &sweep->telemetry, Words<v1::Telemetry>(), "TELEMETRY");
  AddSwitch(app, "--cuda-graph", &sweep->cuda_graph,
            "capture the step after warm-up and replay it (CUDA, timing combined)");
  AddWord(app, "--memory-fraction", &sweep->memory_fraction,
          "share of a CUDA device's memory to use (1)", "RATIO");
}

void AddStopping(CLI::App* app, SweepWords* sweep) {
  AddWord(app, "--plan", &sweep->plan,
          "course (5 + 10 steps), paper (until settled, then to 1 %, 7 launches)", "PLAN");
  AddWord(app, "--target-precision", &sweep->target_precision,
          "measure until the 95 % interval of the mean is this narrow (1%)", "RATIO");
  AddWord(app, "--max-steps", &sweep->max_steps,
          Usually<Plan>("most steps with a target", Plan::kMaxStepsFieldNumber), "N");
  AddWord(
      app, "--max-seconds", &sweep->max_seconds,
      Usually<Plan>("longest measuring with a target", Plan::kMaxMeasureNsFieldNumber, kSecondNs),
      "S");
}

void AddTiming(CLI::App* app, SweepWords* sweep) {
  AddWord(app, "--timing", &sweep->timing, Words<v1::Timing>(), "TIMING");
}

void AddLaunches(CLI::App* app, SweepWords* sweep) {
  AddWord(app, "--launches", &sweep->launches,
          Usually<Plan>("independent runs of each cell", Plan::kLaunchesFieldNumber), "N");
}

void AddRetries(CLI::App* app, SweepWords* sweep) {
  AddWord(app, "--retry-contaminated", &sweep->retry_contaminated,
          "run again, so often, what other work disturbed (0)", "N");
}

void AddLadder(CLI::App* app, SweepWords* sweep) {
  AddOnOff(app, "oom-retry", &sweep->oom_retry,
           "retry a smaller batch, then context, when memory runs out (on)",
           "let such a cell fail");
  AddWord(app, "--min-batch", &sweep->min_batch,
          Usually<Oom>("smallest batch to retry with", Oom::kMinBatchSizeFieldNumber), "N");
  AddWord(app, "--min-context", &sweep->min_context,
          Usually<Oom>("smallest context to retry with", Oom::kMinContextLengthFieldNumber), "N");
}

void AddPlan(CLI::App* app, SweepWords* sweep) {
  SetGroup(app, "Measuring");
  AddTiming(app, sweep);
  AddStopping(app, sweep);
  AddLaunches(app, sweep);
  AddExecution(app, sweep);
  AddRetries(app, sweep);
  AddWord(app, "--trace", &sweep->trace,
          "one more run of each cell, whose Chrome trace is written to DIR", "DIR");
  AddLadder(app, sweep);
}

void AddQueueing(CLI::App* app, SweepWords* sweep) {
  SetGroup(app, "Queueing");
  AddWord(app, "--device", &sweep->device, "a device, cpu, cuda or any", "DEVICE");
  AddWord(app, "--if-busy", &sweep->if_busy,
          "while others use the GPU: " + Words<v1::IfBusy>() + " (wait, 1h at most)", "ACTION");
  AddWord(app, "--priority", &sweep->priority, PriorityHelp(), "N");
  AddWord(app, "--name", &sweep->name, "name of the sweep", "NAME");
  AddRepeated(app, "--label", &sweep->labels, "a word on every run; repeatable", "K=V");
}

void AddSuiteFile(CLI::App* app, SweepWords* sweep) {
  SetGroup(app, "Suite");
  AddWord(app, "--file", &sweep->file,
          "named sweeps, in place of all flags above (torchlap help suites)", "SUITE.toml");
}

void AddResult(CLI::App* app, OutputWords* output, format::Content content) {
  SetGroup(app, "Output");
  AddOutput(app, output, content);
}

// One workload instead of a sweep of them. `batch` and `context` say what the two are for.
void AddWorkload(CLI::App* app, SweepWords* sweep, const std::string& batch,
                 const std::string& context) {
  SetGroup(app, "Workload (one value each)");
  AddSingle(app, "--model-size,--model-sizes", &sweep->model_sizes,
            "a preset: small, cs336-2026/xl (torchlap presets)", "NAME");
  AddShape(app, sweep);
  AddSingle(app, "--pass-type", &sweep->pass_types, Words<v1::PassType>());
  AddSingle(app, "--batch-size", &sweep->batch_sizes, batch);
  AddSingle(app, "--context-length", &sweep->context_lengths, context);
  AddSingle(app, "--precision", &sweep->precisions, Words<v1::Precision>());
  AddSingle(app, "--attention", &sweep->attentions, Words<v1::Attention>());
}

}  // namespace

void AddSweepFlags(CLI::App* app, SweepWords* sweep, OutputWords* output) {
  AddAxes(app, sweep);
  AddPlan(app, sweep);
  AddQueueing(app, sweep);
  AddSuiteFile(app, sweep);
  AddResult(app, output, format::Content::kRuns);
}

void AddKnownFlags(CLI::App* app, KnownWords* known) {
  SetGroup(app, "Known already");
  AddWord(app, "--reuse", &known->reuse,
          "take stored clean runs of the same, since then: 30d, 2026-01-31", "TIME");
  AddSwitch(app, "--dry-run", &known->dry_run,
            "run nothing; print what each cell needs, takes and could reuse");
}

void AddWarmupFlags(CLI::App* app, WarmupOptions* options) {
  SweepWords* sweep = &options->sweep;
  AddWorkload(app, sweep, BatchHelp("sequences in a step"), ContextHelp("tokens in a sequence"));
  SetGroup(app, "Measuring");
  AddAxis(app, "--steps", &options->steps,
          "numbers of warm-up steps to compare: 0 1 2, 0,1,2, 0..4 (0,1,2,5,10)");
  AddSingle(app, "--measure-steps", &sweep->measure_steps, StepsHelp("measured steps"));
  AddTiming(app, sweep);
  AddLaunches(app, sweep);
  AddExecution(app, sweep);
  AddRetries(app, sweep);
  AddLadder(app, sweep);
  AddQueueing(app, sweep);
  AddResult(app, &options->output, format::Content::kResult);
}

void AddFitFlags(CLI::App* app, FitOptions* options) {
  SweepWords* sweep = &options->sweep;
  AddWorkload(app, sweep,
              BatchHelp("sequences in a step; with --axis batch the size to begin with"),
              ContextHelp("tokens in a sequence; with --axis context the size to begin with"));
  SetGroup(app, "Measuring");
  AddWord(app, "--axis", &options->axis, "what grows: " + Words<v1::FitAxis>() + " (batch)",
          "AXIS");
  AddSingle(app, "--warmup-steps", &sweep->warmup_steps,
            WarmupHelp("of the complete run that verifies the size"));
  AddSingle(app, "--measure-steps", &sweep->measure_steps, StepsHelp("of the same run"));
  AddTiming(app, sweep);
  AddExecution(app, sweep);
  AddQueueing(app, sweep);
  AddResult(app, &options->output, format::Content::kResult);
}

void AddCalibrateFlags(CLI::App* app, CalibrateOptions* options) {
  SetGroup(app, "Measuring");
  AddWord(app, "--matrix-size", &options->matrix_size,
          "rows and columns of the matrices (1024 on a CPU, 8192 on CUDA)", "N");
  AddWord(app, "--time-limit", &options->sweep.time_limit, TimeLimitHelp("90s, 15m, 1h"), "TIME");
  AddQueueing(app, &options->sweep);
  AddResult(app, &options->output, format::Content::kResult);
}

}  // namespace torchlap::client
