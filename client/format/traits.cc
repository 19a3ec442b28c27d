#include "client/format/traits.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "client/format/numbers.h"
#include "client/format/subject.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

std::string AsIs(const std::string& value) { return value; }

std::string Edition(const v1::Run& run) { return SubjectOf(run).edition; }
std::string Pass(const v1::Run& run) { return PassName(SubjectOf(run)); }
std::string TimingWord(const v1::Run& run) { return std::string(Word(run.plan().timing())); }
std::string TimingCaption(const std::string& value) {
  const bool by_events = value == Word(v1::TIMING_EVENTS);
  return fmt::format("{} timing ({} clock)", value, by_events ? "device" : "host");
}
// 0: the workload has no such size.
std::string SizeOrNothing(uint32_t size) { return size == 0 ? "" : std::to_string(size); }
std::string Batch(const v1::Run& run) { return SizeOrNothing(run.requested_batch_size()); }
std::string BatchCaption(const std::string& value) { return "batch " + value; }
std::string Context(const v1::Run& run) { return SizeOrNothing(run.requested_context_length()); }
std::string ContextCaption(const std::string& value) { return "context " + value; }
std::string PrecisionWord(const v1::Run& run) { return SubjectOf(run).precision; }
std::string AttentionWord(const v1::Run& run) { return SubjectOf(run).attention; }
std::string AttentionCaption(const std::string& value) { return value + " attention"; }
std::string OptimizerWord(const v1::Run& run) { return SubjectOf(run).optimizer; }
std::string OptimizerCaption(const std::string& value) { return value + " AdamW"; }
std::string Warmup(const v1::Run& run) { return std::to_string(run.plan().warmup_steps()); }
std::string WarmupCaption(const std::string& value) { return value + " warm-up"; }
// With a target it is the least number.
std::string Steps(const v1::Run& run) {
  const std::string steps = std::to_string(run.plan().measure_steps());
  return run.plan().has_target_precision() ? steps + "+" : steps;
}
std::string StepsCaption(const std::string& value) {
  if (value.back() == '+') return "at least " + value.substr(0, value.size() - 1) + " steps";
  return value + (value == "1" ? " step" : " steps");
}
std::string Target(const v1::Run& run) {
  return run.plan().has_target_precision() ? PercentShort(run.plan().target_precision()) : "";
}
std::string TargetCaption(const std::string& value) {
  return "until the mean is known to ± " + value;
}
// Eager goes without saying, and so does all of the memory.
std::string Graph(const v1::Run& run) {
  const v1::Execution execution = run.plan().execution();
  return execution == v1::EXECUTION_CUDA_GRAPH ? std::string(Word(execution)) : "";
}
std::string Fraction(const v1::Run& run) {
  const bool is_all = !run.plan().has_memory_fraction() || run.plan().memory_fraction() == 1;
  return is_all ? "" : PercentShort(run.plan().memory_fraction());
}
std::string FractionCaption(const std::string& value) { return value + " of the memory"; }
// One launch goes without saying.
std::string Launches(const v1::Run& run) {
  return run.pooled_launches() > 1 ? std::to_string(run.pooled_launches()) : "";
}
std::string LaunchesCaption(const std::string& value) {
  return "± over " + value + " launches' medians";
}
std::string Device(const v1::Run& run) { return run.device(); }
// A word of its own, so that the other rows of a table are told from those of imports.
constexpr char kHere[] = "here";
std::string Host(const v1::Run& run) { return run.host().empty() ? kHere : run.host(); }
std::string HostCaption(const std::string& value) { return value == kHere ? "" : "host " + value; }

// `5 warm-up + at least 10 steps until ...` is one thing.
std::string Separator(const Trait& trait, bool after_warmup) {
  if (trait.value == Target) return " ";
  return after_warmup && trait.value == Steps ? " + " : ", ";
}

}  // namespace

const std::vector<Trait>& Traits() {
  static const std::vector<Trait> traits = {
      {"edition", Edition, AsIs},
      {"pass", Pass, AsIs},
      {"timing", TimingWord, TimingCaption},
      {"batch", Batch, BatchCaption},
      {"context", Context, ContextCaption},
      {"precision", PrecisionWord, AsIs},
      {"attention", AttentionWord, AttentionCaption},
      {"optimizer", OptimizerWord, OptimizerCaption},
      {"execution", Graph, AsIs},
      {"memory", Fraction, FractionCaption},
      {"warm-up", Warmup, WarmupCaption},
      {"steps", Steps, StepsCaption},
      {"target", Target, TargetCaption},
      {"launches", Launches, LaunchesCaption},
      {"device", Device, AsIs},
      {"host", Host, HostCaption},
  };
  return traits;
}

bool IsConstant(const Trait& trait, const std::vector<v1::Run>& rows) {
  return std::all_of(rows.begin(), rows.end(), [&](const v1::Run& row) {
    return trait.value(row) == trait.value(rows.front());
  });
}

std::vector<const Trait*> VaryingTraits(const std::vector<v1::Run>& rows) {
  std::vector<const Trait*> varying;
  for (const Trait& trait : Traits()) {
    if (!IsConstant(trait, rows)) varying.push_back(&trait);
  }
  return varying;
}

std::string Distinction(const v1::Run& row, const std::vector<const Trait*>& varying) {
  std::string text;
  for (const Trait* trait : varying) {
    const std::string value = trait->value(row);
    const std::string caption = value.empty() ? "" : trait->caption(value);
    if (!caption.empty()) text += ", " + caption;
  }
  return text;
}

std::string Caption(const std::vector<v1::Run>& rows, const std::string& model) {
  std::string caption;
  bool after_warmup = false;
  const auto append = [&caption](const std::string& text, const std::string& separator) {
    if (text.empty()) return;
    if (!caption.empty()) caption += separator;
    caption += text;
  };
  for (const Trait& trait : Traits()) {
    const std::string value = IsConstant(trait, rows) ? trait.value(rows.front()) : "";
    if (!value.empty()) append(trait.caption(value), Separator(trait, after_warmup));
    if (trait.value == Edition) append(model, ", ");
    after_warmup = trait.value == Warmup && !value.empty();
  }
  return caption;
}

std::string CaptionWithModel(const std::vector<v1::Run>& rows) {
  const v1::Run& first = rows.front();
  return Caption(rows, ModelShort(first.workload(), first.parameters()));
}

}  // namespace torchlap::client::format
