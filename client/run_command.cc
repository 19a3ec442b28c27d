#include "client/run_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "proto/words.h"

namespace torchlap::client {
namespace {

// The edition that a preset's bare name means, wherever the edition has the name.
constexpr char kBareEdition[] = "cs336-2025";
// What the daemon puts where nothing is asked for.
constexpr uint32_t kUsualVocabulary = 10000;
constexpr uint32_t kUsualBatch = 4;
constexpr uint32_t kUsualContext = 256;
constexpr uint32_t kUsualWarmup = 5;
constexpr uint32_t kUsualSteps = 10;
constexpr uint32_t kUsualMaxSteps = 1000;
constexpr int64_t kUsualMaxMeasureNs = 300'000'000'000;
constexpr int64_t kUsualTimeLimitNs = 900'000'000'000;

std::string Quoted(const std::string& word) {
  const bool is_plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("_./:=,+-%").find(c) != std::string_view::npos;
  });
  if (is_plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

class CommandLine {
 public:
  explicit CommandLine(std::string command) : text_(std::move(command)) {}

  template <typename Value>
  void Add(const char* flag, const Value& value) {
    text_ += fmt::format(" {} {}", flag, Quoted(fmt::format("{}", value)));
  }

  template <typename Value>
  void AddUnless(const Value& usual, const char* flag, const Value& value) {
    if (value != usual) Add(flag, value);
  }

  // A word of the contract; one that is unset says nothing.
  template <typename Enum>
  void AddWord(Enum usual, const char* flag, Enum value) {
    if (value != usual && !Word(value).empty()) Add(flag, std::string(Word(value)));
  }

  void AddSwitch(const char* flag) { text_ += fmt::format(" {}", flag); }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
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
  if (model.vocab_size() != 0) line->AddUnless(kUsualVocabulary, "--vocab", model.vocab_size());
}

void AddWorkload(const v1::TransformerLm& model, CommandLine* line) {
  AddModel(model, line);
  line->AddWord(v1::PASS_TYPE_FORWARD_BACKWARD, "--pass-type", model.pass_type());
  if (model.has_batch_size()) line->AddUnless(kUsualBatch, "--batch-size", model.batch_size());
  if (model.has_context_length()) {
    line->AddUnless(kUsualContext, "--context-length", model.context_length());
  }
  line->AddWord(v1::PRECISION_FP32, "--precision", model.precision());
  line->AddWord(v1::ATTENTION_EXPLICIT, "--attention", model.attention());
  line->AddWord(v1::OPTIMIZER_COURSE, "--optimizer", model.optimizer());
}

void AddStopping(const v1::Plan& plan, CommandLine* line) {
  if (plan.has_warmup_steps()) {
    line->AddUnless(kUsualWarmup, "--warmup-steps", plan.warmup_steps());
  }
  if (plan.has_measure_steps()) {
    line->AddUnless(kUsualSteps, "--measure-steps", plan.measure_steps());
  }
  if (!plan.has_target_precision()) return;
  line->Add("--target-precision", plan.target_precision());
  if (plan.has_max_steps()) line->AddUnless(kUsualMaxSteps, "--max-steps", plan.max_steps());
  if (plan.has_max_measure_ns() && plan.max_measure_ns() != kUsualMaxMeasureNs) {
    line->Add("--max-seconds", Duration(plan.max_measure_ns()));
  }
}

void AddPlan(const v1::Plan& plan, CommandLine* line) {
  line->AddWord(v1::TIMING_SEPARATE, "--timing", plan.timing());
  AddStopping(plan, line);
  if (plan.has_launches()) line->AddUnless(1U, "--launches", plan.launches());
  line->AddUnless(uint64_t{0}, "--seed", uint64_t{plan.seed()});
  if (plan.execution() == v1::EXECUTION_CUDA_GRAPH) line->AddSwitch("--cuda-graph");
  if (plan.has_memory_fraction()) {
    line->AddUnless(1.0, "--memory-fraction", plan.memory_fraction());
  }
  if (plan.has_time_limit_ns() && plan.time_limit_ns() != kUsualTimeLimitNs) {
    line->Add("--time-limit", Duration(plan.time_limit_ns()));
  }
  line->AddUnless(0U, "--retry-contaminated", plan.retry_contaminated());
}

}  // namespace

std::string RunCommand(const v1::Run& run) {
  CommandLine line("torchlap run");
  AddWorkload(run.workload().transformer_lm(), &line);
  AddPlan(run.plan(), &line);
  if (!run.device().empty()) line.Add("--device", run.device());
  return line.text();
}

}  // namespace torchlap::client
