#include "client/format/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "client/format/evidence.h"
#include "client/format/numbers.h"
#include "proto/ranges.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

std::string Join(const std::vector<std::string>& parts, const char* separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string OutOfMemoryWords(const v1::Failure& failure) {
  std::vector<std::string> numbers;
  if (failure.has_asked_bytes()) numbers.push_back("asked " + BytesShort(failure.asked_bytes()));
  if (failure.has_free_bytes()) numbers.push_back("free " + BytesShort(failure.free_bytes()));
  return Join(numbers, ", ");
}

std::string SkippedWords(const v1::Failure& failure) {
  std::vector<std::string> numbers;
  if (failure.has_asked_bytes()) numbers.push_back("needs " + BytesShort(failure.asked_bytes()));
  if (failure.has_free_bytes()) numbers.push_back("device has " + BytesShort(failure.free_bytes()));
  return Join(numbers, ", ");
}

}  // namespace

std::string SizeName(const v1::TransformerLm& model) {
  if (!model.preset().empty()) return model.preset();
  std::string name =
      fmt::format("L{} h{} d{} f{}", model.layers(), model.heads(), model.d_model(), model.d_ff());
  if (model.vocab_size() != 0 &&
      model.vocab_size() != DefaultOf<v1::TransformerLm>(model.kVocabSizeFieldNumber)) {
    name += fmt::format(" V{}", model.vocab_size());
  }
  return name;
}

std::string SubjectName(const v1::Workload& workload) {
  return workload.has_calibration() ? "calibration" : SizeName(workload.transformer_lm());
}

std::string PassName(v1::PassType pass) {
  const std::string word(Word(pass));
  return pass == v1::PASS_TYPE_FORWARD ? word + " (no grad)" : word;
}

std::string OutcomeName(v1::Outcome outcome) {
  const std::string word(Word(outcome));
  return word.empty() ? "unfinished" : word;
}

std::string ShrinkWords(const v1::Run& run) {
  const v1::TransformerLm& model = run.workload().transformer_lm();
  std::vector<std::string> changes;
  if (run.requested_batch_size() != 0 && model.batch_size() != run.requested_batch_size()) {
    changes.push_back(
        fmt::format("batch {} -> {}", run.requested_batch_size(), model.batch_size()));
  }
  if (run.requested_context_length() != 0 &&
      model.context_length() != run.requested_context_length()) {
    changes.push_back(
        fmt::format("context {} -> {}", run.requested_context_length(), model.context_length()));
  }
  return changes.empty() ? "" : Join(changes, ", ") + " (OOM)";
}

std::string ReasonWords(const v1::Run& run) {
  std::string words;
  if (run.outcome() == v1::OUTCOME_OUT_OF_MEMORY) words = OutOfMemoryWords(run.failure());
  if (run.outcome() == v1::OUTCOME_SKIPPED) words = SkippedWords(run.failure());
  return words.empty() ? run.failure().detail() : words;
}

std::string FailureWords(const v1::Run& run) {
  if (run.outcome() == v1::OUTCOME_OK) return "";
  std::string words = OutcomeName(run.outcome());
  if (run.failure().phase() != v1::PHASE_UNSPECIFIED) {
    words += fmt::format(" in {}", Word(run.failure().phase()));
  }
  const std::string reason = ReasonWords(run);
  return reason.empty() ? words : words + ": " + reason;
}

std::string NoteWords(const v1::Run& run) {
  std::vector<std::string> notes;
  for (const std::string& note : {ShrinkWords(run), FailureWords(run), VerdictWords(run)}) {
    if (!note.empty()) notes.push_back(note);
  }
  return Join(notes, "; ");
}

std::string WaitWords(const v1::WaitReason& wait) {
  switch (wait.code()) {
    case v1::WaitReason::CODE_BEHIND:
      return fmt::format("behind {} {}", wait.jobs_ahead(),
                         wait.jobs_ahead() == 1 ? "job" : "jobs");
    case v1::WaitReason::CODE_RUNNING:
      return fmt::format("next on {}, which runs {}", wait.device(), wait.run_id());
    case v1::WaitReason::CODE_CLAIMED: {
      if (wait.pid() == 0) return fmt::format("{} claimed by another daemon", wait.device());
      const std::string who = wait.user().empty() ? "" : ", user " + wait.user();
      return fmt::format("{} claimed by pid {}{}", wait.device(), wait.pid(), who);
    }
    case v1::WaitReason::CODE_UNAVAILABLE:
      return fmt::format("{} unavailable: {}", wait.device(), wait.detail());
    case v1::WaitReason::CODE_STARTING:
      return "about to start";
    default:
      return wait.detail();
  }
}

std::string WorkloadWords(const v1::Workload& workload) {
  if (workload.has_calibration()) return SubjectName(workload);
  const v1::TransformerLm& model = workload.transformer_lm();
  return fmt::format("{}, {}, batch {}, context {}", SizeName(model), PassName(model.pass_type()),
                     model.batch_size(), model.context_length());
}

size_t DisplayWidth(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace torchlap::client::format
