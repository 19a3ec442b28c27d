#include <fmt/format.h>

#include "client/format/numbers.h"
#include "client/format/runs.h"
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

void WriteLine(const char* title, const v1::PhaseSummary& summary, std::ostream& out) {
  if (summary.has_mean_ns()) out << fmt::format("  {:<14} {}\n", title, Times(summary));
}

void WriteLaunches(const v1::Run& cell, std::ostream& out) {
  out << fmt::format("  Launches: {}, ± over their medians", cell.pooled_launches());
  if (cell.step().has_within_std_ns()) {
    out << fmt::format("; step ± {:.2f} ms within a launch",
                       cell.step().within_std_ns() / kNsPerMs);
  }
  out << '\n';
}

void WriteNumbers(const v1::Run& cell, std::ostream& out) {
  const bool no_grad = cell.workload().transformer_lm().pass_type() == v1::PASS_TYPE_FORWARD;
  WriteLine(no_grad ? "Forward pass (no grad):" : "Forward pass:", cell.forward(), out);
  WriteLine("Backward pass:", cell.backward(), out);
  WriteLine("Optimizer:", cell.optimizer(), out);
  // Where the phases are known the course prints no sum of them.
  if (!cell.forward().has_mean_ns() || cell.optimizer().has_mean_ns()) {
    WriteLine("Step:", cell.step(), out);
  }
  if (cell.has_backward_forward_ratio()) {
    out << fmt::format("  Ratio: Backward is {:.2f}x forward\n", cell.backward_forward_ratio());
  }
  if (cell.pooled_launches() > 1) WriteLaunches(cell, out);
}

void WriteCell(const v1::Run& cell, const std::vector<const Trait*>& varying, std::ostream& out) {
  const v1::TransformerLm& model = cell.workload().transformer_lm();
  out << fmt::format("{} model ({} parameters){}:\n", SizeName(model),
                     ParametersShort(cell.parameters()), Distinction(cell, varying));
  if (cell.outcome() == v1::OUTCOME_OK) WriteNumbers(cell, out);
  const std::string note = NoteWords(cell);
  if (!note.empty()) out << "  Note: " << note << '\n';
}

}  // namespace

void WriteWriteup(const std::vector<v1::Run>& cells, std::ostream& out) {
  if (cells.empty()) return;
  const std::vector<const Trait*> varying = VaryingTraits(cells);
  const char* separator = "";
  for (const v1::Run& cell : cells) {
    out << separator;
    WriteCell(cell, varying, out);
    separator = "\n";
  }
}

}  // namespace torchlap::client::format
