#include "server/measure/presets.h"

#include <limits>

#include "proto/ranges.h"

namespace torchlap::measure {
namespace {

constexpr uint32_t kVocab = 10000;  // of every preset

v1::Preset MakePreset(const char* edition, const char* name, uint32_t d_model, uint32_t d_ff,
                      uint32_t layers, uint32_t heads, bool is_default) {
  v1::TransformerLm shape;
  shape.set_vocab_size(kVocab);
  shape.set_d_model(d_model);
  shape.set_d_ff(d_ff);
  shape.set_layers(layers);
  shape.set_heads(heads);
  v1::Preset preset;
  preset.set_edition(edition);
  preset.set_name(name);
  preset.set_vocab_size(kVocab);
  preset.set_d_model(d_model);
  preset.set_d_ff(d_ff);
  preset.set_layers(layers);
  preset.set_heads(heads);
  preset.set_parameters(ParameterCount(shape));
  preset.set_is_default(is_default);
  return preset;
}

// `small, medium, ..., 10B`: the names that need no edition, for messages.
std::string DefaultNames() {
  std::string names;
  for (const v1::Preset& preset : Presets()) {
    if (!preset.is_default()) continue;
    if (!names.empty()) names += ", ";
    names += preset.name();
  }
  return names;
}

const v1::Preset* Find(const std::string& edition, const std::string& name) {
  for (const v1::Preset& preset : Presets()) {
    const bool edition_fits = edition.empty() ? preset.is_default() : preset.edition() == edition;
    if (edition_fits && preset.name() == name) return &preset;
  }
  return nullptr;
}

absl::Status CheckDimensions(const v1::TransformerLm& model) {
  for (const int field :
       {model.kVocabSizeFieldNumber, model.kDModelFieldNumber, model.kDFfFieldNumber,
        model.kLayersFieldNumber, model.kHeadsFieldNumber}) {
    if (const auto wrong = CheckGiven(model, field)) return absl::InvalidArgumentError(*wrong);
  }
  return absl::OkStatus();
}

// A number beside a preset's name must be 0 (not given) or the preset's own, as in a job that is
// sent again.
absl::Status FillDimension(const char* field, const v1::Preset& preset, uint32_t of_preset,
                           uint32_t* value) {
  if (*value != 0 && *value != of_preset) {
    return absl::InvalidArgumentError(std::string(field) + " is " + std::to_string(*value) +
                                      " beside preset " + preset.edition() + "/" + preset.name() +
                                      ", whose " + field + " is " + std::to_string(of_preset) +
                                      "; give a preset or a shape");
  }
  *value = of_preset;
  return absl::OkStatus();
}

absl::Status ApplyPreset(const v1::Preset& preset, v1::TransformerLm* model) {
  uint32_t vocab = model->vocab_size();
  uint32_t d_model = model->d_model();
  uint32_t d_ff = model->d_ff();
  uint32_t layers = model->layers();
  uint32_t heads = model->heads();
  absl::Status status = FillDimension("vocab_size", preset, preset.vocab_size(), &vocab);
  status.Update(FillDimension("d_model", preset, preset.d_model(), &d_model));
  status.Update(FillDimension("d_ff", preset, preset.d_ff(), &d_ff));
  status.Update(FillDimension("layers", preset, preset.layers(), &layers));
  status.Update(FillDimension("heads", preset, preset.heads(), &heads));
  if (!status.ok()) return status;
  model->set_edition(preset.edition());
  model->set_preset(preset.name());
  model->set_vocab_size(vocab);
  model->set_d_model(d_model);
  model->set_d_ff(d_ff);
  model->set_layers(layers);
  model->set_heads(heads);
  return status;
}

absl::Status ResolvePreset(v1::TransformerLm* model) {
  std::string edition = model->edition();
  std::string name = model->preset();
  const size_t slash = name.rfind('/');
  if (slash != std::string::npos) {
    edition = name.substr(0, slash);
    name = name.substr(slash + 1);
  }
  const v1::Preset* preset = Find(edition, name);
  if (preset == nullptr) {
    return absl::InvalidArgumentError("preset is " + model->preset() + ", must be one of " +
                                      DefaultNames() + ", or with an edition, cs336-2026/xl");
  }
  return ApplyPreset(*preset, model);
}

absl::Status CheckHeads(const v1::TransformerLm& model) {
  if (model.d_model() % model.heads() != 0) {
    return absl::InvalidArgumentError("heads is " + std::to_string(model.heads()) +
                                      ", must divide d_model, which is " +
                                      std::to_string(model.d_model()));
  }
  const uint32_t d_head = model.d_model() / model.heads();
  if (d_head % 2 != 0) {
    return absl::InvalidArgumentError("heads is " + std::to_string(model.heads()) +
                                      ", which makes d_model / heads " + std::to_string(d_head) +
                                      ", must be even (RoPE turns pairs)");
  }
  return absl::OkStatus();
}

uint32_t DefaultVocab() {
  return static_cast<uint32_t>(
      DefaultOf<v1::TransformerLm>(v1::TransformerLm::kVocabSizeFieldNumber));
}

absl::Status CheckDeclaredShape(v1::TransformerLm* model) {
  if (model->layers() == 0 && model->heads() == 0 && model->d_model() == 0 && model->d_ff() == 0) {
    return absl::InvalidArgumentError("neither preset nor shape is given, name one of " +
                                      DefaultNames() + ", or give layers, heads, d_model and d_ff");
  }
  if (!model->edition().empty()) {
    return absl::InvalidArgumentError("edition is " + model->edition() +
                                      " without a preset, must be empty for a declared shape");
  }
  if (model->vocab_size() == 0) model->set_vocab_size(DefaultVocab());
  const absl::Status status = CheckDimensions(*model);
  if (!status.ok()) return status;
  return CheckHeads(*model);
}

}  // namespace

const std::vector<v1::Preset>& Presets() {
  static const std::vector<v1::Preset> presets = {
      MakePreset("cs336-2025", "small", 768, 3072, 12, 12, true),
      MakePreset("cs336-2025", "medium", 1024, 4096, 24, 16, true),
      MakePreset("cs336-2025", "large", 1280, 5120, 36, 20, true),
      MakePreset("cs336-2025", "xl", 1600, 6400, 48, 25, true),
      MakePreset("cs336-2025", "2.7B", 2560, 10240, 32, 32, true),
      MakePreset("cs336-2026", "small", 768, 3072, 12, 12, false),
      MakePreset("cs336-2026", "medium", 1024, 4096, 24, 16, false),
      MakePreset("cs336-2026", "large", 1280, 5120, 36, 20, false),
      MakePreset("cs336-2026", "xl", 2560, 10240, 32, 32, false),
      MakePreset("cs336-2026", "10B", 4608, 12288, 50, 36, true),
  };
  return presets;
}

absl::Status ResolveShape(v1::TransformerLm* model) {
  return model->preset().empty() ? CheckDeclaredShape(model) : ResolvePreset(model);
}

uint64_t ParameterCount(const v1::TransformerLm& model) {
  // With every dimension at most 2^20 this stays below 2^63.
  const uint64_t vocab = model.vocab_size();
  const uint64_t d = model.d_model();
  const uint64_t f = model.d_ff();
  const uint64_t layers = model.layers();
  return layers * (4 * d * d + 3 * d * f + 2 * d) + 2 * vocab * d + d;
}

}  // namespace torchlap::measure
