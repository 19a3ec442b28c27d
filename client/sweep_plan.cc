#include "client/sweep_plan.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "client/named_plan.h"
#include "client/parse_words.h"
#include "client/time_words.h"
#include "proto/ranges.h"

namespace torchlap::client {
namespace {

struct ShapeFlag {
  const char* flag;
  const std::optional<std::string>& word;
  void (v1::TransformerLm::*set)(uint32_t);
};

absl::Status ApplyNamedPlan(const std::string& name, v1::Plan* plan) {
  const std::optional<v1::Plan> named = NamedPlan(name);
  if (!named) return Invalid(fmt::format("--plan is {}, must be one of {}", name, PlanNames()));
  plan->MergeFrom(*named);
  return absl::OkStatus();
}

using Word = std::optional<std::string>;

// The daemon checks numbers; what is none is told the same range.
absl::StatusOr<uint32_t> ParseLaunches(const std::string& what, const std::string& text) {
  if (const auto launches = ReadNumber<uint32_t>(text)) return *launches;
  const Range range = RangeOf<v1::Plan>(v1::Plan::kLaunchesFieldNumber);
  return Invalid(fmt::format("{} is {}, must be a whole number from {:.15g} to {:.15g}", what, text,
                             range.min, range.max));
}

// Hands the value of a word that was given to a setter.
template <typename Message, typename Value, typename Argument>
absl::Status Set(const Word& word, const char* flag,
                 absl::StatusOr<Value> (*parse)(const std::string&, const std::string&),
                 Message* message, void (Message::*set)(Argument)) {
  if (!word) return absl::OkStatus();
  absl::StatusOr<Value> value = parse(flag, *word);
  if (!value.ok()) return value.status();
  (message->*set)(*value);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ParseNs(const std::string& what, const std::string& text) {
  const auto duration = ParseDuration(what, text);
  if (!duration.ok()) return duration.status();
  return duration->count();
}

// `--max-seconds 30` is what it says; a unit may stand there too.
absl::StatusOr<int64_t> ParseSeconds(const std::string& what, const std::string& text) {
  return ParseNs(what, ReadNumber<uint32_t>(text) ? text + "s" : text);
}

absl::Status FillPlan(const SweepWords& words, v1::Plan* plan) {
  if (words.plan) {
    if (absl::Status named = ApplyNamedPlan(*words.plan, plan); !named.ok()) return named;
  }
  if (words.cuda_graph) plan->set_execution(v1::EXECUTION_CUDA_GRAPH);
  plan->set_trace(words.trace.has_value());
  using P = v1::Plan;
  return FirstError({
      Set(words.timing, "--timing", &ParseOneWord<v1::Timing>, plan, &P::set_timing),
      Set(words.launches, "--launches", &ParseLaunches, plan, &P::set_launches),
      Set(words.time_limit, "--time-limit", &ParseNs, plan, &P::set_time_limit_ns),
      Set(words.seed, "--seed", &ParseInteger<uint64_t>, plan, &P::set_seed),
      Set(words.target_precision, "--target-precision", &ParseRatio, plan,
          &P::set_target_precision),
      Set(words.max_steps, "--max-steps", &ParseInteger<uint32_t>, plan, &P::set_max_steps),
      Set(words.max_seconds, "--max-seconds", &ParseSeconds, plan, &P::set_max_measure_ns),
      Set(words.telemetry, "--telemetry", &ParseOneWord<v1::Telemetry>, plan, &P::set_telemetry),
      Set(words.retry_contaminated, "--retry-contaminated", &ParseInteger<uint32_t>, plan,
          &P::set_retry_contaminated),
      Set(words.memory_fraction, "--memory-fraction", &ParseRatio, plan, &P::set_memory_fraction),
  });
}

absl::Status FillOomPolicy(const SweepWords& words, v1::OomPolicy* oom) {
  if (words.oom_retry) oom->set_retry(*words.oom_retry);
  using O = v1::OomPolicy;
  return FirstError({
      Set(words.min_batch, "--min-batch", &ParseInteger<uint32_t>, oom, &O::set_min_batch_size),
      Set(words.min_context, "--min-context", &ParseInteger<uint32_t>, oom,
          &O::set_min_context_length),
  });
}

absl::Status FillLabels(const SweepWords& words, v1::JobSpec* spec) {
  for (const std::string& text : words.labels) {
    auto pair = ParsePair("--label", text);
    if (!pair.ok()) return pair.status();
    if (!spec->mutable_labels()->insert({pair->first, pair->second}).second) {
      return Invalid(fmt::format("--label {} is given twice, must be given once", pair->first));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<v1::TransformerLm>> ParseShape(const SweepWords& words) {
  const ShapeFlag flags[] = {{"--layers", words.layers, &v1::TransformerLm::set_layers},
                             {"--heads", words.heads, &v1::TransformerLm::set_heads},
                             {"--d-model", words.d_model, &v1::TransformerLm::set_d_model},
                             {"--d-ff", words.d_ff, &v1::TransformerLm::set_d_ff},
                             {"--vocab", words.vocab, &v1::TransformerLm::set_vocab_size}};
  v1::TransformerLm shape;
  std::string missing;
  bool any = false;
  for (const ShapeFlag& flag : flags) {
    const bool optional = flag.word.has_value() || std::string_view(flag.flag) == "--vocab";
    if (!optional) missing += (missing.empty() ? "" : ", ") + std::string(flag.flag);
    if (!flag.word) continue;
    any = true;
    absl::StatusOr<uint32_t> number = ParseInteger<uint32_t>(flag.flag, *flag.word);
    if (!number.ok()) return number.status();
    // 0 is how the contract says "not given", so the daemon could not refuse it.
    if (*number == 0) return Invalid(fmt::format("{} is 0, must be at least 1", flag.flag));
    (shape.*flag.set)(*number);
  }
  if (!any) return std::nullopt;
  if (!missing.empty())
    return Invalid("a shape lacks " + missing +
                   ", must have all four of --layers, --heads, --d-model, --d-ff");
  return shape;
}

absl::StatusOr<v1::JobSpec> ParseShared(const SweepWords& words,
                                        const std::optional<v1::TransformerLm>& shape) {
  v1::JobSpec spec;
  v1::TransformerLm* model = spec.mutable_workload()->mutable_transformer_lm();
  if (shape) *model = *shape;
  if (words.optimizer) {
    auto optimizer = ParseOneWord<v1::Optimizer>("--optimizer", *words.optimizer);
    if (!optimizer.ok()) return optimizer.status();
    model->set_optimizer(*optimizer);
  }
  if (words.device) {
    if (words.device->empty()) return Invalid("--device is empty, must name a device or a class");
    spec.set_device(*words.device);
  }
  if (words.if_busy) {
    auto if_busy = ParseOneWord<v1::IfBusy>("--if-busy", *words.if_busy);
    if (!if_busy.ok()) return if_busy.status();
    spec.set_if_busy(*if_busy);
  }
  if (words.priority) {
    auto priority = ParseInteger<int32_t>("--priority", *words.priority);
    if (!priority.ok()) return priority.status();
    spec.set_priority(*priority);
  }
  const absl::Status status =
      FirstError({FillPlan(words, spec.mutable_plan()), FillOomPolicy(words, spec.mutable_oom()),
                  FillLabels(words, &spec)});
  if (!status.ok()) return status;
  return spec;
}

}  // namespace torchlap::client
