#include <fmt/format.h>

#include "client/format/numbers.h"
#include "client/format/runs.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
#include "client/format/words.h"

namespace torchlap::client::format {
namespace {

constexpr double kNsPerMs = 1e6;

// `152.30 ± 8.45 ms (CV: 5.55%)`, two decimals as the course prints them.
std::string Times(const v1::PhaseSummary& summary) {
  std::string text = fmt::format("{:.2f}", summary.mean_ns() / kNsPerMs);
  if (summary.has_std_ns()) text += fmt::format(" ± {:.2f}", summary.std_ns() / kNsPerMs);
  text += " ms";
  if (summary.has_cv()) text += fmt::format(" (CV: {:.2f}%)", summary.cv() * 100);
  return text;
}

void AddPhase(const char* title, const v1::PhaseSummary& summary, Lines* lines) {
  if (summary.has_mean_ns()) lines->push_back(fmt::format("  {:<14} {}", title, Times(summary)));
}

std::string LaunchesLine(const v1::Run& cell) {
  std::string line = fmt::format("  Launches: {}, ± over their medians", cell.pooled_launches());
  if (cell.step().has_within_std_ns()) {
    line +=
        fmt::format("; step ± {:.2f} ms within a launch", cell.step().within_std_ns() / kNsPerMs);
  }
  return line;
}

void AddNumbers(const v1::Run& cell, Lines* lines) {
  const bool no_grad = !SubjectOf(cell).has_backward;
  AddPhase(no_grad ? "Forward pass (no grad):" : "Forward pass:", cell.forward(), lines);
  AddPhase("Backward pass:", cell.backward(), lines);
  AddPhase("Optimizer:", cell.optimizer(), lines);
  // Where the phases are known the course prints no sum of them.
  if (!cell.forward().has_mean_ns() || cell.optimizer().has_mean_ns()) {
    AddPhase("Step:", cell.step(), lines);
  }
  if (cell.has_backward_forward_ratio()) {
    lines->push_back(
        fmt::format("  Ratio: Backward is {:.2f}x forward", cell.backward_forward_ratio()));
  }
  if (cell.pooled_launches() > 1) lines->push_back(LaunchesLine(cell));
}

// `small model (128.6M parameters)`, `calibration`.
std::string Title(const v1::Run& cell) {
  const Subject subject = SubjectOf(cell);
  if (!subject.has_parameters) return subject.name;
  return fmt::format("{} model ({} parameters)", subject.name, ParametersShort(cell.parameters()));
}

Lines Paragraph(const v1::Run& cell, const std::vector<const Trait*>& varying) {
  Lines lines = {Title(cell) + Distinction(cell, varying) + ":"};
  if (cell.outcome() == v1::OUTCOME_OK) AddNumbers(cell, &lines);
  const std::string note = NoteWords(cell);
  if (!note.empty()) lines.push_back("  Note: " + note);
  return lines;
}

}  // namespace

std::vector<Lines> RunParagraphs(const std::vector<v1::Run>& cells) {
  std::vector<Lines> paragraphs;
  if (cells.empty()) return paragraphs;
  const std::vector<const Trait*> varying = VaryingTraits(cells);
  for (const v1::Run& cell : cells) paragraphs.push_back(Paragraph(cell, varying));
  return paragraphs;
}

}  // namespace torchlap::client::format
