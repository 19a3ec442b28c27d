#include "client/format/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "client/format/evidence.h"
#include "client/format/numbers.h"
#include "client/format/subject.h"
#include "proto/idle_memory.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

// Of a row with an outcome, whose job may bring others.
std::string GoesOnWords(const v1::Run& run) {
  const bool goes_on =
      run.job_state() == v1::JOB_STATE_QUEUED || run.job_state() == v1::JOB_STATE_RUNNING;
  if (!goes_on || run.outcome() == v1::OUTCOME_UNSPECIFIED) return "";
  return fmt::format("its job is still {}", Word(run.job_state()));
}

std::string Join(const std::vector<std::string>& parts, const char* separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

// While the model is built the line says what the numbers do not: that no smaller size helps, and
// who holds the memory.
std::string OutOfMemoryWords(const v1::Failure& failure) {
  if (failure.phase() == v1::PHASE_BUILD) return "";
  std::optional<uint64_t> total_bytes;
  if (failure.has_total_bytes()) total_bytes = failure.total_bytes();
  std::vector<std::string> numbers;
  if (failure.has_asked_bytes()) numbers.push_back("asked " + BytesShort(failure.asked_bytes()));
  if (failure.has_free_bytes()) numbers.push_back("free " + BytesShort(failure.free_bytes()));
  if (failure.foreign_bytes() > MostIdleBytes(total_bytes)) {
    numbers.push_back("others hold " + BytesShort(failure.foreign_bytes()));
  }
  return Join(numbers, ", ");
}

std::string SkippedWords(const v1::Failure& failure) {
  std::vector<std::string> numbers;
  if (failure.has_asked_bytes()) numbers.push_back("needs " + BytesShort(failure.asked_bytes()));
  if (failure.has_free_bytes()) numbers.push_back("device has " + BytesShort(failure.free_bytes()));
  return Join(numbers, ", ");
}

}  // namespace

std::string Counted(uint64_t count, std::string_view word) {
  return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

std::string ChangeText(const v1::EnvironmentChange& change) {
  const auto known = [](const std::string& value) { return value.empty() ? "unknown" : value; };
  return fmt::format("{} {} -> {}", change.name(), known(change.before()), known(change.after()));
}

std::string ChangesText(const google::protobuf::RepeatedPtrField<v1::EnvironmentChange>& changes) {
  std::vector<std::string> texts;
  for (const v1::EnvironmentChange& change : changes) texts.push_back(ChangeText(change));
  return Join(texts, ", ");
}

std::string OutcomeName(v1::Outcome outcome) {
  const std::string word(Word(outcome));
  return word.empty() ? "unfinished" : word;
}

std::string StateName(const v1::Run& run) {
  if (run.outcome() != v1::OUTCOME_UNSPECIFIED) return OutcomeName(run.outcome());
  const std::string word(Word(run.job_state()));
  return word.empty() ? "unfinished" : word;
}

std::string ShrinkWords(const v1::Run& run) {
  // What a search tries was not shrunk.
  if (run.purpose() == v1::PURPOSE_FIT) return "";
  const Subject subject = SubjectOf(run);
  std::vector<std::string> changes;
  if (run.requested_batch_size() != 0 && subject.batch_size != run.requested_batch_size()) {
    changes.push_back(
        fmt::format("batch {} -> {}", run.requested_batch_size(), subject.batch_size));
  }
  if (run.requested_context_length() != 0 &&
      subject.context_length != run.requested_context_length()) {
    changes.push_back(
        fmt::format("context {} -> {}", run.requested_context_length(), subject.context_length));
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
  std::string words = StateName(run);
  if (run.failure().phase() != v1::PHASE_UNSPECIFIED) {
    words += fmt::format(" in {}", Word(run.failure().phase()));
  }
  const std::string reason = ReasonWords(run);
  return reason.empty() ? words : words + ": " + reason;
}

std::string InvalidWords(const v1::Run& run) {
  return run.invalid_reason().empty() ? "" : "invalid: " + run.invalid_reason();
}

std::string NoteWords(const v1::Run& run) {
  std::vector<std::string> notes;
  for (const std::string& note : {InvalidWords(run), ShrinkWords(run), FailureWords(run),
                                  GoesOnWords(run), VerdictMark(run)}) {
    if (!note.empty()) notes.push_back(note);
  }
  return Join(notes, "; ");
}

std::vector<std::string> NoteLines(const v1::Run& run) {
  std::vector<std::string> lines;
  std::string_view rest = run.note();
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    if (end > 0) lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
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
    case v1::WaitReason::CODE_BUSY:
      return fmt::format("{} busy: {}", wait.device(), wait.detail());
    case v1::WaitReason::CODE_STARTING:
      return "about to start";
    default:
      return wait.detail();
  }
}

std::string NotStoredWords(const v1::Job& job) {
  return job.not_stored().empty() ? "" : "finished, not stored yet: " + job.not_stored();
}

size_t DisplayWidth(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace torchlap::client::format
