#include "client/run_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "client/named_plan.h"
#include "proto/base/visible_text.h"
#include "proto/ranges.h"
#include "proto/words.h"

namespace torchlap::client {
namespace {

using Model = v1::TransformerLm;
using Plan = v1::Plan;

// The edition that a preset's bare name means, wherever the edition has the name.
constexpr char kBareEdition[] = "cs336-2025";

// Is it what the daemon puts where nothing is asked for?
bool IsUsual(int field, int64_t ns) { return static_cast<double>(ns) == DefaultOf<Plan>(field); }

// No shell makes anything else of it; zsh does of a `=` at the beginning.
bool IsPlainWord(const std::string& word) {
  return !word.empty() && word.front() != '=' &&
         std::all_of(word.begin(), word.end(), [](unsigned char c) {
           return (c < 0x80 && std::isalnum(c) != 0) ||
                  std::string_view("_./:=,+-%").find(static_cast<char>(c)) !=
                      std::string_view::npos;
         });
}

class CommandLine {
 public:
  explicit CommandLine(std::string command) : text_(std::move(command)) {}

  // From now on the flag has these values, whatever is added, at its default too.
  void Vary(const std::string& flag, const std::vector<std::string>& values) {
    varied_flag_ = flag;
    for (const std::string& value : values) varied_ += " " + ShellWord(value);
  }

  template <typename Value>
  void Add(const char* flag, const Value& value) {
    if (AddVaried(flag)) return;
    text_ += fmt::format(" {} {}", flag, ShellWord(fmt::format("{}", value)));
  }

  template <typename Value>
  void AddUnless(const Value& usual, const char* flag, const Value& value) {
    if (value != usual) Add(flag, value);
  }

  // A number of the contract; one that is unset, or at its default, says nothing.
  void AddNumber(const char* flag, const google::protobuf::Message& message, int number) {
    if (AddVaried(flag)) return;
    const auto& field = *message.GetDescriptor()->FindFieldByNumber(number);
    const auto& reflection = *message.GetReflection();
    if (!reflection.HasField(message, &field)) return;
    const uint32_t value = reflection.GetUInt32(message, &field);
    if (value != RangeOf(field)->unset) Add(flag, value);
  }

  // The same of a plan, where `usual` is what it is without the flag.
  void AddNumber(const char* flag, const Plan& plan, const Plan& usual, int number) {
    if (AddVaried(flag)) return;
    if (NumberOf(plan, number) == NumberOf(usual, number)) return;
    Add(flag, static_cast<uint32_t>(NumberOf(plan, number)));
  }

  // A word of the contract; one that is unset says nothing.
  template <typename Enum>
  void AddWord(Enum usual, const char* flag, Enum value) {
    if (AddVaried(flag)) return;
    if (value != usual && !Word(value).empty()) Add(flag, std::string(Word(value)));
  }

  void AddSwitch(const char* flag) { text_ += fmt::format(" {}", flag); }

  const std::string& text() const { return text_; }

 private:
  // Its default where it is unset; of a field that has one.
  static double NumberOf(const Plan& plan, int number) {
    const auto& field = *Plan::descriptor()->FindFieldByNumber(number);
    const auto& reflection = *plan.GetReflection();
    return reflection.HasField(plan, &field) ? reflection.GetUInt32(plan, &field)
                                             : DefaultOf<Plan>(number);
  }

  bool AddVaried(const char* flag) {
    if (flag != varied_flag_) return false;
    text_ += fmt::format(" {}{}", flag, varied_);
    return true;
  }

