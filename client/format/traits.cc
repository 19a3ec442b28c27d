#include "client/format/traits.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "client/format/words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

const v1::TransformerLm& Model(const v1::Run& run) { return run.workload().transformer_lm(); }

std::string AsIs(const std::string& value) { return value; }

std::string Edition(const v1::Run& run) { return Model(run).edition(); }
std::string Pass(const v1::Run& run) { return PassName(Model(run).pass_type()); }
std::string TimingWord(const v1::Run& run) { return std::string(Word(run.plan().timing())); }
std::string TimingCaption(const std::string& value) {
  const bool by_events = value == Word(v1::TIMING_EVENTS);
  return fmt::format("{} timing ({} clock)", value, by_events ? "device" : "host");
}
std::string Batch(const v1::Run& run) { return std::to_string(run.requested_batch_size()); }
std::string BatchCaption(const std::string& value) { return "batch " + value; }
std::string Context(const v1::Run& run) { return std::to_string(run.requested_context_length()); }
std::string ContextCaption(const std::string& value) { return "context " + value; }
std::string PrecisionWord(const v1::Run& run) { return std::string(Word(Model(run).precision())); }
std::string AttentionWord(const v1::Run& run) { return std::string(Word(Model(run).attention())); }
std::string AttentionCaption(const std::string& value) { return value + " attention"; }
std::string OptimizerWord(const v1::Run& run) { return std::string(Word(Model(run).optimizer())); }
std::string OptimizerCaption(const std::string& value) { return value + " AdamW"; }
std::string Warmup(const v1::Run& run) { return std::to_string(run.plan().warmup_steps()); }
std::string WarmupCaption(const std::string& value) { return value + " warm-up"; }
std::string Steps(const v1::Run& run) { return std::to_string(run.plan().measure_steps()); }
std::string StepsCaption(const std::string& value) {
  return value + (value == "1" ? " step" : " steps");
}
// One launch goes without saying.
std::string Launches(const v1::Run& run) {
  return run.pooled_launches() > 1 ? std::to_string(run.pooled_launches()) : "";
}
std::string LaunchesCaption(const std::string& value) {
  return value + " launches (± over their medians)";
}
std::string Device(const v1::Run& run) { return run.device(); }

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
      {"warm-up", Warmup, WarmupCaption},
      {"steps", Steps, StepsCaption},
      {"launches", Launches, LaunchesCaption},
      {"device", Device, AsIs},
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

std::string Caption(const std::vector<v1::Run>& rows, const std::string& model) {
  std::string caption;
  bool after_warmup = false;
  const auto append = [&caption](const std::string& text, const char* separator) {
    if (text.empty()) return;
    if (!caption.empty()) caption += separator;
    caption += text;
  };
  for (const Trait& trait : Traits()) {
    const std::string value = IsConstant(trait, rows) ? trait.value(rows.front()) : "";
    // `5 warm-up + 10 steps` is one thing.
    const bool joined = after_warmup && trait.value == Steps;
    if (!value.empty()) append(trait.caption(value), joined ? " + " : ", ");
    if (trait.value == Edition) append(model, ", ");
    after_warmup = trait.value == Warmup && !value.empty();
  }
  return caption;
}

}  // namespace torchlap::client::format
