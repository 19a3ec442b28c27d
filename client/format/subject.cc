#include "client/format/subject.h"

#include <fmt/format.h>

#include "client/format/numbers.h"
#include "proto/ranges.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

std::string ModelName(const v1::TransformerLm& model) {
  if (!model.preset().empty()) return model.preset();
  std::string name =
      fmt::format("L{} h{} d{} f{}", model.layers(), model.heads(), model.d_model(), model.d_ff());
  if (model.vocab_size() != 0 &&
      model.vocab_size() != DefaultOf<v1::TransformerLm>(model.kVocabSizeFieldNumber)) {
    name += fmt::format(" V{}", model.vocab_size());
  }
  return name;
}

Subject ModelSubject(const v1::TransformerLm& model) {
  Subject subject;
  subject.name = ModelName(model);
  subject.edition = model.edition();
  subject.preset = model.preset();
  subject.pass = Word(model.pass_type());
  subject.precision = Word(model.precision());
  subject.attention = Word(model.attention());
  subject.optimizer = Word(model.optimizer());
  subject.batch_size = model.batch_size();
  subject.context_length = model.context_length();
  subject.has_parameters = true;
  subject.has_backward = model.pass_type() != v1::PASS_TYPE_FORWARD;
  subject.has_optimizer_step = model.pass_type() == v1::PASS_TYPE_TRAIN_STEP;
  return subject;
}

Subject CalibrationSubject() {
  Subject subject;
  subject.name = "calibration";
  return subject;
}

// Null: a kind of workload that is no model.
v1::TransformerLm* ModelOf(v1::Workload* workload) {
  return workload->has_calibration() ? nullptr : workload->mutable_transformer_lm();
}

}  // namespace

Subject SubjectOf(const v1::Workload& workload) {
  return workload.has_calibration() ? CalibrationSubject()
                                    : ModelSubject(workload.transformer_lm());
}

Subject SubjectOf(const v1::Run& run) { return SubjectOf(run.workload()); }

std::string SubjectName(const v1::Workload& workload) { return SubjectOf(workload).name; }

std::string PassName(const Subject& subject) {
  return subject.pass == Word(v1::PASS_TYPE_FORWARD) ? subject.pass + " (no grad)" : subject.pass;
}

std::string ModelText(const v1::Workload& workload, uint64_t parameters) {
  const Subject subject = SubjectOf(workload);
  if (!subject.has_parameters) return "";
  return fmt::format("{} ({} parameters)", subject.name, ParametersShort(parameters));
}

std::string ModelShort(const v1::Workload& workload, uint64_t parameters) {
  return fmt::format("{} ({})", SubjectName(workload), ParametersShort(parameters));
}

std::string SizeWords(const Subject& subject) {
  return fmt::format("batch {}, context {}", subject.batch_size, subject.context_length);
}

std::string WorkloadWords(const v1::Workload& workload) {
  const Subject subject = SubjectOf(workload);
  if (!subject.has_parameters) return subject.name;
  return fmt::format("{}, {}, {}", subject.name, PassName(subject), SizeWords(subject));
}

void SetSizes(uint32_t batch_size, uint32_t context_length, v1::Workload* workload) {
  v1::TransformerLm* model = ModelOf(workload);
  if (model == nullptr) return;
  model->set_batch_size(batch_size);
  model->set_context_length(context_length);
}

void SetPass(v1::PassType pass, v1::Workload* workload) {
  if (v1::TransformerLm* model = ModelOf(workload)) model->set_pass_type(pass);
}

void SetPrecision(v1::Precision precision, v1::Workload* workload) {
  if (v1::TransformerLm* model = ModelOf(workload)) model->set_precision(precision);
}

void SetAttention(v1::Attention attention, v1::Workload* workload) {
  if (v1::TransformerLm* model = ModelOf(workload)) model->set_attention(attention);
}

void SetOptimizer(v1::Optimizer optimizer, v1::Workload* workload) {
  if (v1::TransformerLm* model = ModelOf(workload)) model->set_optimizer(optimizer);
}

}  // namespace torchlap::client::format