  std::string text_;
  std::string varied_flag_;
  std::string varied_;
};

// A whole number of seconds where it is one.
std::string Duration(int64_t ns) {
  if (ns % 1'000'000'000 == 0) return fmt::format("{}s", ns / 1'000'000'000);
  return fmt::format("{}ms", (ns + 999'999) / 1'000'000);
}

void AddModel(const v1::TransformerLm& model, CommandLine* line) {
  if (!model.preset().empty()) {
    const bool is_bare = model.edition().empty() || model.edition() == kBareEdition;
    line->Add("--model-sizes", is_bare ? model.preset() : model.edition() + "/" + model.preset());
    return;
  }
  line->Add("--layers", model.layers());
  line->Add("--heads", model.heads());
  line->Add("--d-model", model.d_model());
  line->Add("--d-ff", model.d_ff());
  line->AddNumber("--vocab", model, Model::kVocabSizeFieldNumber);
}

void AddWorkload(const v1::TransformerLm& model, CommandLine* line) {
  AddModel(model, line);
  line->AddWord(v1::PASS_TYPE_FORWARD_BACKWARD, "--pass-type", model.pass_type());
  line->AddNumber("--batch-size", model, Model::kBatchSizeFieldNumber);
  line->AddNumber("--context-length", model, Model::kContextLengthFieldNumber);
  line->AddWord(v1::PRECISION_FP32, "--precision", model.precision());
  line->AddWord(v1::ATTENTION_EXPLICIT, "--attention", model.attention());
  line->AddWord(v1::OPTIMIZER_COURSE, "--optimizer", model.optimizer());
}

void AddStopping(const Plan& plan, const Plan& usual, CommandLine* line) {
  line->AddNumber("--warmup-steps", plan, usual, Plan::kWarmupStepsFieldNumber);
  line->AddNumber("--measure-steps", plan, usual, Plan::kMeasureStepsFieldNumber);
  if (!plan.has_target_precision()) return;
  line->AddUnless(usual.target_precision(), "--target-precision", plan.target_precision());
  line->AddNumber("--max-steps", plan, usual, Plan::kMaxStepsFieldNumber);
  if (plan.has_max_measure_ns() &&
      !IsUsual(Plan::kMaxMeasureNsFieldNumber, plan.max_measure_ns())) {
    line->Add("--max-seconds", Duration(plan.max_measure_ns()));
  }
}

void AddPlan(const Plan& plan, CommandLine* line) {
  const std::string_view name = NearestPlanName(plan);
  const Plan usual = NamedPlan(name).value_or(Plan());
  line->AddUnless(std::string_view("course"), "--plan", name);
  line->AddWord(v1::TIMING_SEPARATE, "--timing", plan.timing());
  AddStopping(plan, usual, line);
  line->AddNumber("--launches", plan, usual, Plan::kLaunchesFieldNumber);
  line->AddUnless(uint64_t{0}, "--seed", uint64_t{plan.seed()});
  if (plan.execution() == v1::EXECUTION_CUDA_GRAPH) line->AddSwitch("--cuda-graph");
  if (plan.has_memory_fraction()) {
    line->AddUnless(1.0, "--memory-fraction", plan.memory_fraction());
  }
  if (plan.has_time_limit_ns() && !IsUsual(Plan::kTimeLimitNsFieldNumber, plan.time_limit_ns())) {
    line->Add("--time-limit", Duration(plan.time_limit_ns()));
  }
  line->AddUnless(0U, "--retry-contaminated", plan.retry_contaminated());
}

// What the daemon takes on the device where nothing is asked for; of a device that is not known,
// what the run has.
v1::Telemetry UsualTelemetry(const v1::Run& run) {
  if (run.device_uuid().empty()) return run.plan().telemetry();
  const bool is_cpu = run.device_uuid().rfind("CPU-", 0) == 0;
  return is_cpu ? v1::TELEMETRY_EDGES : v1::TELEMETRY_SAMPLED;
}

constexpr char kRun[] = "torchlap run";

std::string RunCommandWith(const v1::Run& run, CommandLine line) {
  AddWorkload(run.workload().transformer_lm(), &line);
  AddPlan(run.plan(), &line);
  line.AddWord(UsualTelemetry(run), "--telemetry", run.plan().telemetry());
  if (!run.device().empty()) line.Add("--device", run.device());
  return line.text();
}

}  // namespace

std::string ShellWord(const std::string& word) {
  const std::string visible = Visible(word);
  if (IsPlainWord(visible)) return visible;
  std::string quoted = "'";
  for (const char c : visible) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string FitCommand(const v1::Run& run, v1::FitAxis axis) {
  v1::TransformerLm model = run.workload().transformer_lm();
  if (axis == v1::FIT_AXIS_CONTEXT) {
    model.clear_context_length();
  } else {
    model.clear_batch_size();
  }
  CommandLine line("torchlap fit");
  line.AddWord(v1::FIT_AXIS_BATCH, "--axis", axis);
  AddWorkload(model, &line);
  if (run.plan().execution() == v1::EXECUTION_CUDA_GRAPH) line.AddSwitch("--cuda-graph");
  if (run.plan().has_memory_fraction()) {
    line.AddUnless(1.0, "--memory-fraction", run.plan().memory_fraction());
  }
  if (!run.device().empty()) line.Add("--device", run.device());
  return line.text();
}

std::string RunCommand(const v1::Run& run) { return RunCommandWith(run, CommandLine(kRun)); }

std::string RunCommandOver(const v1::Run& run, const std::string& flag,
                           const std::vector<std::string>& values) {
  CommandLine line(kRun);
  line.Vary(flag, values);
  return RunCommandWith(run, std::move(line));
}

}  // namespace torchlap::client
